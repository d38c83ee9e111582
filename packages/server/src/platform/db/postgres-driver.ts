/** Kysely's driver on `pg`: a transaction begins with its first statement and commits with its last, in one flight. */
import { AbortedTransactionError } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely'
import type pg from 'pg'
import type { Log } from '#platform/log/log.ts'
import { isStalePlan } from './db-errors.ts'
import { Flights } from './postgres-flight.ts'
import type { FlightPart } from './postgres-flight.ts'
import { nameOfText } from './statement.ts'

type Module = Pick<typeof pg, 'Query'>

const lasts = new WeakSet<object>()

/** Marks a statement for whose answer nobody waits: it is sent with the commit, which fails if it fails. */
export const withCommit = (query: CompiledQuery): CompiledQuery => {
  const marked = { ...query }
  lasts.add(marked)
  return marked
}

const beginning = (isolation: string): FlightPart => ({
  name: `begin ${isolation}`,
  text: `start transaction isolation level ${isolation}`,
})
const commit: FlightPart = { name: 'commit', text: 'commit' }

/** One pooled connection, and the transaction that is open on it. */
class PostgresConnection implements DatabaseConnection {
  readonly #client: pg.PoolClient
  readonly #flights: Flights
  #state: 'none' | 'asked' | 'begun' = 'none'
  #isolation = ''
  /** The flight that began the transaction. */
  #first: Promise<unknown> | undefined
  #last: FlightPart | undefined
  #failure: { error: unknown } | undefined
  #isBroken = false

  constructor(module: Module, client: pg.PoolClient) {
    this.#client = client
    this.#flights = new Flights(module, client)
  }

  /** Sends nothing yet. */
  begin({ isolationLevel = 'read committed' }: TransactionSettings): void {
    this.#end()
    this.#state = 'asked'
    this.#isolation = isolationLevel
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#state === 'none') return toResult((await this.#told(this.#flights.fly([partOf(query)]))).at(-1)!)
    if (!lasts.has(query)) return toResult(await this.#flyInside([partOf(query)]))
    this.#last = partOf(query)
    return { rows: [] }
  }

  /**
   * Nothing is sent behind a failure, nor behind a begin before it is answered: if that failed there would be no
   * transaction around what follows. Gives the last result.
   */
  async #flyInside(parts: readonly FlightPart[]): Promise<pg.QueryResult> {
    if (this.#state === 'begun') await this.#first
    if (this.#failure) throw afterFailure(this.#failure.error)
    const flight = this.#told(this.#flights.fly([...this.#toBegin(), ...parts]))
    this.#first ??= flight
    try {
      return (await flight).at(-1)!
    } catch (error) {
      this.#failure ??= { error }
      throw error
    }
  }

  #toBegin(): FlightPart[] {
    if (this.#state === 'begun') return []
    this.#state = 'begun'
    return [beginning(this.#isolation)]
  }

  /** Fails with the stack of who asked. Plans that a change of the tables has made useless go with the connection. */
  async #told<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (isStalePlan(error)) this.#isBroken = true
      if (error instanceof Error) Error.captureStackTrace(error)
      throw error
    }
  }

  async commit(): Promise<void> {
    // Nothing was asked of it, so nothing was begun.
    if (this.#state === 'asked' && !this.#last) return this.#end()
    // The work went on as if nothing had happened: what it swallowed is why it is not done.
    if (this.#failure) throw this.#failure.error
    const { command } = await this.#flyInside([...(this.#last ? [this.#last] : []), commit])
    this.#end()
    if (command !== 'COMMIT') throw new AbortedTransactionError()
  }

  /** Never fails: a connection on which it cannot be done is given up, and PostgreSQL undoes what it held. */
  async rollback(): Promise<void> {
    const wasBegun = this.#state === 'begun'
    this.#end()
    if (!wasBegun) return
    await this.#client.query('rollback').catch(() => {
      this.#isBroken = true
    })
  }

  #end(): void {
    this.#state = 'none'
    this.#first = undefined
    this.#last = undefined
    this.#failure = undefined
  }

  release(): void {
    this.#client.release(this.#isBroken)
  }

  // eslint-disable-next-line require-yield -- a stream that refuses has nothing to yield
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('Streams are not offered, because SQLite cannot: read in pages instead')
  }
}

/** Only texts that never change have a name. */
const partOf = ({ sql, parameters }: CompiledQuery): FlightPart => ({
  text: sql,
  values: parameters,
  name: nameOfText(sql),
})

/** PostgreSQL's own answer to a statement behind one that failed. */
const afterFailure = (cause: unknown): Error =>
  Object.assign(
    new Error('An earlier statement of this transaction failed, and with it the transaction', { cause }),
    {
      code: '25P02',
    },
  )

const changing = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

const toResult = <Row>({ command, rowCount, rows }: pg.QueryResult): QueryResult<Row> => ({
  numAffectedRows: changing.has(command) ? BigInt(rowCount ?? 0) : undefined,
  rows: rows as Row[],
})

export class PostgresDriver implements Driver {
  readonly #pg: Module
  readonly #pool: pg.Pool
  readonly #log: Log | undefined
  readonly #connections = new WeakMap<pg.PoolClient, PostgresConnection>()

  constructor({ pg, pool, log }: { pg: Module; pool: pg.Pool; log?: Log }) {
    this.#pg = pg
    this.#pool = pool
    this.#log = log
  }

  async init(): Promise<void> {
    /* The pool connects when it is asked. */
  }

  async acquireConnection(): Promise<PostgresConnection> {
    const client = await this.#pool.connect()
    const known = this.#connections.get(client)
    if (known) return known
    // The pool listens to idle connections only; unheard, the loss of a busy one would end the process.
    client.on('error', (error) => this.#log?.warn({ err: error }, 'A database connection was lost while in use'))
    const connection = new PostgresConnection(this.#pg, client)
    this.#connections.set(client, connection)
    return connection
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    ;(connection as PostgresConnection).begin(settings)
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as PostgresConnection).commit()
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as PostgresConnection).rollback()
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    ;(connection as PostgresConnection).release()
  }

  async destroy(): Promise<void> {
    await this.#pool.end()
  }
}
