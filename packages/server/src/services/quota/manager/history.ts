/** What happened to quota, written down in the transaction in which it happened, told to the bus and counted. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database, Tx } from '#platform/db/database.ts'
import type { Log } from '#platform/log/log.ts'
import { historyInsert, historyLast } from '../store/history.ts'
import type { NewHappening } from '../store/history.ts'

export const happeningKinds = [
  /** A request was admitted; `lent`: so much of it came from what others own or share. */
  'granted',
  'lent',
  'released',
  'cancelled',
  'expired',
  'refused',
  /** A request stands in line, or left it without being granted. */
  'waiting',
  'waitEnded',
  /** A borrower was told to give back, and no longer has to. */
  'recalled',
  'spared',
  /** An owner finds all that it asked back. */
  'gathered',
  'settings',
  'policy',
  /** Numbers that were not what they should have been, and were put right. */
  'repaired',
  'forgotten',
  /** What a project below had in use when it went counts here until it ends. */
  'inherited',
  'moved',
] as const
export type HappeningKind = (typeof happeningKinds)[number]

export interface Happening {
  kind: Exclude<HappeningKind, 'lent' | 'refused'>
  projectId: string
  subject?: string
  amounts?: Readonly<Record<string, number>>
  /** Of a grant: what it takes beyond what the project has for itself. Becomes a `lent` row of its own. */
  borrowed?: Readonly<Record<string, number>>
  /** Of a release: a borrower that had been told to give it back. */
  wasRecalled?: boolean
  actor?: string
  details?: Record<string, unknown>
}

export interface RefusedRequest {
  projectId: string
  subject: string
  amounts: Readonly<Record<string, number>>
  reason: string
  resource: string
  /** Where it did not fit. */
  node: string
}

/** What others do with happenings once they are committed: the metrics. */
export type Witness = (happening: NewHappening) => void

interface HistoryParts {
  db: Database
  clock: Clock
  log: Log
}

/** Those that are news to nobody but the history, or have been told by another name since before there was one. */
const topics: Partial<Record<HappeningKind, string>> = {
  granted: 'quota.granted',
  lent: 'quota.lent',
  released: 'quota.released',
  cancelled: 'quota.released',
  expired: 'quota.released',
  refused: 'quota.refused',
  policy: 'quota.policy.changed',
  forgotten: 'quota.project.forgotten',
  moved: 'quota.project.moved',
}

/** What the bus is told of it, if anything. */
export const eventOf = ({ kind, projectId, subject, amounts }: NewHappening) => {
  const topic = topics[kind as HappeningKind]
  if (topic === undefined) return undefined
  return { topic, payload: { kind, projectId, ...(subject !== null && { subject }), amounts } }
}

/** Refusals of one reason follow each other fast when a client tries in a loop: so often a second they are written. */
const refusalPauseMs = 200
const refusalKindsMax = 1000

/** A hold is how a reclaim keeps what it gathered: `gathered` tells of it. */
export const isHold = (subject: string | undefined): boolean => subject?.startsWith('quota:hold:') === true

export class History {
  readonly #parts: HistoryParts
  readonly #witness: Witness
  readonly #refused = new Map<string, NewHappening>()
  readonly #outside = AsyncLocalStorage.snapshot()
  readonly #closed = new AbortController()
  #writing: Promise<void> | undefined

  constructor(parts: HistoryParts, witness: Witness = () => undefined) {
    this.#parts = parts
    this.#witness = witness
  }

  async tell(tx: Tx, happening: Happening): Promise<void> {
    if (isHold(happening.subject)) return
    const rows = await this.#withRecall(tx, happening, this.rowsOf(happening))
    await historyInsert(tx, rows)
    this.announce(tx, rows)
  }

  /** What is written down of it: by `tell`, or by the statement that does it. */
  rowsOf(happening: Happening): NewHappening[] {
    const { kind, projectId, subject = null, amounts = {}, actor = null, details = {} } = happening
    const row = { at: this.#parts.clock.now(), kind, projectId, subject, amounts, actor, times: 1, details }
    const borrowed = Object.entries(happening.borrowed ?? {}).filter(([, amount]) => amount > 0)
    return borrowed.length === 0 ? [row] : [row, { ...row, kind: 'lent', amounts: Object.fromEntries(borrowed) }]
  }

  /** Says of a release how long ago it was asked for. */
  async #withRecall(tx: Tx, { wasRecalled, subject }: Happening, rows: NewHappening[]): Promise<NewHappening[]> {
    if (wasRecalled !== true || subject === undefined) return rows
    const recall = await historyLast(tx, 'recalled', subject)
    if (!recall) return rows
    return rows.map((row) => ({ ...row, details: { ...row.details, recalledForMs: row.at - recall.at } }))
  }

  /** Tells the bus and the metrics, if the transaction commits, of what it has written down. */
  announce(tx: Tx, rows: readonly NewHappening[]): void {
    for (const row of rows) {
      const event = eventOf(row)
      if (event) tx.emit(event.topic, event.payload)
    }
    tx.afterCommit(() => this.witnessed(rows))
  }

  /** Tells the metrics of what is committed. */
  witnessed(rows: readonly NewHappening[]): void {
    rows.forEach(this.#witness)
  }

  /**
   * A refused request undoes its own transaction, so it is written down in another, soon: a crash may lose the last
   * ones. The same refusal again and again becomes one row with a count.
   */
  refused({ projectId, subject, amounts, reason, resource, node }: RefusedRequest): void {
    const key = `${projectId} ${reason} ${resource} ${node}`,
      before = this.#refused.get(key)
    if (!before && this.#refused.size >= refusalKindsMax) return
    this.#refused.set(key, {
      at: this.#parts.clock.now(),
      kind: 'refused',
      projectId,
      subject,
      amounts: { ...amounts },
      actor: null,
      times: (before?.times ?? 0) + 1,
      details: { reason, resource, node },
    })
    this.#writing ??= this.#outside(() => this.#writeRefusals())
  }

  async #writeRefusals(): Promise<void> {
    // The request's own transaction still ends, and its client may come again.
    while (this.#refused.size > 0 && !this.#closed.signal.aborted) {
      await this.#parts.clock.sleep(refusalPauseMs, this.#closed.signal)
      await this.#flush()
    }
    this.#writing = undefined
  }

  async #flush(): Promise<void> {
    const rows = [...this.#refused.values()]
    this.#refused.clear()
    if (rows.length === 0) return
    try {
      await this.#parts.db.transaction(async (tx) => {
        await historyInsert(tx, rows)
        this.announce(tx, rows)
      })
    } catch (error) {
      this.#parts.log.error({ err: error, refusals: rows.length }, 'Refusals could not be written down')
    }
  }

  /** Writes down what is known now and no more by itself. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#writing
    await this.#flush()
  }
}
