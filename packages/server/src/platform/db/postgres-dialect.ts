/** Kysely on `pg`: a pool whose big integers are numbers, as everything of ours fits into 53 bits. */
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { Dialect, Kysely } from 'kysely'
import type pg from 'pg'
import type { Log } from '#platform/log/log.ts'
import { PostgresDriver } from './postgres-driver.ts'

export interface PostgresOptions {
  url: string
  poolMax?: number
  /** The schema to work in; the server's default when absent. */
  schema?: string
  log?: Log
}

/**
 * Rows are found by their keys, also where a table is so small that reading it whole is cheaper: who reads it whole,
 * serializably, is in conflict with all who write a row of it, and a plan that was right for ten rows is kept for
 * thousands. Where there is no key PostgreSQL reads it whole all the same, at costs that must not start its compiler.
 */
const settings = "set enable_seqscan = off; set jit = off; set default_transaction_isolation = 'read committed'"

const int8 = 20
const numeric = 1700

export interface PostgresPool {
  pool: pg.Pool
  dialect: Dialect
}

/** The client is loaded here, since most clouds live on SQLite. */
export async function openPostgres({ url, poolMax = 10, schema, log }: PostgresOptions): Promise<PostgresPool> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: 10_000,
    types: { getTypeParser: parserOf(pg) },
    onConnect: async (client) => {
      await client.query(settings)
    },
    ...(schema === undefined ? {} : { options: `-c search_path=${schema}` }),
  })
  // Without a listener, a server that goes away under an idle connection would end the process.
  pool.on('error', (error) =>
    log?.warn({ err: error }, 'An idle database connection was lost; the next statement opens another'),
  )
  return { pool, dialect: dialectOf(new PostgresDriver({ pg, pool, log })) }
}

const dialectOf = (driver: PostgresDriver): Dialect => ({
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => driver,
  createIntrospector: (kysely: Kysely<any>) => new PostgresIntrospector(kysely),
  createQueryCompiler: () => new PostgresQueryCompiler(),
})

/** 64-bit integers and sums of them (numeric) become numbers. */
const parserOf =
  ({ types }: typeof pg): typeof pg.types.getTypeParser =>
  (oid: number, format?: unknown) =>
    oid === int8 || oid === numeric ? Number : types.getTypeParser(oid, format as 'text')
