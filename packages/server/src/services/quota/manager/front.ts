/** Quota's facade: reservations in the caller's own transaction, limits and usage. */
import { isDeepStrictEqual } from 'node:util'
import { gone } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { toFlag } from '#platform/db/json.ts'
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
import { claimFetch } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { claimsBehind } from '../store/owned-claims.ts'
import { privatePart } from '../store/private-part.ts'
import { projectsHolding } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { isAnybodyWaiting } from '../store/waiting.ts'
import { resourceFetch, resourcesList, resourceWrite } from '../store/resources.ts'
import { standingOf } from '../store/standing.ts'
import { lineLock } from '../store/tree-locks.ts'
import { Admission } from './admission.ts'
import { positiveAmounts } from './amounts-asked.ts'
import { GivingBack } from './giving-back.ts'
import type { Cause } from './giving-back.ts'
import { askLess } from './asking-less.ts'
import { handOn } from './handing-on.ts'
import type { Heir } from './handing-on.ts'
import { defaultLimitOf } from './limits.ts'
import type { Limits } from './limits.ts'
import { Owners } from './owners.ts'
import { noticeOf, noticesOf } from './owners-notices.ts'
import type { QuotaParts } from './parts.ts'
import type { KnownProjects } from './projects.ts'
import { Reclaim } from './reclaim.ts'
import { Together } from './together.ts'
import { Waiting } from './waiting.ts'

export class QuotaFront implements QuotaFacade {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #limits: Limits
  readonly reclaim: Reclaim
  readonly owners: Owners
  readonly #admission: Admission
  readonly #givingBack: GivingBack
  readonly #together: Together
  readonly waitingLine: Waiting

  constructor(parts: QuotaParts, projects: KnownProjects, limits: Limits) {
    this.#parts = parts
    this.#projects = projects
    this.#limits = limits
    this.owners = new Owners(parts, projects, this)
    const admission = new Admission(parts, projects, this),
      givingBack = new GivingBack(parts, projects, this)
    this.#admission = admission
    this.#together = new Together(parts, admission)
    this.#givingBack = givingBack
    const available: Admission['available'] = (...asked) => admission.available(...asked),
      take: Admission['take'] = (...taken) => admission.take(...taken),
      drop = (tx: Tx, subject: string) => givingBack.drop(tx, subject)
    this.reclaim = new Reclaim(parts, {
      ...{ available, take },
      commit: (tx, subject) => this.commit(tx, subject),
      cancel: drop,
    })
    this.waitingLine = new Waiting(parts, {
      ...{ take, drop },
      admit: (tx, claim) => admission.admit(tx, claim),
      regather: (tx, projectId) => this.reclaim.gather(tx, projectId),
      giveUpReclaim: async (tx, projectId) => {
        await this.reclaim.redeem(tx, projectId)
        await this.reclaim.end(tx, projectId)
      },
      prepare: async (tx, projectId, resources) => void (await available(tx, projectId, resources)),
    })
  }

  reserve(tx: Tx, request: ReserveRequest): Promise<Reservation> {
    return this.#admission.reserve(tx, request)
  }

  reserveAlone(request: ReserveRequest): Promise<Reservation> {
    return this.#together.reserve(request)
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

  async cancel(tx: Tx, subject: string, cause: Cause = 'cancelled'): Promise<void> {
    const awaited = await this.#awaitedBeside(tx, () => claimFetch(tx, subject))
    const projectId = await this.#givingBack.drop(tx, subject, cause)
    if (projectId === undefined) await this.#leave(tx, subject, cause)
    else if (awaited) await this.waitingLine.serve(tx, awaited.rootId)
  }

  /** What was granted while the line was waited for is a claim by now. */
  async #leave(tx: Tx, subject: string, cause: Cause): Promise<void> {
    const left = await this.waitingLine.leave(tx, subject, cause)
    if (!left && (await claimFetch(tx, subject))) await this.cancel(tx, subject, cause)
  }

  /**
   * Capacity will return: whoever waits in the same tree has it in this transaction, before anybody else. The line is
   * held before anything is counted; who comes to stand in it meanwhile is served by its next look.
   */
  async #awaitedBeside(
    tx: Tx,
    find: () => Promise<StoredClaim | undefined>,
  ): Promise<StoredProject | undefined> {
    if (!(await isAnybodyWaiting(tx))) return undefined
    const claim = await find()
    if (!claim) return undefined
    const project = await this.#projects.ensure(tx, claim.projectId)
    await lineLock(tx, project.rootId, [project.id])
    return project
  }

  async release(tx: Tx, request: ReleaseRequest): Promise<void> {
    const { subject, deltas } = request
    if (!deltas) return this.cancel(tx, subject)
    const amounts = positiveAmounts(deltas),
      claim = await claimFetch(tx, subject)
    if (!claim && (await this.#askLess(tx, request, amounts))) return
    const awaited = await this.#awaitedBeside(tx, async () => claim ?? (await claimsBehind(tx, subject))[0])
    await this.#givingBack.giveBackOfRow(tx, subject, amounts)
    if (awaited) await this.waitingLine.serve(tx, awaited.rootId)
  }

  /** False: it does not wait. What was granted while the line was waited for is a claim by now. */
  async #askLess(tx: Tx, request: ReleaseRequest, deltas: Amounts): Promise<boolean> {
    const { subject } = request
    if (await askLess(tx, { subject, deltas }, this)) return true
    if (!(await claimFetch(tx, subject))) return false
    await this.release(tx, request)
    return true
  }

  async usage(projectId: string): Promise<Record<string, ResourceUsage>> {
    return this.#limits.usage(projectId)
  }
  async limits(projectId: string): Promise<Record<string, number>> {
    return this.#limits.limits(projectId)
  }

  projectsLimited(resources: readonly string[]): Promise<string[]> {
    return projectsHolding(this.#parts.db, resources)
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

  noticeOf(executor: Executor, subject: string): Promise<ReclaimNotice | undefined> {
    return noticeOf(executor, subject)
  }

  forgetProject(tx: Tx, projectId: string): Promise<void> {
    return this.#projects.forget(tx, projectId)
  }

  async ensureResource({
    name,
    service,
    defaultLimit,
    unit,
    isCounted = true,
  }: Parameters<QuotaFacade['ensureResource']>[0]): Promise<void> {
    const declared = this.#parts.defaults[name] ?? defaultLimit
    await this.#parts.db.transaction(async (tx) => {
      const before = await resourceFetch(tx, name)
      const registered = before?.registered_limit ?? null
      const row = {
        ...{ name, service, unit: unit ?? '', declared_limit: declared, registered_limit: registered },
        default_limit: registered ?? declared,
        counted: toFlag(isCounted),
      }
      if (before && isDeepStrictEqual({ ...before }, row)) return
      await resourceWrite(tx, row)
      const isOther = before && (before.default_limit !== row.default_limit || before.counted !== row.counted)
      if (isOther) await this.#limits.rewriteAll(tx)
    })
  }
}
