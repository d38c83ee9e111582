/** Kysely on `node:sqlite`: one write connection with a line at it, and one read connection that never waits for it. */
import { SelectQueryNode, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, Kysely, QueryResult } from 'kysely'
import { SqliteConnection } from './sqlite-connection.ts'
import type { Synchronous } from './sqlite-connection.ts'
import { SqliteGroups, whenFree } from './sqlite-group.ts'
import type { SqliteMember } from './sqlite-group.ts'

/** The two connections to one database file. */
export class SqliteFile {
  readonly writer: SqliteConnection
  readonly reader: SqliteConnection
  readonly groups: SqliteGroups
  #schemaChanged = false

  constructor(path: string, synchronous: Synchronous) {
    const changed = () => { this.#schemaChanged = true }
    this.writer = new SqliteConnection({ path, readOnly: false, synchronous }, changed)
    this.reader = new SqliteConnection({ path, readOnly: true, synchronous }, changed)
    this.groups = new SqliteGroups(this.writer, { ended: () => this.#ended(), mustEnd: () => this.#schemaChanged })
  }

  /** Called after each commit and rollback: a reader that kept its view of the tables would name columns wrongly. */
  #ended(): void {
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

/** Statements of an open transaction: all on the write connection, in its turn. */
class TransactionDriver implements Driver {
  readonly #groups: SqliteGroups
  constructor({ groups }: SqliteFile) { this.#groups = groups }
  async init(): Promise<void> { /* The file is open already. */ }
  acquireConnection(): Promise<DatabaseConnection> { return this.#groups.enter() }
  beginTransaction(member: DatabaseConnection): Promise<void> { return (member as SqliteMember).begin() }
  commitTransaction(member: DatabaseConnection): Promise<void> { return (member as SqliteMember).commit() }
  rollbackTransaction(member: DatabaseConnection): Promise<void> { return (member as SqliteMember).rollback() }
  async releaseConnection(member: DatabaseConnection): Promise<void> { (member as SqliteMember).leave() }
  async destroy(): Promise<void> { /* The owner closes the file. */ }
}

/** Statements outside a transaction: reads at once on the read connection, writes in turn on the other. */
class PlainDriver implements Driver {
  readonly #connection: DatabaseConnection
  constructor(file: SqliteFile, assertOutside: () => void) {
    const write = <Row>(query: CompiledQuery) => {
      assertOutside()
      return file.groups.alone(() => file.writer.query<Row>(query))
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
