/** Waiting instead of being refused: asks stand in the engine's fair order, and are granted as capacity returns. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { QuotaTree } from '#engines/quota/tree.ts'
import { nextInLine } from '#engines/quota/waiting.ts'
import type { Waiter } from '#engines/quota/waiting.ts'
import type { Amounts, WaitingAsk } from '../facade.ts'
import { claimFetch, claimInsert } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { projectFetch } from '../store/projects.ts'
import {
  rootsAwaited,
  waitingDelete,
  waitingFetch,
  waitingInsert,
  waitingOfRoot,
  waitingTaken,
} from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'
import { growTree, waitingHold } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'

/** What quota's front lends to this module: counting at a project, in the caller's transaction. */
export interface Admitting {
  /** Makes and counts the claim if it fits now; else changes nothing. */
  admit(tx: Tx, claim: StoredClaim): Promise<boolean>
  available(tx: Tx, projectId: string, resources: readonly string[]): Promise<Record<string, number>>
  take(tx: Tx, projectId: string, amounts: Amounts): Promise<void>
  /** Gives a hold back, and serves nobody. */
  drop(tx: Tx, subject: string): Promise<unknown>
}

/** So many of one tree are looked at in one transaction; those behind them when these are gone. */
const lineMax = 100
/** Behind the first who does not fit, so many are tried. */
const triedBehindMax = 20

/**
 * Who is first and does not fit gathers what is free in a hold, an ordinary claim, so that smaller asks cannot pass it
 * for ever; those behind may start with what is left. All of it happens in the transaction that gives capacity back.
 */
export class Waiting {
  readonly #parts: QuotaParts
  readonly #admitting: Admitting

  constructor(parts: QuotaParts, admitting: Admitting) {
    this.#parts = parts
    this.#admitting = admitting
  }

  /** A row that waits and has been granted otherwise, because its subject asked again. */
  async settled(tx: Tx, subject: string): Promise<void> {
    if (await waitingDelete(tx, subject)) await this.#admitting.drop(tx, waitingHold(subject))
  }

  async enter(tx: Tx, asked: StoredWaiting): Promise<void> {
    await waitingInsert(tx, asked)
    const { subject, projectId, amounts } = asked
    tx.emit('quota.waiting.asked', { subject, projectId, amounts })
    await this.#parts.history.tell(tx, { kind: 'waiting', projectId, subject, amounts })
  }

  /** Gives an ask up, with what it had gathered. False: it does not wait. */
  async leave(tx: Tx, subject: string, why: 'cancelled' | 'expired' = 'cancelled'): Promise<boolean> {
    const asked = await waitingFetch(tx, subject)
    if (!asked || !(await waitingDelete(tx, subject))) return false
    await this.#admitting.drop(tx, waitingHold(subject))
    const { projectId, amounts } = asked
    tx.emit(`quota.waiting.${why}`, { subject, projectId })
    await this.#parts.history.tell(tx, { kind: 'waitEnded', projectId, subject, amounts, details: { why } })
    return true
  }

  roots(limit: number): Promise<string[]> {
    return rootsAwaited(this.#parts.db, limit)
  }

  /** Gives up what is out of time below a root, and grants what fits. */
  async serve(tx: Tx, rootId: string): Promise<void> {
    const line = await this.#timely(tx, await waitingTaken(tx, rootId, lineMax))
    if (line.length === 0) return
    for (const { subject } of line) await this.#admitting.drop(tx, waitingHold(subject))
    const { tree } = await growTree(tx, rootId)
    let isFirst = true,
      tried = 0
    for (let left = line; left.length > 0 && tried <= triedBehindMax;) {
      const next = firstOf(tree, left)
      left = left.filter((asked) => asked !== next)
      if (await this.#grant(tx, tree, next)) continue
      if (isFirst) await this.#gather(tx, tree, next)
      isFirst = false
      tried++
    }
  }

  async #timely(tx: Tx, line: readonly StoredWaiting[]): Promise<StoredWaiting[]> {
    const now = this.#parts.clock.now()
    const late = line.filter(({ expiresAt }) => expiresAt !== null && expiresAt <= now)
    for (const { subject } of late) await this.leave(tx, subject, 'expired')
    return line.filter((asked) => !late.includes(asked))
  }

  async #grant(tx: Tx, tree: QuotaTree, asked: StoredWaiting): Promise<boolean> {
    const { subject, projectId, amounts } = asked,
      now = this.#parts.clock.now()
    const claim = { ...claimFrom(asked, subject, now), amounts, expiresAt: now + asked.ttlMs }
    if (!(await this.#admitting.admit(tx, claim))) return false
    await waitingDelete(tx, subject)
    countIn(tree, projectId, amounts)
    tx.emit('quota.waiting.granted', { subject, projectId, amounts, waitedMs: now - asked.since })
    return true
  }

  /** Keeps for the first in line what of its ask is free now. */
  async #gather(tx: Tx, tree: QuotaTree, asked: StoredWaiting): Promise<void> {
    const { projectId } = asked
    const room = await this.#admitting.available(tx, projectId, Object.keys(asked.amounts))
    const gained = Object.entries(asked.amounts)
      .map(([name, amount]) => [name, Math.min(amount, room[name] ?? 0)] as const)
      .filter(([, amount]) => amount > 0)
    if (gained.length === 0) return
    const amounts = Object.fromEntries(gained)
    await this.#admitting.take(tx, projectId, amounts)
    await claimInsert(tx, { ...claimFrom(asked, waitingHold(asked.subject), this.#parts.clock.now()), amounts })
    countIn(tree, projectId, amounts)
  }

  /** Everybody who waits in the project's tree in the order in which they are served, or those of the project alone. */
  async line(executor: Executor, projectId: string, options: { whole?: boolean } = {}): Promise<WaitingAsk[]> {
    const project = await projectFetch(executor, projectId)
    if (!project) return []
    const { tree } = await growTree(executor, project.rootId)
    const ordered: StoredWaiting[] = []
    for (let left = await waitingOfRoot(executor, project.rootId, lineMax); left.length > 0;) {
      const next = firstOf(tree, left)
      ordered.push(next)
      left = left.filter((asked) => asked !== next)
    }
    const line = await Promise.all(ordered.map((asked, index) => this.#shown(executor, asked, index + 1)))
    return line.filter((asked) => options.whole === true || asked.projectId === projectId)
  }

  async #shown(executor: Executor, asked: StoredWaiting, position: number): Promise<WaitingAsk> {
    const { subject, projectId, amounts, since, expiresAt } = asked
    const gathered = (await claimFetch(executor, waitingHold(subject)))?.amounts ?? {}
    return { subject, projectId, deltas: amounts, since, expiresAt, position, gathered }
  }
}

const claimFrom = (asked: StoredWaiting, subject: string, startedAt: number): StoredClaim => ({
  subject,
  projectId: asked.projectId,
  amounts: asked.amounts,
  state: 'reserved',
  reclaimable: asked.reclaimable,
  priority: asked.priority,
  startedAt,
  expiresAt: null,
  ticket: null,
  deadlineAt: null,
  lineage: asked.lineage,
})

const firstOf = (tree: QuotaTree, line: readonly StoredWaiting[]): StoredWaiting => {
  const waiters = line.map((asked): Waiter & { asked: StoredWaiting } => ({
    id: asked.subject,
    leaf: tree.project(asked.projectId).leaf,
    vector: vectorOf(tree, asked.amounts),
    priority: asked.priority,
    sinceMs: asked.since,
    asked,
  }))
  return nextInLine(tree, waiters)!.asked
}

const vectorOf = (tree: QuotaTree, amounts: Amounts): Waiter['vector'] => ({
  resources: Object.keys(amounts).map((name) => tree.resourceNumber(name)!),
  amounts: Object.values(amounts),
})

const countIn = (tree: QuotaTree, projectId: string, amounts: Amounts): void => {
  for (const [name, amount] of Object.entries(amounts)) {
    tree.ledger.apply(tree.project(projectId).leaf, tree.resourceNumber(name)!, amount)
  }
}
