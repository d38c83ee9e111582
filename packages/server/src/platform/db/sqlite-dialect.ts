/** Kysely on `node:sqlite`: one write connection behind a lock, and one read connection that never waits for it. */
import { randomInt } from 'node:crypto'
import { SelectQueryNode, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, Kysely, QueryResult } from 'kysely'
import { systemClock } from '#platform/clock/clock.ts'
import { isSqliteBusy } from './db-errors.ts'
import { Mutex } from './mutex.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import type { Synchronous } from './sqlite-connection.ts'

/** Waiting for another process's lock ends after about ten seconds. */
const busyTriesMax = 80
const busyPauseMsMax = 150

/** The two connections to one database file. */
export class SqliteFile {
  readonly writer: SqliteConnection
  readonly reader: SqliteConnection
  readonly lock = new Mutex()
  #schemaChanged = false

  constructor(path: string, synchronous: Synchronous) {
    const changed = () => { this.#schemaChanged = true }
    this.writer = new SqliteConnection({ path, readOnly: false, synchronous }, changed)
    this.reader = new SqliteConnection({ path, readOnly: true, synchronous }, changed)
  }

  /** Called after each commit and rollback: a reader that kept its view of the tables would name columns wrongly. */
  committed(): void {
    if (!this.#schemaChanged) return
    this.#schemaChanged = false
    this.writer.reload()
    this.reader.reload()
  }

  close(): void {
    this.reader.close()
    this.writer.close()
  }
}

/** Runs `work` again while another process holds the write lock; within the process the mutex decides. */
export async function whenFree<T>(work: () => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return work()
    } catch (error) {
      if (!isSqliteBusy(error) || tries >= busyTriesMax) throw error
      await systemClock.sleep(randomInt(5, busyPauseMsMax))
    }
  }
}

/** Statements of an open transaction: all on the write connection, which is held until the end. */
class TransactionDriver implements Driver {
  readonly #file: SqliteFile
  readonly #connection: DatabaseConnection
  constructor(file: SqliteFile) {
    this.#file = file
    this.#connection = {
      executeQuery: async <Row>(query: CompiledQuery) => file.writer.query<Row>(query),
      streamQuery: noStreams,
    }
  }
  async init(): Promise<void> { /* The file is open already. */ }
  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#file.lock.acquire()
    return this.#connection
  }
  async beginTransaction(): Promise<void> { await whenFree(() => this.#file.writer.exec('begin immediate')) }
  async commitTransaction(): Promise<void> {
    this.#file.writer.exec('commit')
    this.#file.committed()
  }
  async rollbackTransaction(): Promise<void> {
    // SQLite itself has rolled back already after a full disk or an I/O error.
    if (this.#file.writer.inTransaction) this.#file.writer.exec('rollback')
    this.#file.committed()
  }
  async releaseConnection(): Promise<void> { this.#file.lock.release() }
  async destroy(): Promise<void> { /* The owner closes the file. */ }
}

/** Statements outside a transaction: reads at once on the read connection, writes in turn on the other. */
class PlainDriver implements Driver {
  readonly #connection: DatabaseConnection
  constructor(file: SqliteFile, assertOutside: () => void) {
    const write = <Row>(query: CompiledQuery) => {
      assertOutside()
      return file.lock.run(async () => {
        const result = await whenFree(() => file.writer.query<Row>(query))
        file.committed()
        return result
      })
    }
    this.#connection = {
      executeQuery: <Row>(query: CompiledQuery): Promise<QueryResult<Row>> =>
        reads(query) ? whenFree(() => file.reader.query<Row>(query)) : write<Row>(query),
      streamQuery: noStreams,
    }
  }
  async init(): Promise<void> { /* The file is open already. */ }
  async acquireConnection(): Promise<DatabaseConnection> { return this.#connection }
  async beginTransaction(): Promise<void> {
    throw new Error('Open a transaction with db.transaction, not on the read side')
  }
  async commitTransaction(): Promise<void> { throw new Error('There is no transaction on the read side') }
  async rollbackTransaction(): Promise<void> { /* Called by Kysely after a refused begin: nothing to undo. */ }
  async releaseConnection(): Promise<void> { /* The connection is shared: nothing to give back. */ }
  async destroy(): Promise<void> { /* The owner closes the file. */ }
}

const reads = ({ query, sql }: CompiledQuery): boolean =>
  SelectQueryNode.is(query) || (query.kind === 'RawNode' && /^\s*(select|values|explain)\b/i.test(sql))

// eslint-disable-next-line require-yield -- a stream that refuses has nothing to yield
async function* noStreams(): AsyncIterableIterator<never> {
  throw new Error('Streams are not offered, because SQLite cannot: read in pages instead')
}

/** Kysely's own adapter promises one connection; ours are shared and locked by us. */
class Adapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean { return true }
}

const dialect = (driver: Driver): Dialect => ({
  createAdapter: () => new Adapter(),
  createDriver: () => driver,
  createIntrospector: (kysely: Kysely<unknown>) => new SqliteIntrospector(kysely),
  createQueryCompiler: () => new SqliteQueryCompiler(),
})

export const plainDialect = (file: SqliteFile, assertOutside: () => void): Dialect =>
  dialect(new PlainDriver(file, assertOutside))
export const transactionDialect = (file: SqliteFile): Dialect => dialect(new TransactionDriver(file))
