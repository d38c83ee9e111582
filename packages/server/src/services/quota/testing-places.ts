/** Databases that many processes can open by their URL: a file of SQLite, a schema of PostgreSQL. Gone afterwards. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase, type Database, type DialectName } from '#platform/db/database.ts'

export interface Place {
  name: DialectName
  /** Opens an empty one, works with it, and takes it away. */
  use(work: (db: Database, url: string) => Promise<void>): Promise<void>
}

/** PostgreSQL when `QUAYSTONE_TEST_PG` names one. */
export const places = (): Place[] => {
  const postgres = process.env['QUAYSTONE_TEST_PG']
  const sqlite: Place = { name: 'sqlite', use: useFile }
  return postgres ? [sqlite, { name: 'postgresql', use: (work) => useSchema(postgres, work) }] : [sqlite]
}

type Work = Parameters<Place['use']>[0]

const opened = async (url: string, work: Work): Promise<void> => {
  const db = await openDatabase({ url })
  try {
    await work(db, url)
  } finally {
    await db.close()
  }
}

const useFile = async (work: Work): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-place-'))
  try {
    await opened(`sqlite:${join(folder, 'quota.db')}`, work)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const useSchema = async (postgres: string, work: Work): Promise<void> => {
  const schema = `place_${randomBytes(8).toString('hex')}`,
    admin = await openDatabase({ url: postgres }),
    options = encodeURIComponent(`-c search_path=${schema}`)
  await admin.transaction((tx) => tx.as().schema.createSchema(schema).execute())
  try {
    await opened(`${postgres}${postgres.includes('?') ? '&' : '?'}options=${options}`, work)
  } finally {
    await admin.transaction((tx) => tx.as().schema.dropSchema(schema).cascade().execute())
    await admin.close()
  }
}
