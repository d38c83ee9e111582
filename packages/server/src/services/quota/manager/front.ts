/** Quota's facade: reservations in the caller's own transaction, limits and usage. */
import { badRequest, gone } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { isAmount, UNLIMITED } from '#engines/quota/amounts.ts'
import { agedLoansOf } from '#engines/quota/loan-ages.ts'
import type { AgedLoan } from '#engines/quota/loan-ages.ts'
import type {
  Amounts,
  QuotaFacade,
  QuotaOwner,
  ReclaimNotice,
  ReleaseRequest,
  Reservation,
  ReserveRequest,
  ResourceUsage,
  SetLimitsRequest,
  WaitingAsk,
} from '../facade.ts'
import { LostRace } from '../store/cells.ts'
import { claimDelete, claimFetch, claimInsert, claimShrink, claimsNoticed } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { privatePart } from '../store/private-part.ts'
import type { StoredProject } from '../store/projects.ts'
import { isAnybodyWaiting } from '../store/waiting.ts'
import { resourceFetch, resourcesList, resourceWrite } from '../store/resources.ts'
import { ticketFetch, ticketWrite } from '../store/tickets.ts'
import { growAsking, holdSubject } from './grown-tree.ts'
import { defaultLimitOf } from './limits.ts'
import { isHold } from './history.ts'
import type { Limits } from './limits.ts'
import { Owners } from './owners.ts'
import { noticeOf, noticesOf } from './owners-notices.ts'
import type { QuotaParts } from './parts.ts'
import { charge, walkOf } from './path-count.ts'
import type { KnownProjects } from './projects.ts'
import { mayWait } from './patience.ts'
import { Reclaim, planOf } from './reclaim.ts'
import { recallMemory, rememberReclaim } from './reclaimed.ts'
import { comingBack, overQuota } from './refusing.ts'
import { standingOf } from '../store/standing.ts'
import { handOn } from './handing-on.ts'
import type { Heir } from './handing-on.ts'
import { Waiting } from './waiting.ts'

const defaultTtlMs = 600_000

export class QuotaFront implements QuotaFacade {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #limits: Limits
  readonly reclaim: Reclaim
  readonly owners: Owners
  readonly waitingLine: Waiting

  constructor(parts: QuotaParts, projects: KnownProjects, limits: Limits) {
    this.#parts = parts
    this.#projects = projects
    this.#limits = limits
    this.owners = new Owners(parts, projects, this)
    const counting = {
      available: (tx: Tx, projectId: string, resources: readonly string[]) =>
        this.#available(tx, projectId, resources),
      take: (tx: Tx, projectId: string, amounts: Amounts) => this.#take(tx, projectId, amounts),
      drop: (tx: Tx, subject: string) => this.#drop(tx, subject),
    }
    this.reclaim = new Reclaim(parts, {
      ...counting,
      commit: (tx, subject) => this.commit(tx, subject),
      cancel: counting.drop,
    })
    this.waitingLine = new Waiting(parts, {
      ...counting,
      admit: (tx, claim) => this.#admit(tx, claim),
      regather: (tx, projectId) => this.reclaim.gather(tx, projectId),
      prepare: async (tx, projectId, resources) => void (await this.#available(tx, projectId, resources)),
    })
  }

  async #available(tx: Tx, projectId: string, resources: readonly string[]): Promise<Record<string, number>> {
    const amounts = Object.fromEntries(resources.map((name) => [name, 0]))
    const walk = await walkOf(tx, await this.#projects.ensure(tx, projectId), amounts)
    return Object.fromEntries(resources.map((name) => [name, walk?.available(name) ?? 0]))
  }

  async #take(tx: Tx, projectId: string, amounts: Amounts): Promise<void> {
    const project = await this.#projects.ensure(tx, projectId)
    const taken = await charge(tx, project, {
      amounts,
      apply: (walk) => walk.fits(amounts) && walk.count(amounts, 1, true),
      uncounted: holdSubject(projectId),
    })
    if (!taken) throw new LostRace(`what was free for project ${projectId} was taken meanwhile`)
  }

  async reserve(tx: Tx, request: ReserveRequest): Promise<Reservation> {
    const amounts = positiveAmounts(request.deltas),
      claim = this.#claimOf(request, amounts)
    const told = { at: this.#parts.clock.now(), kind: 'granted' as const }
    if (!(await privatePart(tx).take(tx, claim, told))) return this.#reserveAlong(tx, request, claim)
    this.#parts.history.written(tx, { ...told, ...claim })
    if (mayWait(request)) await this.waitingLine.settled(tx, request.subject)
    return reservationOf(claim)
  }

  async #reserveAlong(tx: Tx, request: ReserveRequest, claim: StoredClaim): Promise<Reservation> {
    const project = await this.#projects.ensure(tx, request.projectId)
    if (!(await claimInsert(tx, claim))) return reservationOf((await claimFetch(tx, request.subject))!)
    const isThere = request.whenFull === 'count'
    if (await this.#count(tx, project, claim, isThere)) {
      if (mayWait(request)) await this.waitingLine.settled(tx, request.subject)
      return reservationOf(claim)
    }
    const asked = { ...request, deltas: claim.amounts }
    const waiting = mayWait(request) ? await this.waitingLine.insteadOfRefusing(tx, project, asked) : undefined
    return waiting ?? this.#refuse(tx, project, asked)
  }

  /** Makes and counts the claim of somebody who waits, if it fits now. */
  async #admit(tx: Tx, claim: StoredClaim): Promise<boolean> {
    const project = await this.#projects.ensure(tx, claim.projectId)
    if (!(await claimInsert(tx, claim))) return true
    if (await this.#count(tx, project, claim)) return true
    await claimDelete(tx, claim.subject)
    await this.reclaim.gather(tx, project.id)
    return false
  }

  /**
   * Counts a claim that is written already at every node that it spills to, and at every one that watches its subtree.
   * False if it does not fit; then what was kept for the project is free, too. What `isThere` fits in any case.
   */
  async #count(tx: Tx, project: StoredProject, claim: StoredClaim, isThere = false): Promise<boolean> {
    const { amounts } = claim
    const held = await this.reclaim.redeem(tx, project.id)
    let borrowed: Amounts = {}
    const granted = await charge(tx, project, {
      amounts,
      apply: (walk) => {
        borrowed = walk.borrowing(amounts)
        return (isThere || walk.fits(amounts)) && walk.count(amounts, 1, claim.state === 'reserved')
      },
      uncounted: claim.subject,
    })
    if (!granted) return false
    if (held) await this.#settleTicket(tx, project.id, amounts)
    await this.#tellGranted(tx, claim, borrowed)
    return true
  }

  #tellGranted(tx: Tx, { projectId, subject, amounts }: StoredClaim, borrowed: Amounts = {}): Promise<void> {
    return this.#parts.history.tell(tx, { kind: 'granted', projectId, subject, amounts, borrowed })
  }

  #claimOf(request: ReserveRequest, amounts: Amounts): StoredClaim {
    const now = this.#parts.clock.now()
    return {
      subject: request.subject,
      projectId: request.projectId,
      amounts,
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
    const left = Object.fromEntries(
      Object.entries(ticket.amounts)
        .map(([name, amount]) => [name, amount - (amounts[name] ?? 0)] as const)
        .filter(([, amount]) => amount > 0),
    )
    if (Object.keys(left).length === 0) return this.reclaim.end(tx, projectId)
    await ticketWrite(tx, { ...ticket, amounts: left })
    await this.reclaim.gather(tx, projectId)
  }

  /** The explanation looks at the whole tree; the decision did not have to. */
  async #refuse(tx: Tx, project: StoredProject, request: ReserveRequest): Promise<never> {
    const { id, rootId } = project
    const engine = await growAsking(tx, rootId, { projectIds: [id], uncounted: request.subject }),
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
    const wish = {
      projectId: id,
      amounts: { ...deltas },
      subject: request.subject,
      lineage,
      priority: request.priority,
    }
    const { code: reason, resource, node } = refusal
    this.#parts.history.refused({ ...wish, reason, resource, node })
    const noticed = await claimsNoticed(tx, id),
      now = this.#parts.clock.now()
    if (noticed.length > 0)
      throw comingBack(refusal, Math.max(...noticed.map((claim) => claim.deadlineAt ?? now)) - now)
    await recallMemory(tx, engine, lineage)
    const plan = planOf(engine, wish, now)
    if (!plan) throw overQuota(refusal)
    // The refusal undoes this transaction, so the notices are given in one of their own.
    this.#parts.wish(wish)
    throw comingBack(refusal, plan.dueMs - now)
  }

  async loans(projectId: string): Promise<AgedLoan[]> {
    const engine = await this.#limits.engineFor(this.#parts.db, projectId),
      now = this.#parts.clock.now()
    return engine.tree.resources
      .flatMap((_, resource) => agedLoansOf(engine, resource, now))
      .filter(({ lender, borrower }) => lender === projectId || borrower === projectId)
  }

  standing(executor: Executor, subjects: readonly string[]): Promise<Map<string, Reservation['state']>> {
    return standingOf(executor, subjects)
  }

  async handOn(tx: Tx, subject: string, heirs: readonly Heir[]): Promise<void> {
    if (await handOn(tx, subject, heirs)) await this.cancel(tx, subject)
  }

  waiting(projectId: string): Promise<WaitingAsk[]> {
    return this.waitingLine.line(this.#parts.db, projectId)
  }

  async commit(tx: Tx, subject: string): Promise<void> {
    if ((await privatePart(tx).start(tx, subject)) || (await claimFetch(tx, subject))) return
    throw gone(`The quota reservation of ${subject} has expired; reserve again.`, { reason: 'EXPIRED' })
  }

  async cancel(tx: Tx, subject: string, cause: 'cancelled' | 'expired' = 'cancelled'): Promise<void> {
    const projectId = await this.#drop(tx, subject, cause)
    if (projectId === undefined) await this.waitingLine.leave(tx, subject, cause)
    else await this.#serveBeside(tx, projectId)
  }

  /** Gives back all of a claim and serves nobody; its project, if there was one. */
  async #drop(tx: Tx, subject: string, cause: 'cancelled' | 'expired' = 'cancelled'): Promise<string | undefined> {
    const at = this.#parts.clock.now(),
      kinds = isHold(subject) ? undefined : ({ reserved: cause, committed: 'released' } as const)
    const simple = await privatePart(tx).giveBack(tx, subject, { at, kinds })
    if (simple && kinds) this.#parts.history.written(tx, { ...simple, subject, at, kind: kinds[simple.state] })
    if (simple) return simple.projectId
    const claim = await claimFetch(tx, subject)
    if (claim) await this.#giveBack(tx, claim, claim.amounts, cause)
    return claim?.projectId
  }

  /** Capacity has returned: whoever waits in the same tree has it in this transaction, before anybody else. */
  async #serveBeside(tx: Tx, projectId: string): Promise<void> {
    if (!(await isAnybodyWaiting(tx))) return
    const project = await this.#projects.ensure(tx, projectId)
    await this.waitingLine.serve(tx, project.rootId)
  }

  async release(tx: Tx, { subject, deltas }: ReleaseRequest): Promise<void> {
    if (!deltas) return this.cancel(tx, subject)
    const claim = await claimFetch(tx, subject)
    if (!claim) return
    await this.#giveBack(tx, claim, positiveAmounts(deltas))
    await this.#serveBeside(tx, claim.projectId)
  }

  async #giveBack(
    tx: Tx,
    claim: StoredClaim,
    wanted: Amounts,
    cause: 'cancelled' | 'expired' = 'cancelled',
  ): Promise<void> {
    const back = Object.fromEntries(
      Object.entries(claim.amounts)
        .map(([name, amount]) => [name, Math.min(amount, wanted[name] ?? 0)] as const)
        .filter(([, amount]) => amount > 0),
    )
    const left = Object.fromEntries(
      Object.entries(claim.amounts)
        .map(([name, amount]) => [name, amount - (back[name] ?? 0)] as const)
        .filter(([, amount]) => amount > 0),
    )
    const project = await this.#projects.ensure(tx, claim.projectId)
    await charge(tx, project, { amounts: back, apply: (walk) => walk.count(back, -1, claim.state === 'reserved') })
    if (Object.keys(left).length > 0) await claimShrink(tx, claim.subject, left)
    else await claimDelete(tx, claim.subject)
    if (claim.ticket) await this.reclaim.gather(tx, claim.ticket)
    if (claim.ticket && Object.keys(left).length === 0) await rememberReclaim(tx, this.#parts.clock.now(), claim)
    await this.#tellReleased(tx, { ...claim, amounts: back }, cause)
  }

  #tellReleased(
    tx: Tx,
    given: Pick<StoredClaim, 'projectId' | 'subject' | 'amounts' | 'state'> & { ticket?: string | null },
    cause: 'cancelled' | 'expired',
  ): Promise<void> {
    const { projectId, subject, amounts, state, ticket } = given
    const kind = state === 'committed' ? 'released' : cause
    return this.#parts.history.tell(tx, { kind, projectId, subject, amounts, wasRecalled: Boolean(ticket) })
  }

  async usage(projectId: string): Promise<Record<string, ResourceUsage>> {
    return this.#limits.usage(projectId)
  }
  async limits(projectId: string): Promise<Record<string, number>> {
    return this.#limits.limits(projectId)
  }

  async defaults(projectId: string): Promise<Record<string, number>> {
    const isRoot = await this.#projects.isRoot(this.#parts.db, projectId)
    const resources = await resourcesList(this.#parts.db)
    return Object.fromEntries(resources.map((resource) => [resource.name, defaultLimitOf(resource, isRoot)]))
  }

  setLimits(request: SetLimitsRequest): Promise<void> {
    return this.#limits.set(request)
  }
  resetLimits(projectId: string, options?: { resources?: readonly string[]; by?: string }): Promise<void> {
    return this.#limits.reset(projectId, options)
  }

  ensureProject(tx: Tx, { projectId, parentId }: { projectId: string; parentId: string | null }): Promise<void> {
    return this.#projects.enter(tx, projectId, parentId)
  }

  owns(owner: QuotaOwner): void {
    this.owners.register(owner)
  }

  async notices(): Promise<ReclaimNotice[]> {
    return noticesOf(this.#parts.db)
  }

  noticeOf(tx: Tx, subject: string): Promise<ReclaimNotice | undefined> {
    return noticeOf(tx, subject)
  }

  forgetProject(tx: Tx, projectId: string): Promise<void> {
    return this.#projects.forget(tx, projectId)
  }

  async ensureResource({
    name,
    service,
    defaultLimit,
    unit,
  }: {
    name: string
    service: string
    defaultLimit: number
    unit?: string
  }): Promise<void> {
    const declared = this.#parts.defaults[name] ?? defaultLimit
    await this.#parts.db.transaction(async (tx) => {
      const before = await resourceFetch(tx, name)
      const registered = before?.registered_limit ?? null
      const row = {
        ...{ name, service, unit: unit ?? '', declared_limit: declared, registered_limit: registered },
        default_limit: registered ?? declared,
      }
      if (
        before &&
        before.default_limit === row.default_limit &&
        before.declared_limit === declared &&
        before.service === service &&
        before.unit === row.unit
      )
        return
      await resourceWrite(tx, row)
      if (before && before.default_limit !== row.default_limit) await this.#limits.rewriteAll(tx)
    })
  }
}

const reservationOf = ({ subject, projectId, amounts, state }: StoredClaim): Reservation => ({
  subject,
  projectId,
  deltas: amounts,
  state,
})

const positiveAmounts = (amounts: Amounts): Record<string, number> => {
  const entries = Object.entries(amounts).filter(([, amount]) => amount !== 0)
  for (const [name, amount] of entries) {
    if (isAmount(amount) && amount !== UNLIMITED) continue
    throw badRequest(`The amount of ${name} must be a whole number of 0 or more.`, {
      field: name,
      reason: 'BAD_AMOUNT',
    })
  }
  return Object.fromEntries(entries)
}
