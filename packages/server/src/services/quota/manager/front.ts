/** Quota's facade: reservations in the caller's own transaction, limits and usage. */
import { badRequest, gone } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { isAmount, UNLIMITED } from '#engines/quota/amounts.ts'
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
} from '../facade.ts'
import { LostRace, readByKeys } from '../store/cells.ts'
import { claimCommit, claimDelete, claimFetch, claimInsert, claimShrink, claimsNoticed } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import type { StoredProject } from '../store/projects.ts'
import { resourceFetch, resourcesList, resourceWrite } from '../store/resources.ts'
import { ticketFetch, ticketWrite } from '../store/tickets.ts'
import { growTree, holdSubject } from './grown-tree.ts'
import { defaultLimitOf } from './limits.ts'
import type { Limits } from './limits.ts'
import { Owners } from './owners.ts'
import { noticesOf } from './owners-notices.ts'
import type { QuotaParts } from './parts.ts'
import { charge, walkOf } from './path-count.ts'
import type { KnownProjects } from './projects.ts'
import { Reclaim, planOf } from './reclaim.ts'
import { comingBack, overQuota } from './refusing.ts'

const defaultTtlMs = 600_000

export class QuotaFront implements QuotaFacade {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #limits: Limits
  readonly reclaim: Reclaim
  readonly owners: Owners

  constructor(parts: QuotaParts, projects: KnownProjects, limits: Limits) {
    this.#parts = parts
    this.#projects = projects
    this.#limits = limits
    this.owners = new Owners(parts, projects, this)
    this.reclaim = new Reclaim(parts, {
      available: (tx, projectId, resources) => this.#available(tx, projectId, resources),
      take: (tx, projectId, amounts) => this.#take(tx, projectId, amounts),
      commit: (tx, subject) => this.commit(tx, subject),
      cancel: (tx, subject) => this.cancel(tx, subject),
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
    await readByKeys(tx)
    const project = await this.#projects.ensure(tx, request.projectId)
    if (!(await claimInsert(tx, claim))) return reservationOf((await claimFetch(tx, request.subject))!)
    const held = await this.reclaim.redeem(tx, project.id)
    let borrowed: Amounts = {}
    const granted = await charge(tx, project, {
      amounts,
      apply: (walk) => {
        borrowed = walk.borrowing(amounts)
        return walk.fits(amounts) && walk.count(amounts, 1, true)
      },
      uncounted: request.subject,
    })
    if (!granted) await this.#refuse(tx, project, { ...request, deltas: amounts })
    if (held) await this.#settleTicket(tx, project.id, amounts)
    const { id: projectId } = project
    await this.#parts.history.tell(tx, { kind: 'granted', projectId, subject: request.subject, amounts, borrowed })
    return reservationOf(claim)
  }

  #claimOf(request: ReserveRequest, amounts: Amounts): StoredClaim {
    const now = this.#parts.clock.now()
    return {
      subject: request.subject,
      projectId: request.projectId,
      amounts,
      state: 'reserved',
      reclaimable: request.reclaimable ?? 'never',
      priority: request.priority ?? 0,
      startedAt: now,
      expiresAt: now + (request.ttlMs ?? defaultTtlMs),
      ticket: null,
      deadlineAt: null,
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
  async #refuse(tx: Tx, { id, rootId }: StoredProject, request: ReserveRequest): Promise<never> {
    const engine = await growTree(tx, rootId, request.subject),
      { tree } = engine,
      { deltas } = request
    const vector = {
      resources: Object.keys(deltas).map((name) => tree.resourceNumber(name)!),
      amounts: Object.values(deltas),
    }
    if (engine.fits(tree.project(id).leaf, vector))
      throw new LostRace(`quota of project ${id} was released meanwhile`)
    const refusal = engine.refusalOf(tree.project(id), vector)
    const wish = { projectId: id, amounts: { ...deltas }, subject: request.subject }
    const { code: reason, resource, node } = refusal
    this.#parts.history.refused({ ...wish, reason, resource, node })
    const noticed = await claimsNoticed(tx, id),
      now = this.#parts.clock.now()
    if (noticed.length > 0)
      throw comingBack(refusal, Math.max(...noticed.map((claim) => claim.deadlineAt ?? now)) - now)
    engine.release(id, now)
    const plan = planOf(engine, wish, now)
    if (!plan) throw overQuota(refusal)
    // The refusal undoes this transaction, so the notices are given in one of their own.
    this.#parts.wish(wish)
    throw comingBack(refusal, plan.dueMs - now)
  }

  async commit(tx: Tx, subject: string): Promise<void> {
    const claim = await claimFetch(tx, subject)
    if (!claim) throw gone(`The quota reservation of ${subject} has expired; reserve again.`, { reason: 'EXPIRED' })
    if (claim.state === 'committed') return
    await this.#settle(tx, claim)
    await claimCommit(tx, subject)
  }

  async #settle(tx: Tx, claim: StoredClaim): Promise<void> {
    const project = await this.#projects.ensure(tx, claim.projectId)
    await charge(tx, project, { amounts: claim.amounts, apply: (walk) => walk.settle(claim.amounts) })
  }

  async cancel(tx: Tx, subject: string, cause: 'cancelled' | 'expired' = 'cancelled'): Promise<void> {
    const claim = await claimFetch(tx, subject)
    if (claim) await this.#giveBack(tx, claim, claim.amounts, cause)
  }

  async release(tx: Tx, { subject, deltas }: ReleaseRequest): Promise<void> {
    const claim = await claimFetch(tx, subject)
    if (claim) await this.#giveBack(tx, claim, deltas ? positiveAmounts(deltas) : claim.amounts)
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
    await this.#parts.history.tell(tx, {
      kind: claim.state === 'committed' ? 'released' : cause,
      projectId: claim.projectId,
      subject: claim.subject,
      amounts: back,
      wasRecalled: claim.ticket !== null,
    })
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
  resetLimits(projectId: string, by?: string): Promise<void> {
    return this.#limits.reset(projectId, by)
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
