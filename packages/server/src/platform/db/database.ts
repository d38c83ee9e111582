/** The database, as everyone but `platform/db` sees it: queries, and transactions that carry their own events. */
import type { Kysely, QueryResult } from 'kysely'
import type { StatementTexts } from './statement.ts'

export { openDatabase } from './open-database.ts'
export type { DatabaseOptions } from './open-database.ts'

export type DialectName = 'sqlite' | 'postgresql'

/** What a store function takes: the database for a read of its own, or the transaction it is part of. */
export interface Executor {
  readonly dialect: DialectName
  /** The query builder, typed with the tables of the service that asks. */
  as<Tables>(): Kysely<Tables>
}

/** One open transaction. It must not be used after `transaction` has returned. */
export interface Tx extends Executor {
  /** What was asked for: SQLite is serializable whatever it says here. */
  readonly isolation: IsolationLevel
  /** Adds an event to the transaction: sent to the bus if it commits, and only then. */
  emit(topic: string, payload: object): void
  /** Calls `work` once the transaction is committed. Not crash-safe: what must happen belongs in a row. */
  afterCommit(work: () => unknown): void
}

export type IsolationLevel = 'serializable' | 'repeatable read' | 'read committed'

export interface TransactionOptions {
  /** Of PostgreSQL; SQLite is always serializable. Default `serializable`, so that both behave alike. */
  isolation?: IsolationLevel
}

export interface Database extends Executor {
  readonly kysely: Kysely<any>
  /**
   * Runs `work` in a transaction and commits, or rolls back and throws what `work` threw. `work` may run more than
   * once (another transaction was first), so it must change nothing but the database. Nesting is refused: pass the
   * `Tx` on.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>
  /**
   * One written-out statement that is a transaction of its own, at read committed: on PostgreSQL in one flight with its
   * commit. Events it inserts itself (`outboxInsert`). It may run more than once, as a transaction may.
   */
  alone<Row>(texts: StatementTexts, parameters: readonly unknown[]): Promise<QueryResult<Row>>
  /** Throws inside an open transaction, where `what` would wait for what that transaction holds. */
  assertOutside(what: string): void
  /** Calls `listener` after each commit that emitted events; returns what undoes it. */
  onEmit(listener: () => void): () => void
  close(): Promise<void>
}
