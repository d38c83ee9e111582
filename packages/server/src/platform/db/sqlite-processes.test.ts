/** One SQLite file and several processes: they take turns, and one that is killed leaves whole transactions only. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { id, text } from './columns.ts'
import { defineMigration, migrate } from './migrate.ts'
import type { PlatformTables } from './platform-tables.ts'

interface Tables { boat: { id: string; writer: string } }

const boats = [{ service: 'harbour', migrations: [defineMigration({
  id: '0001-boats',
  up: async (schema) => { await schema.schema.createTable('boat').addColumn('id', ...id).addColumn('writer', ...text)
    .execute() },
})] }]

/** Adds boats, each with an event, and says the number of each once it is committed. */
const writerSource = `
import { openDatabase } from ${JSON.stringify(new URL('./database.ts', import.meta.url).href)}
const [, url, name, boats] = process.argv
const db = await openDatabase({ url })
for (let n = 0; n < Number(boats); n++) {
  await db.transaction(async (tx) => {
    await tx.as().insertInto('boat').values({ id: name + n, writer: name }).execute()
    await new Promise(setImmediate)
    tx.emit('boat.added', { id: name + n })
  })
  process.stdout.write(n + '\\n')
}
await db.close()
`

describe('one SQLite file, several processes', () => {
  let folder: string
  let db: Database
  let url: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'quaystone-test-'))
    url = `sqlite:${join(folder, 'data', 'cloud.db')}`
    db = await openDatabase({ url })
    await migrate(db, boats)
  })
  after(async () => { await db.close(); rmSync(folder, { recursive: true }) })

  const writer = (name: string, count: number): ChildProcess =>
    spawn(process.execPath, ['--input-type=module', '-e', writerSource, url, name, String(count)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const written = async (name: string) =>
    (await db.as<Tables>().selectFrom('boat').select('id').where('writer', '=', name).execute()).map((boat) => boat.id)
  const announced = async (name: string) => {
    const rows = await db.as<PlatformTables>().selectFrom('outbox').select('payload').where('topic', '=', 'boat.added')
      .execute()
    return rows.map(({ payload }) => (JSON.parse(payload) as { id: string }).id).filter((boat) => boat.startsWith(name))
  }

  test('the file is its owner\'s alone', () => {
    assert.equal(statSync(join(folder, 'data', 'cloud.db')).mode & 0o777, 0o600)
  })

  test('writers take turns and none of them fails', async () => {
    const writers = ['ann', 'bob'].map((name) => writer(name, 60))
    const ours = db.transaction(async (tx) => { await tx.as<Tables>().insertInto('boat')
      .values({ id: 'ours', writer: 'us' }).execute() })
    const codes = await Promise.all(writers.map(async (child) => (await once(child, 'exit'))[0] as number))
    await ours
    assert.deepEqual(codes, [0, 0])
    for (const name of ['ann', 'bob']) assert.equal((await written(name)).length, 60, name)
  })

  test('a killed writer leaves every transaction whole, and loses none that it was told was committed', async () => {
    const child = writer('eve', 1_000_000)
    let said = ''
    child.stdout?.on(
      'data', (chunk: Buffer) => { said += chunk.toString(); if (said.length > 200) child.kill('SIGKILL') },
    )
    await once(child, 'close')
    const told = said.split('\n').slice(0, -1).map((n) => `eve${n}`)
    const boatsWritten = new Set(await written('eve'))
    assert.deepEqual(told.filter((boat) => !boatsWritten.has(boat)), [])
    assert.deepEqual((await announced('eve')).sort(), [...boatsWritten].sort())
  })
})
