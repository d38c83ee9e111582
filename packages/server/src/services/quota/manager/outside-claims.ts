/** Claims of programs outside the process: made, looked at, started and ended under names that they choose. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, conflict, forbidden, gone, notFound } from '#platform/errors/errors.ts'
import type { Refusal } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { Amounts, QuotaFacade, Reservation, ReserveRequest } from '../facade.ts'
import { claimFetch } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { historyList } from '../store/history.ts'
import type { StoredHappening } from '../store/history.ts'
import { outsidePage } from '../store/outside-claims.ts'
import { projectFetch, projectsOfRoot } from '../store/projects.ts'
import { waitingFetch } from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'
import type { QuotaParts } from './parts.ts'
import { mayWait } from './patience.ts'
import type { Places, Waiting } from './waiting.ts'

/** One request, as a program outside makes it. */
export type OutsideAsk = Pick<
  ReserveRequest,
  'projectId' | 'reclaimable' | 'priority' | 'whenFull' | 'waitMaxMs' | 'ttlMs' | 'started' | 'lineage'
> & {
  /** The caller's own name for it, unique in the project. Default: a new one. */
  id?: string
  amounts: Amounts
}

export interface ClaimName {
  projectId: string
  id: string
}

export type OutsideState = 'reserved' | 'committed' | 'recalled' | 'waiting'

export interface OutsideClaim extends ClaimName {
  state: OutsideState
  amounts: Amounts
  priority: number
  reclaimable: StoredClaim['reclaimable']
  /** Asked or, once it was granted, granted. Milliseconds since the epoch, as all moments here. */
  since: number
  /** When a reservation is given back, or a request that waits is given up; null: never. */
  expiresAt: number | null
  /** Of one that was recalled: by when it must be given back. */
  deadlineAt: number | null
  /** Of one that waits: 1 is served next among all of its tree; null: far behind. */
  position: number | null
  gathered: Amounts
  /** Of one that waits: what is in its way. */
  reason: string | null
}

export interface OutsideQuery {
  projectId?: string
  state?: OutsideState
  /** The last claim of the page before. */
  after?: ClaimName
  limit: number
}

const prefix = 'external:'
/** No row of the cloud stands for it. */
export const isOutside = (subject: string): boolean => subject.startsWith(prefix)

const subjectOf = ({ projectId, id }: ClaimName): string => `${prefix}${projectId}:${id}`

/**
 * Nobody's rows stand for them: they hold until they are given back, or (reserved) run out. A name belongs to its
 * project, so that no project can learn or take another's.
 */
export class OutsideClaims {
  readonly #parts: Pick<QuotaParts, 'db' | 'keystone'>
  readonly #front: Pick<QuotaFacade, 'reserve' | 'reserveAlone' | 'commit' | 'cancel'>
  readonly #line: Pick<Waiting, 'places'>

  constructor(
    parts: Pick<QuotaParts, 'db' | 'keystone'>,
    front: Pick<QuotaFacade, 'reserve' | 'reserveAlone' | 'commit' | 'cancel'>,
    line: Pick<Waiting, 'places'>,
  ) {
    this.#parts = parts
    this.#front = front
    this.#line = line
  }

  /** All or none. Asking again under the same name changes nothing and gives the first answer. */
  async make(ctx: RequestContext, asks: readonly OutsideAsk[]): Promise<OutsideClaim[]> {
    for (const projectId of new Set(asks.map((ask) => ask.projectId))) await this.#assertMayClaim(ctx, projectId)
    const named = asks.map((ask) => ({ ...ask, id: ask.id ?? uuid() }))
    assertOneByOne(named)
    const [only] = named
    if (named.length === 1 && only && !mayWait(only)) return [await this.#makeAlone(only)]
    return this.#parts.db.transaction(
      async (tx) => {
        const made: OutsideClaim[] = []
        for (const ask of named) made.push(await this.#makeOne(tx, ask))
        return made
      },
      { isolation: 'read committed' },
    )
  }

  /** Those who come together share a commit. */
  async #makeAlone({ id, amounts, ...ask }: OutsideAsk & ClaimName): Promise<OutsideClaim> {
    const name = { projectId: ask.projectId, id },
      subject = subjectOf(name)
    assertSame(name, amounts, await this.#front.reserveAlone({ ...ask, subject, deltas: amounts }))
    const claim = await claimFetch(this.#parts.db, subject)
    if (!claim) throw await absent(this.#parts.db, name)
    return viewOf(claim)
  }

  async #makeOne(tx: Tx, { id, amounts, ...ask }: OutsideAsk & ClaimName): Promise<OutsideClaim> {
    const name = { projectId: ask.projectId, id },
      subject = subjectOf(name)
    const reservation = await this.#front.reserve(tx, { ...ask, subject, deltas: amounts })
    assertSame(name, amounts, reservation)
    if (reservation.state !== 'waiting') return viewOf((await claimFetch(tx, subject))!)
    return { ...waitingView((await waitingFetch(tx, subject))!), reason: reservation.reason ?? null }
  }

  async show(ctx: RequestContext, name: ClaimName): Promise<OutsideClaim> {
    await this.#assertSees(ctx, name.projectId)
    const { db } = this.#parts,
      subject = subjectOf(name)
    const claim = await claimFetch(db, subject)
    if (claim) return viewOf(claim)
    const asked = await waitingFetch(db, subject)
    if (!asked) throw await absent(db, name)
    const places = await this.#line.places(db, [asked])
    return placed(asked, places)
  }

  /** The caller's own project's, or the asked project's, and of all below; an administrator's: of all. */
  async list(ctx: RequestContext, { projectId, state, after, limit }: OutsideQuery): Promise<OutsideClaim[]> {
    const { db } = this.#parts
    const projectIds = await this.#seenBelow(ctx, projectId)
    const page = await outsidePage(db, { prefix, projectIds, state, after: after ? subjectOf(after) : '', limit })
    const places = await this.#line.places(db, page.filter(isWaiting))
    return page.map((one) => (isWaiting(one) ? placed(one, places) : viewOf(one)))
  }

  /** The work of all of them has started: none of them runs out any more. All or none. */
  async commit(ctx: RequestContext, names: readonly ClaimName[]): Promise<OutsideClaim[]> {
    for (const projectId of new Set(names.map((name) => name.projectId))) await this.#assertMayClaim(ctx, projectId)
    return this.#parts.db.transaction(async (tx) => {
      const committed: OutsideClaim[] = []
      for (const name of names) committed.push(await this.#commitOne(tx, name))
      return committed
    })
  }

  async #commitOne(tx: Tx, name: ClaimName): Promise<OutsideClaim> {
    const subject = subjectOf(name)
    if (!(await claimFetch(tx, subject))) {
      if (!(await waitingFetch(tx, subject))) throw await absent(tx, name)
      throw conflict(`Claim ${name.id} still waits; commit it once it is reserved.`, { reason: 'WAITING' })
    }
    await this.#front.commit(tx, subject)
    return viewOf((await claimFetch(tx, subject))!)
  }

  /** Gives a claim back, or a waiting request up; who waits is served at once. */
  async end(ctx: RequestContext, name: ClaimName): Promise<void> {
    await this.#assertMayClaim(ctx, name.projectId)
    const subject = subjectOf(name)
    await this.#parts.db.transaction(
      async (tx) => {
        if (!(await claimFetch(tx, subject)) && !(await waitingFetch(tx, subject))) throw await absent(tx, name)
        await this.#front.cancel(tx, subject)
      },
      { isolation: 'read committed' },
    )
  }

  /** Undefined: all there are. */
  async #seenBelow(ctx: RequestContext, wanted: string | undefined): Promise<string[] | undefined> {
    if (wanted === undefined && seesAll(ctx)) return undefined
    const projectId = wanted ?? ctx.projectId
    await this.#assertSees(ctx, projectId)
    const project = await projectFetch(this.#parts.db, projectId)
    if (!project) return [projectId]
    const all = await projectsOfRoot(this.#parts.db, project.rootId)
    return all.filter(({ path }) => path.includes(projectId)).map(({ id }) => id)
  }

  async #assertMayClaim(ctx: RequestContext, projectId: string): Promise<void> {
    await this.#assertSees(ctx, projectId)
    if (seesAll(ctx) || ctx.projectId === projectId || ctx.roles.includes('manager')) return
    throw forbidden('Only a manager may claim for a project below their own.')
  }

  /** What a caller may not see does not exist for them. */
  async #assertSees(ctx: RequestContext, projectId: string): Promise<void> {
    const above = await this.#lineOf(projectId)
    if (above.length > 0 && (seesAll(ctx) || above.includes(ctx.projectId))) return
    throw notFound(`Project ${projectId} could not be found.`)
  }

  /** The project and those above it; empty: there is none. */
  async #lineOf(projectId: string): Promise<string[]> {
    const known = await projectFetch(this.#parts.db, projectId)
    if (known) return [projectId, ...known.path]
    return (await this.#parts.keystone.projectAncestors(projectId)).map(({ id }) => id)
  }
}

/** Other services of the cloud, and its administrators. */
const seesAll = ({ isAdmin, roles }: RequestContext): boolean => isAdmin || roles.includes('service')

/** Of a name that neither holds anything nor waits. That it ran out is known for as long as the history goes back. */
const absent = async (executor: Executor, name: ClaimName): Promise<Refusal> => {
  const { id, projectId } = name
  const [last] = await historyList(executor, { subject: subjectOf(name), kinds: turns }, 1)
  if (last && hasRunOut(last))
    return gone(`Claim ${id} of project ${projectId} has run out and was given back; ask for it again.`, {
      reason: 'EXPIRED',
    })
  return notFound(
    `Project ${projectId} has no claim ${id}: it was never made, has been given back, or has run out long ago.`,
  )
}

/** What begins or ends a claim or a wait. */
const turns = ['granted', 'released', 'cancelled', 'expired', 'waiting', 'waitEnded']

const hasRunOut = ({ kind, details }: StoredHappening): boolean => kind === 'expired' || details.why === 'expired'

const assertOneByOne = (asks: readonly (OutsideAsk & ClaimName)[]): void => {
  if (asks.length === 1) return
  if (new Set(asks.map(subjectOf)).size < asks.length)
    throw badRequest('Two claims of one request must not have the same id.', { field: 'id' })
  if (asks.some(({ whenFull = 'refuse' }) => whenFull !== 'refuse'))
    throw badRequest(
      'Only a single claim can wait: several are granted together now, or none of them. ' +
        'Ask for the sum of what belongs together in one claim, or make one request for each.',
      { field: 'when_full' },
    )
}

const assertSame = ({ id }: ClaimName, asked: Amounts, { deltas }: Reservation): void => {
  const names = new Set([...Object.keys(asked), ...Object.keys(deltas)])
  if ([...names].every((name) => (asked[name] ?? 0) === (deltas[name] ?? 0))) return
  throw conflict(`There is a claim ${id} of other amounts. Give it back first, or choose another id.`, {
    field: 'id',
    reason: 'ID_TAKEN',
  })
}

type Stored = StoredClaim | StoredWaiting
const isWaiting = (one: Stored): one is StoredWaiting => 'since' in one

const nameOf = ({ subject, projectId }: Stored): ClaimName => ({
  projectId,
  id: subject.slice(prefix.length + projectId.length + 1),
})

const viewOf = (claim: StoredClaim): OutsideClaim => ({
  ...nameOf(claim),
  state: claim.ticket === null ? claim.state : 'recalled',
  amounts: claim.amounts,
  priority: claim.priority,
  reclaimable: claim.reclaimable,
  since: claim.startedAt,
  expiresAt: claim.expiresAt,
  deadlineAt: claim.deadlineAt,
  position: null,
  gathered: {},
  reason: null,
})

const waitingView = (asked: StoredWaiting): OutsideClaim => ({
  ...nameOf(asked),
  state: 'waiting',
  amounts: asked.amounts,
  priority: asked.priority,
  reclaimable: asked.reclaimable,
  since: asked.since,
  expiresAt: asked.expiresAt,
  deadlineAt: null,
  position: null,
  gathered: {},
  reason: null,
})

const placed = (asked: StoredWaiting, places: Places): OutsideClaim => ({
  ...waitingView(asked),
  ...places.get(asked.subject),
})
