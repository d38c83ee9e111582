/** Fresh, empty databases for tests: SQLite always, PostgreSQL when `QUAYSTONE_TEST_PG` names one. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Clock } from '#platform/clock/clock.ts'
import { migrate } from './migrate.ts'
import type { ServiceMigrations } from './migrate.ts'
import { openDatabase } from './open-database.ts'
import type { Database, DialectName } from './database.ts'

export interface TestDatabase {
  name: DialectName
  /** An isolated database, gone when it is closed; migrated if `migrations` are given (an empty list will do). */
  open(options?: { migrations?: ServiceMigrations[]; clock?: Clock }): Promise<Database>
}

/** Store tests loop over these: `for (const { name, open } of testDatabases()) describe(name, …)`. */
export function testDatabases(): TestDatabase[] {
  const url = process.env['QUAYSTONE_TEST_PG']
  const sqlite: TestDatabase = {
    name: 'sqlite',
    open: (options) => prepared(openDatabase({ url: 'sqlite::memory:', clock: options?.clock }), options),
  }
  if (url === undefined || url === '') return [sqlite]
  return [sqlite, { name: 'postgresql', open: (options) => prepared(openSchema(url, options?.clock), options) }]
}

async function prepared(opening: Promise<Database>, options?: { migrations?: ServiceMigrations[] }): Promise<Database> {
  const db = await opening
  if (options?.migrations !== undefined) await migrate(db, options.migrations)
  return db
}

/** A schema of its own, dropped at close. */
async function openSchema(url: string, clock?: Clock): Promise<Database> {
  const schema = `test_${randomBytes(8).toString('hex')}`
  await administer(url, `create schema ${schema}`)
  const db = await openDatabase({ url, schema, clock, poolMax: 5 })
  const close = db.close.bind(db)
  db.close = async () => {
    await close()
    await administer(url, `drop schema if exists ${schema} cascade`)
  }
  return db
}

async function administer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
