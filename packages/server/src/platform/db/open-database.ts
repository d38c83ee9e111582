/** Opens the database that a URL names: `sqlite:/path/file.db`, `sqlite::memory:` or `postgresql://…`. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Kysely, SelectQueryNode } from 'kysely'
import type { KyselyPlugin } from 'kysely'
import type { Database } from './database.ts'
import { openPostgres } from './postgres-dialect.ts'
import { withCommit } from './postgres-driver.ts'
import { SqliteFile, plainDialect, transactionDialect } from './sqlite-dialect.ts'
import { SqlDatabase } from './sql-database.ts'
import type { Backend, DatabaseDependencies } from './sql-database.ts'
import type { Synchronous } from './sqlite-connection.ts'

export interface DatabaseOptions extends DatabaseDependencies {
  url: string
  /** SQLite only. `normal` survives a killed process, `full` a power cut too. Default `normal`. */
  synchronous?: Synchronous
  /** PostgreSQL only: connections at most. Default 10. */
  poolMax?: number
  /** PostgreSQL only: the schema to work in. */
  schema?: string
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, clock, log } = options
  if (url === 'sqlite::memory:') return new SqlDatabase(temporaryBackend, { clock, log })
  if (url.startsWith('sqlite:')) {
    const path = sqlitePath(url)
    return new SqlDatabase(
      (assertOutside) => sqliteBackend(path, options.synchronous ?? 'normal', assertOutside), { clock, log },
    )
  }
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgresDatabase(options)
  throw new Error(
    `The database URL "${shown(url)}" is not understood: use sqlite:/path/to/file.db or postgresql://user@host/name`,
  )
}

function sqlitePath(url: string): string {
  const path = url.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')
  if (path === '') throw new Error('The database URL "sqlite:" lacks a path: use sqlite:/path/to/file.db')
  return path
}

function sqliteBackend(path: string, synchronous: Synchronous, assertOutside: () => void): Backend {
  mkdirSync(dirname(path), { recursive: true })
  const file = new SqliteFile(path, synchronous)
  chmodSync(path, 0o600)
  const transactions = new Kysely<unknown>({ dialect: transactionDialect(file) })
  return {
    dialect: 'sqlite',
    plain: new Kysely<unknown>({ dialect: plainDialect(file, assertOutside) }),
    begin: (work) => transactions.transaction().execute(work),
    last: (query) => query,
    // A running transaction ends first; later ones wait in vain.
    close: async () => { await file.groups.close(); file.close() },
  }
}

/** A file in the temporary directory: SQLite's real in-memory modes make readers wait for writers. */
function temporaryBackend(assertOutside: () => void): Backend {
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-db-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  const backend = sqliteBackend(join(folder, 'memory.db'), 'off', assertOutside)
  return { ...backend, close: async () => { await backend.close(); process.off('exit', remove); remove() } }
}

async function openPostgresDatabase({ url, poolMax, schema, log, clock }: DatabaseOptions): Promise<Database> {
  const { pool, dialect } = await openPostgres({ url, poolMax, schema, log })
  try {
    await pool.query('select 1')
  } catch (error) {
    await pool.end()
    throw new Error(`The database at ${shown(url)} does not answer: ${(error as Error).message}`, { cause: error })
  }
  return new SqlDatabase((assertOutside) => {
    const plain = new Kysely<unknown>({ dialect })
    return {
      dialect: 'postgresql',
      plain: plain.withPlugin(refuseWrites(assertOutside)),
      begin: (work, isolation) => plain.transaction().setIsolationLevel(isolation).execute(work),
      last: withCommit,
      // Kysely ends the pool only if it was asked anything; we may have connected before it was.
      close: async () => { await plain.destroy(); if (!pool.ending) await pool.end() },
    }
  }, { clock, log })
}

/** A write outside of the transaction one is in may wait for a lock of that very transaction, for ever. */
const refuseWrites = (assertOutside: () => void): KyselyPlugin => ({
  transformQuery: ({ node }) => {
    if (!SelectQueryNode.is(node) && node.kind !== 'RawNode') assertOutside()
    return node
  },
  transformResult: async ({ result }) => result,
})

/** The URL without its password. */
const shown = (url: string): string => url.replace(/\/\/([^:@/]*):[^@/]*@/, '//$1:***@')
