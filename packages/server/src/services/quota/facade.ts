/** What other services may ask of quota: reserve with the row it is for, commit, cancel, release, read, set. */
import type { Executor, Tx } from '#platform/db/database.ts'

/**
 * Resource class → amount, whole units only. Names are the OpenStack ones: `instances`, `cores`, `ram` (MiB),
 * `server_groups`, `volumes`, `gigabytes`, `snapshots` (and of a type, `volumes_fast`), `networks`, `subnets`,
 * `subnetpools`, `ports`, `routers`, `floatingips`, `security_groups`, `security_group_rules`, `rbac_policies`,
 * `image_count_total`, `image_size_total` (MiB), `image_stage_total`, `image_count_uploading`. A resource nobody
 * registered is refused with reason `NOT_REGISTERED`.
 */
export type Amounts = Readonly<Record<string, number>>

export interface ReserveRequest {
  projectId: string
  /** What to take. All of it or none of it. Zero entries are allowed and mean nothing. */
  deltas: Amounts
  /**
   * Names the row this is for, such as `nova:server:<uuid>`: asking again with the same subject changes nothing and
   * gives the first answer, whatever the deltas say. A second, independent charge for one row (a resize) takes its own
   * subject, such as `nova:server:<uuid>:resize:<migration>`.
   */
  subject: string
  /**
   * May the owner of lent capacity take this back? Default `never`. Servers say `yes`; preemptible ones `preferred`.
   */
  reclaimable?: 'never' | 'yes' | 'preferred'
  /** Higher is kept longer among one project's own. Default 0. */
  priority?: number
  /**
   * When it does not fit: `refuse` (default) throws, `wait` answers with state `waiting`, `policy` does what the
   * project's policy says of the resource that is missing. What can never fit is refused. The reservation is made when
   * capacity returns, in fair order, and told by `quota.waiting.granted` (subject, projectId, amounts); ask again with
   * the same subject to see, and `commit` what was granted. `cancel` gives the ask up. `count`: it is there already, as
   * data of a length that nobody said is once it has come; it is counted, and nothing more is admitted meanwhile.
   */
  whenFull?: 'refuse' | 'wait' | 'policy' | 'count'
  /** A waiting ask is given up after this, told by `quota.waiting.expired`. Default: the policy's, else never. */
  waitMaxMs?: number
  /** The row exists once this transaction commits: committed at once, without a `commit` and without a time limit. */
  started?: boolean
  /**
   * The same for a container and for what comes back after it was taken: whoever was taken back often takes only what
   * its project owns. Default: the subject, which is new each time. Several that are asked for as one end theirs in
   * `*`: they are bound as the one of all that begin so which is bound the longest.
   */
  lineage?: string
  /** A reservation that is neither committed nor cancelled by then is given back. Default: ten minutes. */
  ttlMs?: number
}

export interface Reservation {
  subject: string
  projectId: string
  deltas: Amounts
  state: 'reserved' | 'committed' | 'waiting'
  /** Of one that waits: why, for people. */
  reason?: string
  /** Of one that waits: when it is given up; null: never. */
  expiresAt?: number | null
}

/** A request that stands in line. */
export interface WaitingAsk {
  subject: string
  projectId: string
  deltas: Amounts
  since: number
  /** Null: it waits as long as it takes. */
  expiresAt: number | null
  /** 1 is served next. Among all who wait in the same tree. */
  position: number
  /** What is kept for it already. */
  gathered: Amounts
}

export interface ReleaseRequest {
  projectId: string
  subject: string
  /**
   * Give back this part only, of the subject and, as far as that holds less, of those that begin with it and a colon;
   * without it, all that the subject holds.
   */
  deltas?: Amounts
}

/** One resource of one project, the Kilo numbers first. −1 means unlimited. */
export interface ResourceUsage {
  /** What a client that computes `limit − in_use` needs: own in exclusive mode, the ceiling in any other. */
  limit: number
  inUse: number
  reserved: number
  /** Granted to direct children, and what those of −1 use of the rest. */
  allocated: number
  /** own − inUse − reserved − allocated; below zero means in debt. */
  free: number
  owned: number
  pool: number
  /** How much more a request could take now without anybody giving anything back. */
  available: number
}

/** How one resource is held by one project; an absent field keeps its value. −1 means unlimited. */
export interface ResourceLimit {
  own?: number
  pool?: number
  lend?: number
  borrow?: number
  /** `null` goes back to own + borrow. */
  ceiling?: number | null
  weight?: number
  tier?: number
  /** How the project's own containers take part beside its children; what they own is what is left. */
  self?: Omit<ResourceLimit, 'own' | 'pool' | 'self'>
}

export interface SetLimitsRequest {
  projectId: string
  limits: Readonly<Record<string, number | ResourceLimit>>
  /** Skips the test against present usage only; never what was given to children. */
  force?: boolean
  /** Who sets them, a user's id, for the history. */
  by?: string
}

/** Lent capacity that its owner wants back, or owed: end what the subject names by the deadline, then `release` it. */
export interface ReclaimNotice {
  subject: string
  projectId: string
  deadlineAt: number
  /** What the borrower's policy wants done to what can be stopped instead. */
  onReclaim: 'delete' | 'stop'
  /** The resources that are still missed or owed; some of what the subject holds may not be among them. */
  wanted: readonly string[]
  /** The project that misses them: not for the borrower's eyes. */
  claimant: string
}

/** What one row of a service holds by its own account. */
export interface HeldByRow {
  /** The row's id: its claim's subject is the owner's prefix and this. */
  key: string
  projectId: string
  amounts: Amounts
  /** Rows of this kind are not always counted: one without a claim is right too. */
  mayBeFree?: boolean
  /** As in `reserve`, for a claim that must be made anew. */
  reclaimable?: 'never' | 'yes' | 'preferred'
  priority?: number
  lineage?: string
}

/** How quota asks the service above it, which registers this, what its rows hold. */
export interface QuotaOwner {
  /** `nova`: for people. */
  name: string
  /** Subjects of its rows are this and the row's id, and may go on after a further colon: `nova:server:`. */
  prefix: string
  /** Rows in the order of their keys, after one of them. */
  list(after: string, limit: number): Promise<HeldByRow[]>
  /** One row as it is now, or in a transaction; undefined: there is none, and nothing is held. */
  look(executor: Executor, key: string): Promise<HeldByRow | undefined>
}

export interface QuotaFacade {
  /** Registers how usage is recounted from rows. Once a process, before its controllers start. */
  owns(owner: QuotaOwner): void
  /**
   * Takes the amounts for the row that this transaction writes; nothing is held if the transaction rolls back.
   * Correct at any isolation. On PostgreSQL, `read committed` waits for others who count at the same ancestors, where
   * `serializable` starts over: prefer it where many share what is lent.
   *
   * Throws `overLimit` with details `{ reason, resource, node, limit, used, reserved, asked, available, remedy, … }`.
   * Reason `RECLAIMING`: what is lent out is being taken back and kept; ask again after `retryAfterMs`.
   */
  reserve(tx: Tx, request: ReserveRequest): Promise<Reservation>
  /**
   * The same in a transaction of its own, for who has no row to write with it: those that come together share one
   * decision and one commit, each answered by itself once that is on the disk. Not for use inside of a transaction.
   */
  reserveAlone(request: ReserveRequest): Promise<Reservation>
  /** The row exists: the reservation no longer expires. Idempotent; throws `gone` if it had expired. */
  commit(tx: Tx, subject: string): Promise<void>
  /** The work did not happen. Idempotent. */
  cancel(tx: Tx, subject: string): Promise<void>
  /** The row is gone, or shrank; who waits asks for so much less, in its place. Idempotent without `deltas`. */
  release(tx: Tx, request: ReleaseRequest): Promise<void>
  /** How each of these subjects stands now; one that is absent neither holds anything nor waits. */
  standing(executor: Executor, subjects: readonly string[]): Promise<Map<string, Reservation['state']>>
  /**
   * Hands what a subject holds on to others of the same project, each as much as it says: nobody else can have any of
   * it between. What they leave is given back. Idempotent: a subject that holds nothing hands nothing on.
   */
  handOn(
    tx: Tx,
    subject: string,
    heirs: readonly Pick<ReserveRequest, 'subject' | 'deltas' | 'lineage'>[],
  ): Promise<void>
  /** A project's requests that wait, in the order in which they will be served. */
  waiting(projectId: string): Promise<WaitingAsk[]>
  /** Whether one subject was asked to end, as a transaction sees it; undefined: it may stay. */
  noticeOf(executor: Executor, subject: string): Promise<ReclaimNotice | undefined>
  /**
   * Everything that was asked to end and has not, the most urgent first. Look again on `quota.reclaim.notice` and
   * `quota.reclaim.cancelled` (payload: subject, projectId); a subject that is no longer listed may stay.
   */
  notices(): Promise<ReclaimNotice[]>
  /** Every registered resource of one project. */
  usage(projectId: string): Promise<Record<string, ResourceUsage>>
  /** Resource → limit as its clients expect it (−1 unlimited). */
  limits(projectId: string): Promise<Record<string, number>>
  /** Projects that have settings of their own of any of these resources, whoever made them. */
  projectsLimited(resources: readonly string[]): Promise<string[]>
  /** The limits that a project has before anybody sets one: the registered default at a root, 0 below. */
  defaults(projectId: string): Promise<Record<string, number>>
  /** Throws `badRequest` naming the allowed range, `notFound` for an unknown resource. Evicts nothing by itself. */
  setLimits(request: SetLimitsRequest): Promise<void>
  /**
   * Back to the defaults, of these resources or of all; throws `badRequest` while children still hold a part of one.
   * `by`: a user's id, for the history.
   */
  resetLimits(projectId: string, options?: { resources?: readonly string[]; by?: string }): Promise<void>
  /** Idempotent: the project exists, under this parent (null: a root). Called by whoever creates projects. */
  ensureProject(tx: Tx, project: { projectId: string; parentId: string | null }): Promise<void>
  /** Idempotent: the project is gone, its quota is its parent's again. */
  forgetProject(tx: Tx, projectId: string): Promise<void>
  /**
   * Idempotent: services declare what they count, and what a root project may have of it by default. What is not
   * counted (a limit on one object, or on one user) is every project's by default, whatever those above it have.
   */
  ensureResource(resource: {
    name: string
    service: string
    defaultLimit: number
    unit?: string
    isCounted?: boolean
  }): Promise<void>
}
