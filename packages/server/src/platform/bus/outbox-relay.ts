/** Carries committed events from the outbox table to the bus, at least once each, also when processes die. */
import { uuid } from '#platform/ids/ids.ts'
import { systemClock } from '#platform/clock/clock.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database, Executor } from '#platform/db/database.ts'
import type { PlatformTables } from '#platform/db/platform-tables.ts'
import type { Log } from '#platform/log/log.ts'
import type { Bus } from './bus.ts'

/** What arrives on the bus, on the subject `topic`. Transactions that overlap may arrive in either order. */
export interface OutboxEvent { id: number; topic: string; payload: unknown; at: number }

export interface OutboxRelayOptions {
  db: Database
  bus: Bus
  clock?: Clock
  log: Log
  /** How often to look for what another process left behind. */
  everyMs?: number
}

export interface OutboxRelay {
  start(): void
  /** Sends what is committed, then stops looking. */
  stop(): Promise<void>
  /** Looks now, or once more if it is looking. */
  wake(): void
  /** Sends everything that is free to send; resolves with how many. */
  drain(): Promise<number>
}

const batchMax = 200
/** A relay that died is taken to have died after this long, and its rows are sent again. */
const claimMs = 30_000
/** The bus may be away; the rows then stay. */
const flushMsMax = 10_000

export function createOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  return new Relay(options)
}

class Relay implements OutboxRelay {
  readonly #db: Database
  readonly #bus: Bus
  readonly #clock: Clock
  readonly #log: Log
  readonly #everyMs: number
  readonly #owner = uuid()
  readonly #ended = new AbortController()
  #forget: () => void = () => undefined
  #running: Promise<void> | undefined
  #again = false
  /** This process has written events since the last look: there is no need to ask whether there are any. */
  #emitted = false

  constructor({ db, bus, clock = systemClock, log, everyMs = 1000 }: OutboxRelayOptions) {
    this.#db = db
    this.#bus = bus
    this.#clock = clock
    this.#log = log
    this.#everyMs = everyMs
  }

  start(): void {
    this.#forget = this.#db.onEmit(() => {
      this.#emitted = true
      this.wake()
    })
    void this.#tick()
  }

  async stop(): Promise<void> {
    this.#ended.abort()
    this.#forget()
    this.#again = false
    await this.#running
    await this.#sendAll()
  }

  wake(): void {
    this.#again = true
    this.#running ??= this.#run()
  }

  async drain(): Promise<number> {
    await this.#running
    let sent = 0
    for (let batch = await this.#sendBatch(); batch > 0; batch = await this.#sendBatch()) sent += batch
    return sent
  }

  async #tick(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.wake()
      await this.#clock.sleep(this.#everyMs, this.#ended.signal)
    }
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      await this.#sendAll()
    }
    this.#running = undefined
  }

  /** A failure is not the end: the rows stay, and the next tick tries again. */
  async #sendAll(): Promise<void> {
    try {
      while (await this.#sendBatch() === batchMax) { /* A full batch means that there may be more. */ }
    } catch (error) {
      this.#log.warn({ err: error }, 'Events could not be sent now; they stay in the outbox')
    }
  }

  async #sendBatch(): Promise<number> {
    if (!this.#emitted && !await this.#anything()) return 0
    this.#emitted = false
    const events = await this.#claim()
    if (events.length === 0) return 0
    await this.#publishAll(events)
    const ids = events.map(({ id }) => id)
    await this.#write((executor) => executor.as<PlatformTables>().deleteFrom('outbox')
      .where('id', 'in', ids).where('claimed_by', '=', this.#owner).execute())
    return events.length
  }

  /** A read, so that an idle relay never takes the write lock. */
  async #anything(): Promise<boolean> {
    const now = this.#clock.now()
    const row = await this.#db.as<PlatformTables>().selectFrom('outbox').select('id')
      .where((where) => where.or([where('claimed_until', 'is', null), where('claimed_until', '<=', now)]))
      .limit(1).executeTakeFirst()
    return row !== undefined
  }

  async #claim(): Promise<OutboxEvent[]> {
    const now = this.#clock.now()
    const rows = await this.#write((executor) => executor.as<PlatformTables>().updateTable('outbox')
      .set({ claimed_by: this.#owner, claimed_until: now + claimMs })
      .where('id', 'in', (query) => {
        const free = query.selectFrom('outbox').select('id')
          .where((where) => where.or([where('claimed_until', 'is', null), where('claimed_until', '<=', now)]))
          .orderBy('id').limit(batchMax)
        return this.#db.dialect === 'postgresql' ? free.forUpdate().skipLocked() : free
      })
      .returning(['id', 'topic', 'payload', 'at']).execute())
    return rows.map((row) => ({ ...row, payload: JSON.parse(row.payload) as unknown })).sort((a, b) => a.id - b.id)
  }

  /** One statement. On SQLite as a transaction, which shares the commit of those beside it. */
  #write<T>(work: (executor: Executor) => Promise<T>): Promise<T> {
    return this.#db.dialect === 'sqlite' ? this.#db.transaction(work) : work(this.#db)
  }

  /** Gives the rows back when the bus is away, so that the next try, by any process, need not wait for their claim. */
  async #publishAll(events: OutboxEvent[]): Promise<void> {
    try {
      for (const event of events) this.#bus.publish(event.topic, event)
      await this.#flush()
    } catch (error) {
      await this.#db.as<PlatformTables>().updateTable('outbox').set({ claimed_by: null, claimed_until: null })
        .where('id', 'in', events.map(({ id }) => id)).where('claimed_by', '=', this.#owner).execute()
      throw error
    }
  }

  async #flush(): Promise<void> {
    const done = new AbortController()
    const late = systemClock.sleep(flushMsMax, done.signal).then(() => {
      if (!done.signal.aborted) throw new Error(`The bus did not take the events within ${flushMsMax} ms`)
    })
    try {
      await Promise.race([this.#bus.flush(), late])
    } finally {
      done.abort('flushed') // without a reason it would make an exception, stack and all, for nobody
    }
  }
}
