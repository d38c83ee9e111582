/** Waiting instead of being refused: asks stand in the engine's fair order, and are granted as capacity returns. */
import { nextInLine } from '#engines/quota/waiting.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { Amounts, Reservation, ReserveRequest, WaitingAsk } from '../facade.ts'
import { LostRace } from '../store/cells.ts'
import { claimFetch, claimInsert, claimsNoticed } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { projectFetch } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { ticketFetch, ticketsOfRoot } from '../store/tickets.ts'
import type { StoredTicket } from '../store/tickets.ts'
import { lineLock } from '../store/tree-locks.ts'
import {
  lineOf,
  rootsAwaited,
  waitingDelete,
  waitingFetch,
  waitingGathering,
  waitingGathers,
  waitingHead,
  waitingHeads,
  waitingInsert,
  waitingLate,
  waitingOfRoot,
  waitingTaken,
} from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'
import { holdSubject, waitingHold } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'
import { patienceOf } from './patience.ts'
import { isForAnother } from './reclaim.ts'
import { overQuota } from './refusing.ts'
import { readPaths } from './waiting-paths.ts'
import type { WaitingPaths } from './waiting-paths.ts'
import { Wishes } from './waiting-wishes.ts'

/** What quota's front lends to this module: counting at a project, in the caller's transaction. */
export interface Admitting {
  /** Makes and counts the claim if it fits now; else changes nothing. */
  admit(tx: Tx, claim: StoredClaim): Promise<boolean>
  take(tx: Tx, projectId: string, amounts: Amounts): Promise<void>
  /** Gives a hold back, and serves nobody. */
  drop(tx: Tx, subject: string): Promise<unknown>
  /** Puts what is free into the hold of the project's ticket, if it has one. */
  regather(tx: Tx, projectId: string): Promise<void>
  /** Frees what a reclaim gathered for the project; who has not ended for it yet may stay. */
  giveUpReclaim(tx: Tx, projectId: string): Promise<void>
  /** Makes sure that the numbers along the project's path are there to be read. */
  prepare(tx: Tx, projectId: string, resources: readonly string[]): Promise<void>
}

/** The place of each who waits, by subject. Null: behind the first that are put in order. */
export type Places = ReadonlyMap<string, { position: number | null; gathered: Amounts; reason: string | null }>

type LiveTicket = StoredTicket & { held: Amounts }
type Tickets = Map<string, LiveTicket>

/** So many of one tree are put in order for people, out of so many. */
const shownMax = 500
const readMax = 20_000

/**
 * Who is first and does not fit gathers what is free in a hold, an ordinary claim, so that smaller asks cannot pass it
 * for ever; those behind may start with what is left. All of it happens in the transaction that gives capacity back.
 *
 * Asks of one project for the same amounts stand in one line. Where its first does not fit nobody of it does: only the
 * first of each line and the paths of their projects are read, whatever the size of the tree and the length of lines.
 */
export class Waiting {
  readonly #parts: QuotaParts
  readonly #admitting: Admitting
  readonly #wishes: Wishes

  constructor(parts: QuotaParts, admitting: Admitting) {
    this.#parts = parts
    this.#admitting = admitting
    this.#wishes = new Wishes(parts)
  }

  /** A row that waits and has been granted otherwise, because its subject asked again. */
  async settled(tx: Tx, subject: string): Promise<void> {
    if ((await waitingDelete(tx, subject))?.gathered) await this.#admitting.drop(tx, waitingHold(subject))
  }

  /** What does not fit now waits, if it may and could ever fit; nothing: it is refused. */
  async insteadOfRefusing(tx: Tx, project: StoredProject, request: ReserveRequest): Promise<Reservation | undefined> {
    const { subject, deltas } = request,
      asking = { projectId: project.id, amounts: { ...deltas } }
    const paths = await this.#pathsOf(tx, [asking])
    const refusal = paths.refusalOf(asking)
    if (!refusal) throw new LostRace(`quota of project ${project.id} was released meanwhile`)
    const patience = await patienceOf(tx, project, request, refusal.resource)
    if (!patience || !paths.couldFit(asking)) return undefined
    await lineLock(tx, project.rootId, [project.id])
    await this.#admitting.regather(tx, project.id)
    const asked = this.#askedBy(request, patience.waitMaxMs)
    if (!(await this.#enter(tx, project, asked))) return this.#answer(asked, overQuota(refusal).message)
    await this.serve(tx, project.rootId)
    // With what was kept for it already it may fit after all.
    const granted = await claimFetch(tx, subject)
    if (granted) return { subject, projectId: project.id, deltas: granted.amounts, state: stateOf(granted) }
    this.#wishes.tell(tx, asked)
    return this.#answer(asked, overQuota(refusal).message)
  }

  #askedBy(request: ReserveRequest, waitMaxMs: number | undefined): StoredWaiting {
    const { subject, projectId, deltas, started, ttlMs = defaultTtlMs } = request,
      since = this.#parts.clock.now()
    return {
      subject,
      projectId,
      amounts: { ...deltas },
      reclaimable: request.reclaimable ?? 'never',
      priority: request.priority ?? 0,
      lineage: request.lineage ?? null,
      since,
      expiresAt: waitMaxMs === undefined ? null : since + waitMaxMs,
      ttlMs: started ? null : ttlMs,
    }
  }

  #answer({ subject, projectId, amounts, expiresAt }: StoredWaiting, reason: string): Reservation {
    return { subject, projectId, deltas: amounts, state: 'waiting', reason, expiresAt }
  }

  /** True when it stands first in its line: who stands behind another changes nothing for anybody. */
  async #enter(tx: Tx, { rootId }: StoredProject, asked: StoredWaiting): Promise<boolean> {
    const { subject, projectId, amounts } = asked
    const before = await waitingFetch(tx, subject)
    if (!before) {
      await waitingInsert(tx, asked, rootId)
      tx.emit('quota.waiting.asked', { subject, projectId, amounts })
      await this.#parts.history.tell(tx, { kind: 'waiting', projectId, subject, amounts })
    }
    return (await waitingHead(tx, rootId, lineOf(before ?? asked)))?.subject === subject
  }

  /** Gives an ask up; what it had gathered is for the others. False: it does not wait. */
  async leave(tx: Tx, subject: string, why: 'cancelled' | 'expired' = 'cancelled'): Promise<boolean> {
    const asked = await waitingFetch(tx, subject)
    if (!asked) return false
    const { rootId = asked.projectId } = (await projectFetch(tx, asked.projectId)) ?? {}
    await lineLock(tx, rootId, [asked.projectId])
    const wasFirst = (await waitingHead(tx, rootId, lineOf(asked)))?.subject === subject
    if (!(await this.#forget(tx, asked, why))) return false
    if (wasFirst) await this.serve(tx, rootId)
    return true
  }

  async #forget(
    tx: Tx,
    { subject, projectId, amounts }: StoredWaiting,
    why: 'cancelled' | 'expired',
  ): Promise<boolean> {
    const left = await waitingDelete(tx, subject)
    if (!left) return false
    if (left.gathered) await this.#admitting.drop(tx, waitingHold(subject))
    if ((await ticketFetch(tx, projectId))?.subject === subject) await this.#admitting.giveUpReclaim(tx, projectId)
    tx.emit(`quota.waiting.${why}`, { subject, projectId })
    await this.#parts.history.tell(tx, { kind: 'waitEnded', projectId, subject, amounts, details: { why } })
    return true
  }

  roots(limit: number): Promise<string[]> {
    return rootsAwaited(this.#parts.db, limit)
  }

  /** Serves a root of which nobody has released anything, and has taken back what its first have a right to. */
  async look(tx: Tx, rootId: string): Promise<void> {
    await this.serve(tx, rootId)
    await this.#wishes.tellAgain(tx, rootId)
  }

  /** Gives up what is out of time below a root, and grants what fits. */
  async serve(tx: Tx, rootId: string): Promise<void> {
    await lineLock(tx, rootId)
    for (const late of await waitingLate(tx, rootId, this.#parts.clock.now())) await this.#forget(tx, late, 'expired')
    const heads = await waitingTaken(tx, await waitingHeads(tx, rootId))
    if (heads.length === 0) return
    await this.#dropHolds(tx, rootId)
    await this.#serveHeads(tx, rootId, { heads, tickets: await this.#liveTickets(tx, rootId) })
  }

  /**
   * A reclaim for one who waits is over when nobody has to end for it any more. If something came in between and it has
   * not got everything, what it did get is for whoever is first in line: two halves kept for two would wait for ever.
   */
  async #liveTickets(tx: Tx, rootId: string): Promise<Tickets> {
    const live = new Map<string, LiveTicket>()
    for (const ticket of await ticketsOfRoot(tx, rootId)) {
      const { projectId, amounts, subject } = ticket
      const held = (await claimFetch(tx, holdSubject(projectId)))?.amounts ?? {}
      const isGathered = Object.entries(amounts).every(([name, amount]) => held[name] === amount)
      if (subject === null || isGathered || (await claimsNoticed(tx, projectId)).length > 0)
        live.set(projectId, { ...ticket, held })
      else await this.#admitting.giveUpReclaim(tx, projectId)
    }
    return live
  }

  async #dropHolds(tx: Tx, rootId: string): Promise<void> {
    for (const subject of await waitingGathering(tx, rootId)) {
      await this.#admitting.drop(tx, waitingHold(subject))
      await waitingGathers(tx, subject, false)
    }
  }

  /**
   * In the order of the line. What is free becomes only less here: who does not fit once is asked no more, unless
   * something is kept for its project.
   */
  async #serveHeads(
    tx: Tx,
    rootId: string,
    { heads, tickets }: { heads: StoredWaiting[]; tickets: Tickets },
  ): Promise<void> {
    const fresh = new Set<StoredWaiting>()
    let paths = await this.#pathsOf(tx, heads),
      hasFirst = false
    for (let left = heads; left.length > 0;) {
      const mayFit = (asked: StoredWaiting) => paths.fits(asked, keptFor(tickets, asked))
      const next = nextInLine(
        paths,
        (hasFirst ? left.filter(mayFit) : left).map((asked) => paths.candidate(asked)),
      )
      if (!next) break
      const { asked } = next
      left = left.filter((one) => one !== asked)
      const isGranted = mayFit(asked) && (await this.#grant(tx, asked))
      if (isGranted) {
        fresh.delete(asked)
        paths.count(asked)
        for (const behind of await this.#nextOf(tx, rootId, asked)) {
          fresh.add(behind)
          left.push(behind)
        }
      }
      // Of what was kept for the project something has been used.
      if (isGranted && tickets.delete(asked.projectId)) paths = await this.#pathsOf(tx, [...left, asked])
      if (isGranted || hasFirst) continue
      hasFirst = true
      await this.#gather(tx, paths, { asked, kept: keptFor(tickets, asked) })
    }
    // Whoever is first now may have a right to what others borrowed, as the one before had.
    for (const asked of fresh) this.#wishes.tell(tx, asked)
  }

  /** Who is first now where another was granted. */
  async #nextOf(tx: Tx, rootId: string, granted: StoredWaiting): Promise<StoredWaiting[]> {
    const next = await waitingHead(tx, rootId, lineOf(granted))
    return next ? waitingTaken(tx, [next]) : []
  }

  async #grant(tx: Tx, asked: StoredWaiting): Promise<boolean> {
    const { subject, projectId, amounts, ttlMs } = asked,
      now = this.#parts.clock.now()
    const claim = claimFrom(asked, subject, now)
    const terms = ttlMs === null ? { state: 'committed' as const } : { expiresAt: now + ttlMs }
    if (!(await this.#admitting.admit(tx, { ...claim, ...terms }))) return false
    await waitingDelete(tx, subject)
    tx.emit('quota.waiting.granted', { subject, projectId, amounts, waitedMs: now - asked.since })
    return true
  }

  /** Keeps for the first in line what of its ask is free now. */
  async #gather(
    tx: Tx,
    paths: WaitingPaths,
    { asked, kept }: { asked: StoredWaiting; kept: Amounts },
  ): Promise<void> {
    const { projectId, subject } = asked
    const amounts = paths.gatherable({ projectId, amounts: without(asked.amounts, kept) })
    if (Object.keys(amounts).length === 0) return
    await this.#admitting.take(tx, projectId, amounts)
    const hold = { ...claimFrom(asked, waitingHold(subject), this.#parts.clock.now()), amounts }
    if (!(await claimInsert(tx, hold))) throw new LostRace(`another gathered for ${subject}`)
    await waitingGathers(tx, subject, true)
    paths.count({ projectId, amounts })
  }

  /** The numbers that these meet; made anew where a project or a resource is new to them. */
  async #pathsOf(tx: Tx, asking: readonly Pick<StoredWaiting, 'projectId' | 'amounts'>[]): Promise<WaitingPaths> {
    const paths = await readPaths(tx, asking)
    const unknown = asking.filter((asked) => !paths.knows(asked))
    if (unknown.length === 0) return paths
    for (const { projectId, amounts } of unknown) await this.#admitting.prepare(tx, projectId, Object.keys(amounts))
    return readPaths(tx, asking)
  }

  /** Those who wait in the project's tree in the order in which they are served, or those of the project alone. */
  async line(executor: Executor, projectId: string, options: { whole?: boolean } = {}): Promise<WaitingAsk[]> {
    const project = await projectFetch(executor, projectId)
    if (!project) return []
    const all = await waitingOfRoot(executor, project.rootId, readMax)
    const ordered = await this.#inOrder(executor, all)
    const mine = ordered
      .map((asked, index) => ({ asked, position: index + 1 }))
      .filter(({ asked }) => options.whole === true || asked.projectId === projectId)
    return Promise.all(mine.map(({ asked, position }) => this.#shown(executor, asked, position)))
  }

  async #inOrder(executor: Executor, waiting: readonly StoredWaiting[]): Promise<StoredWaiting[]> {
    const paths = await readPaths(executor, waiting)
    const known = waiting.filter((asked) => paths.knows(asked))
    return paths.inOrder(known, shownMax)
  }

  async #shown(executor: Executor, asked: StoredWaiting, position: number): Promise<WaitingAsk> {
    const { subject, projectId, amounts, since, expiresAt } = asked
    return {
      ...{ subject, projectId, deltas: amounts, since, expiresAt, position },
      gathered: await gatheredBy(executor, subject),
    }
  }

  /** Where each of these stands among all of its tree, what is kept for it, and what is in its way. */
  async places(executor: Executor, asked: readonly StoredWaiting[]): Promise<Places> {
    const places = new Map<string, { position: number | null; gathered: Amounts; reason: string | null }>()
    const byRoot = await this.#byRoot(executor, asked)
    for (const [rootId, some] of byRoot) {
      const all = await waitingOfRoot(executor, rootId, readMax)
      const positions = new Map(
        (await this.#inOrder(executor, all)).map(({ subject }, index) => [subject, index + 1]),
      )
      const paths = await readPaths(executor, some)
      for (const one of some) {
        const refusal = paths.knows(one) ? paths.refusalOf(one) : undefined
        const reason = refusal ? overQuota(refusal).message : null
        const gathered = await gatheredBy(executor, one.subject)
        places.set(one.subject, { position: positions.get(one.subject) ?? null, gathered, reason })
      }
    }
    return places
  }

  async #byRoot(executor: Executor, asked: readonly StoredWaiting[]): Promise<Map<string, StoredWaiting[]>> {
    const roots = new Map<string, string>()
    for (const id of new Set(asked.map(({ projectId }) => projectId)))
      roots.set(id, (await projectFetch(executor, id))?.rootId ?? id)
    return Map.groupBy(asked, ({ projectId }) => roots.get(projectId)!)
  }
}

const defaultTtlMs = 600_000

/** What a reclaim gathered for the project already is not gathered twice. */
const without = (amounts: Amounts, kept: Amounts): Record<string, number> =>
  Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, Math.max(0, amount - (kept[name] ?? 0))]))

/** What a reclaim holds for this request: it is free for it alone. */
const keptFor = (tickets: Tickets, { projectId, subject }: StoredWaiting): Amounts => {
  const ticket = tickets.get(projectId)
  return ticket && !isForAnother(ticket, subject) ? ticket.held : {}
}

const stateOf = ({ state }: StoredClaim): Reservation['state'] => state

const gatheredBy = async (executor: Executor, subject: string): Promise<Amounts> =>
  (await claimFetch(executor, waitingHold(subject)))?.amounts ?? {}

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
