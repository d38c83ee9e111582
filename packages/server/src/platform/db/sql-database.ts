/** The database over either dialect: retries what lost a race, refuses nesting, and sends events after the commit. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomInt } from 'node:crypto'
import type { CompiledQuery, Kysely, QueryResult, Transaction } from 'kysely'
import { systemClock } from '#platform/clock/clock.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type { Database, DialectName, IsolationLevel, TransactionOptions, Tx } from './database.ts'
import { isTransient } from './db-errors.ts'
import { fixedQuery, outboxInsert } from './statement.ts'
import type { StatementTexts } from './statement.ts'

/** What a dialect gives to build the database from. */
export interface Backend {
  dialect: DialectName
  /** Statements outside of transactions. `assertOutside` was given to it, to refuse writes inside of one. */
  plain: Kysely<unknown>
  /** Transactions. */
  begin<T>(work: (kysely: Transaction<unknown>) => Promise<T>, isolation: IsolationLevel): Promise<T>
  /** What runs the last statement of a transaction, for whose answer nobody waits before the commit. */
  last(query: CompiledQuery): CompiledQuery
  close(): Promise<void>
}

export interface DatabaseDependencies {
  clock?: Clock
  log?: Log
}

interface Event { topic: string; payload: string }

/** Written out, because nearly every transaction ends with it. */
const insertEvents = {
  sqlite: outboxInsert('select value ->> 0, value ->> 1, ?2 from json_each(?1) order by key'),
  postgresql: outboxInsert(`
    select value ->> 0, value ->> 1, $2 from jsonb_array_elements($1::jsonb) with ordinality as event (value, place)
    order by place`),
}

/** Checked here and not when sending, so that no committed event can be one that the bus refuses for ever. */
const topicPattern = /^[^\s.*>]+(\.[^\s.*>]+)*$/
const payloadLengthMax = 128 * 1024

const triesMax = 12
const pauseMsMin = 4
const pauseMsMax = 400

export class SqlDatabase implements Database {
  readonly dialect: DialectName
  readonly #backend: Backend
  readonly #clock: Clock
  readonly #log: Log | undefined
  readonly #current = new AsyncLocalStorage<OpenTransaction>()
  readonly #listeners = new Set<() => void>()
  #closing: Promise<void> | undefined

  constructor(
    backend: (assertOutside: () => void) => Backend, { clock = systemClock, log }: DatabaseDependencies = {},
  ) {
    this.#backend = backend(() => this.assertOutside('This write'))
    this.dialect = this.#backend.dialect
    this.#clock = clock
    this.#log = log
  }

  get kysely(): Kysely<any> { return this.#backend.plain as Kysely<any> }

  as<Tables>(): Kysely<Tables> { return this.#backend.plain as Kysely<unknown> as Kysely<Tables> }

  async transaction<T>(
    work: (tx: Tx) => Promise<T>, { isolation = 'serializable' }: TransactionOptions = {},
  ): Promise<T> {
    this.assertOutside('A second transaction')
    return againWhileTransient(() => this.#once(work, isolation))
  }

  async alone<Row>(texts: StatementTexts, parameters: readonly unknown[]): Promise<QueryResult<Row>> {
    this.assertOutside('A statement in a transaction of its own')
    const query = fixedQuery<Row>(texts[this.dialect], parameters)
    const result = await againWhileTransient(() => this.#backend.plain.executeQuery(query))
    this.#current.exit(() => { for (const listener of this.#listeners) listener() })
    return result
  }

  onEmit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  close(): Promise<void> {
    this.#closing ??= this.#backend.close()
    return this.#closing
  }

  async #once<T>(work: (tx: Tx) => Promise<T>, isolation: IsolationLevel): Promise<T> {
    const open = new OpenTransaction(this.dialect, isolation)
    try {
      const result = await this.#backend.begin((kysely) => this.#current.run(open, async () => {
        const value = await work(open.start(kysely))
        await this.#insertEvents(kysely, open.events)
        return value
      }), isolation)
      open.finish()
      this.#announce(open)
      return result
    } finally {
      open.finish()
    }
  }

  async #insertEvents(kysely: Transaction<unknown>, events: Event[]): Promise<void> {
    if (events.length === 0) return
    const list = JSON.stringify(events.map(({ topic, payload }) => [topic, payload]))
    const insert = fixedQuery(insertEvents[this.dialect], [list, this.#clock.now()])
    await kysely.executeQuery(this.#backend.last(insert))
  }

  /** Runs outside of the transaction's context: what is called here may open transactions of its own. */
  #announce({ events, followUps }: OpenTransaction): void {
    if (events.length === 0 && followUps.length === 0) return
    this.#current.exit(() => {
      if (events.length > 0) for (const listener of this.#listeners) listener()
      for (const followUp of followUps) this.#follow(followUp)
    })
  }

  #follow(work: () => unknown): void {
    const complain = (error: unknown) =>
      this.#log?.error({ err: error }, 'Work after a commit failed; the commit stands')
    try {
      const result = work()
      if (result instanceof Promise) result.catch(complain)
    } catch (error) {
      complain(error)
    }
  }

  assertOutside(what: string): void {
    const open = this.#current.getStore()
    if (open === undefined || open.finished) return
    throw new Error(`${what} was asked of the database inside an open transaction, where it would wait for itself: `
      + 'pass the transaction (tx) on and use it instead')
  }
}

/** The `Tx` of one try: it collects events and follow-ups until the commit. */
class OpenTransaction implements Tx {
  readonly dialect: DialectName
  readonly isolation: IsolationLevel
  readonly events: Event[] = []
  readonly followUps: (() => unknown)[] = []
  finished = false
  #kysely: Transaction<unknown> | undefined

  constructor(dialect: DialectName, isolation: IsolationLevel) {
    this.dialect = dialect
    this.isolation = isolation
  }

  start(kysely: Transaction<unknown>): this {
    this.#kysely = kysely
    return this
  }

  finish(): void { this.finished = true }

  as<Tables>(): Kysely<Tables> {
    this.#assertOpen()
    return this.#kysely as Kysely<unknown> as Kysely<Tables>
  }

  emit(topic: string, payload: object): void {
    this.#assertOpen()
    assertTopic(topic)
    const text = JSON.stringify(payload)
    if (text.length > payloadLengthMax) {
      throw new Error(
        `The event ${topic} carries ${text.length} characters, ${payloadLengthMax} at most: send an id, not the thing`,
      )
    }
    this.events.push({ topic, payload: text })
  }

  afterCommit(work: () => unknown): void {
    this.#assertOpen()
    this.followUps.push(work)
  }

  #assertOpen(): void {
    if (this.finished) throw new Error('This transaction has ended: is an await missing before a statement of it?')
  }
}

function assertTopic(topic: string): void {
  if (!topicPattern.test(topic)) {
    throw new Error(`"${topic}" is not a topic: it must be words joined by dots, as in nova.server.created`)
  }
}

const againWhileTransient = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error) || tries >= triesMax) throw error
      await systemClock.sleep(pauseMs(tries))
    }
  }
}

/** Exponential with full jitter, so that two that met do not meet again. */
const pauseMs = (tries: number): number => randomInt(pauseMsMin, Math.min(pauseMsMin * 2 ** tries, pauseMsMax) + 1)
