/** Whether a request fits, and the claim if it does: in the project's private part, or along its path to the root. */
import type { Tx } from '#platform/db/database.ts'
import type { Amounts, Reservation, ReserveRequest } from '../facade.ts'
import { grantAlong } from '../store/along-path.ts'
import { LostRace } from '../store/cells.ts'
import { claimFetch, claimsNoticed } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { historyInsert } from '../store/history.ts'
import type { NewHappening } from '../store/history.ts'
import { takeLent } from '../store/lent-part-sqlite.ts'
import { privatePart } from '../store/private-part.ts'
import type { StoredProject } from '../store/projects.ts'
import { ticketFetch, ticketWrite } from '../store/tickets.ts'
import { lineLock } from '../store/tree-locks.ts'
import { less, positiveAmounts } from './amounts-asked.ts'
import { GrantsLately, grantOf, reservationOf } from './grants.ts'
import { growAsking, holdSubject } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'
import { charge, roundsMax, walkOf } from './path-count.ts'
import { mayWait } from './patience.ts'
import type { KnownProjects } from './projects.ts'
import { dueOf, isForAnother, planOf } from './reclaim.ts'
import type { Reclaim } from './reclaim.ts'
import { recallMemory } from './reclaimed.ts'
import { comingBack, lentOut, overQuota, refusalsOf } from './refusing.ts'
import type { Waiting } from './waiting.ts'

const defaultTtlMs = 600_000

/** What stands beside admission, and itself counts by it. */
export interface Beside {
  readonly reclaim: Reclaim
  readonly waitingLine: Waiting
}

export class Admission {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #beside: Beside
  readonly #lately = new GrantsLately()

  constructor(parts: QuotaParts, projects: KnownProjects, beside: Beside) {
    this.#parts = parts
    this.#projects = projects
    this.#beside = beside
  }

  async available(tx: Tx, projectId: string, resources: readonly string[]): Promise<Record<string, number>> {
    const amounts = Object.fromEntries(resources.map((name) => [name, 0]))
    const walk = await walkOf(tx, await this.#projects.ensure(tx, projectId), amounts)
    return Object.fromEntries(resources.map((name) => [name, walk?.available(name) ?? 0]))
  }

  /** Counts for a hold what was seen to be free. */
  async take(tx: Tx, projectId: string, amounts: Amounts): Promise<void> {
    const project = await this.#projects.ensure(tx, projectId)
    const taken = await charge(tx, project, {
      amounts,
      apply: (walk) => walk.fits(amounts) && walk.count(amounts, 1, true),
      uncounted: holdSubject(projectId),
    })
    if (!taken) throw new LostRace(`what was free for project ${projectId} was taken meanwhile`)
  }

  async reserve(tx: Tx, request: ReserveRequest): Promise<Reservation> {
    const claim = this.claimOf(request),
      told = await this.#takeAtOnce(tx, claim)
    if (!told) return this.#reserveAlong(tx, request, claim)
    this.#parts.history.announce(tx, told)
    if (mayWait(request)) await this.#beside.waitingLine.settled(tx, request.subject)
    return reservationOf(claim)
  }

  /**
   * What the database decides by itself, and what the history was told of it: in the private part, or where nothing on
   * the path is private. Both can only for a root alone, and do the same: it does not matter which is asked first.
   */
  async #takeAtOnce(tx: Tx, claim: StoredClaim): Promise<NewHappening[] | undefined> {
    if (this.#lately.isLent(claim)) return (await this.#takeLent(tx, claim)) ?? this.#takePrivately(tx, claim)
    return (await this.#takePrivately(tx, claim)) ?? this.#takeLent(tx, claim)
  }

  async #takePrivately(tx: Tx, claim: StoredClaim): Promise<NewHappening[] | undefined> {
    const [told] = this.#parts.history.rowsOf(grantOf(claim))
    if (!(await privatePart(tx).take(tx, claim, told!))) return undefined
    this.#lately.note(claim, false)
    return [told!]
  }

  async #takeLent(tx: Tx, claim: StoredClaim): Promise<NewHappening[] | undefined> {
    const borrowed = await takeLent(tx, claim)
    if (!borrowed) return undefined
    const told = this.#parts.history.rowsOf({ ...grantOf(claim), borrowed })
    await historyInsert(tx, told)
    this.#lately.note(claim, true)
    return told
  }

  async #reserveAlong(tx: Tx, request: ReserveRequest, asking: StoredClaim): Promise<Reservation> {
    const project = await this.#projects.ensure(tx, request.projectId)
    // What is for a project that is gone counts at its heir.
    const claim = { ...asking, projectId: project.id }
    const entered = await this.#enter(tx, project, claim, request.whenFull === 'count')
    if (entered === 'known') return reservationOf((await claimFetch(tx, request.subject))!)
    if (entered === 'granted') {
      if (mayWait(request)) await this.#beside.waitingLine.settled(tx, request.subject)
      return reservationOf(claim)
    }
    // A line is held before counters are, or two would wait for each other.
    if (entered === 'lost' && mayWait(request)) throw new LostRace(`what project ${project.id} asks for was taken`)
    const asked = { ...request, projectId: project.id, deltas: claim.amounts }
    const waiting = mayWait(request)
      ? await this.#beside.waitingLine.insteadOfRefusing(tx, project, asked)
      : undefined
    return waiting ?? this.#refuse(tx, project, asked)
  }

  /** Makes and counts the claim of somebody who waits, if it fits now. */
  async admit(tx: Tx, claim: StoredClaim): Promise<boolean> {
    const project = await this.#projects.ensure(tx, claim.projectId)
    if (['granted', 'known'].includes(await this.#enter(tx, project, claim))) return true
    await this.#beside.reclaim.gather(tx, project.id)
    return false
  }

  /**
   * Makes the claim and counts it at every node that it spills to, and at every one that watches its subtree. If it is
   * too much, what was kept for the project is free, too. What `isThere` fits in any case. `lost`: another took it
   * while its counters were asked for, and they are held now.
   */
  async #enter(
    tx: Tx,
    project: StoredProject,
    claim: StoredClaim,
    isThere = false,
  ): Promise<'granted' | 'full' | 'lost' | 'known'> {
    const ticket = await ticketFetch(tx, project.id)
    if (ticket && (await claimFetch(tx, claim.subject))) return 'known'
    if (ticket) await lineLock(tx, project.rootId, [project.id])
    const isRedeemed = ticket !== undefined && (await this.#beside.reclaim.redeem(tx, project.id, claim.subject))
    for (let round = 0; round < roundsMax; round++) {
      const entered = await this.#enterNow(tx, project, claim, isThere)
      if (entered === 'granted' && isRedeemed) await this.#settleTicket(tx, project.id, claim.amounts)
      if (entered === 'full' && round > 0) return 'lost'
      if (entered !== 'changed') return entered
    }
    throw new LostRace(`quota of project ${project.id} kept changing`)
  }

  async #enterNow(
    tx: Tx,
    project: StoredProject,
    claim: StoredClaim,
    isThere: boolean,
  ): Promise<'granted' | 'full' | 'known' | 'changed'> {
    const { amounts } = claim,
      walk = await walkOf(tx, project, amounts)
    // Who asks again holds it already, and need not fit beside itself.
    if (walk && !isThere && !walk.fits(amounts)) return (await claimFetch(tx, claim.subject)) ? 'known' : 'full'
    const history = this.#parts.history.rowsOf({ ...grantOf(claim), borrowed: walk?.borrowing(amounts) })
    walk?.count(amounts, 1, claim.state === 'reserved')
    const granted = await grantAlong(tx, { changes: walk?.changes() ?? [], claims: [claim], history })
    if (granted !== 'done') return granted
    this.#parts.history.announce(tx, history)
    return 'granted'
  }

  claimOf(request: ReserveRequest): StoredClaim {
    const now = this.#parts.clock.now()
    return {
      subject: request.subject,
      projectId: request.projectId,
      amounts: positiveAmounts(request.deltas),
      state: request.started ? 'committed' : 'reserved',
      reclaimable: request.reclaimable ?? 'never',
      priority: request.priority ?? 0,
      startedAt: now,
      expiresAt: request.started ? null : now + (request.ttlMs ?? defaultTtlMs),
      ticket: null,
      deadlineAt: null,
      lineage: request.lineage ?? null,
    }
  }

  /** What a ticket has brought is used; what it still waits for shrinks by it, or the ticket is done. */
  async #settleTicket(tx: Tx, projectId: string, amounts: Amounts): Promise<void> {
    const ticket = await ticketFetch(tx, projectId)
    if (!ticket) return
    const left = less(ticket.amounts, amounts)
    if (Object.keys(left).length === 0) return this.#beside.reclaim.end(tx, projectId)
    await ticketWrite(tx, { ...ticket, amounts: left })
    await this.#beside.reclaim.gather(tx, projectId)
  }

  /** The explanation looks at the whole tree; the decision did not have to. */
  async #refuse(tx: Tx, project: StoredProject, request: ReserveRequest): Promise<never> {
    const { id, rootId } = project,
      ticket = await ticketFetch(tx, id)
    const projectIds = ticket && isForAnother(ticket, request.subject) ? [] : [id]
    const engine = await growAsking(tx, rootId, { projectIds, uncounted: request.subject }),
      { tree } = engine,
      { deltas } = request
    const vector = {
      resources: Object.keys(deltas).map((name) => tree.resourceNumber(name)!),
      amounts: Object.values(deltas),
    }
    if (engine.fits(tree.project(id).leaf, vector))
      throw new LostRace(`quota of project ${id} was released meanwhile`)
    const refusal = engine.refusalOf(tree.project(id), vector)
    const lineage = request.lineage ?? request.subject
    const { subject, priority } = request,
      wish = { projectId: id, amounts: { ...deltas }, subject, lineage, priority }
    const { code: reason, resource, node } = refusal
    this.#parts.history.refused({ ...wish, reason, resource, node })
    const noticed = await claimsNoticed(tx, id),
      now = this.#parts.clock.now()
    if (noticed.length > 0)
      throw comingBack(refusal, Math.max(...noticed.map((claim) => claim.deadlineAt ?? now)) - now)
    await recallMemory(tx, engine, lineage)
    const notices = planOf(engine, wish, now)
    if (!notices) throw overQuota(refusal, refusalsOf(engine, tree.project(id), vector))
    // The refusal undoes this transaction, so the notices are given in one of their own.
    this.#parts.wish(wish)
    throw notices.length > 0 ? comingBack(refusal, dueOf(notices, now) - now) : lentOut(refusal)
  }
}
