/** Quota's tables. Limits are −1 where there is none; times are milliseconds. */
import type { Generated } from 'kysely'

export interface ResourceRow {
  name: string
  service: string
  default_limit: number
  unit: string
  /** What its service or the operator's file says, and what a registered limit of Keystone says instead. */
  declared_limit: number | null
  registered_limit: number | null
  /** 0: a limit on one object or one user, of which nothing is counted in the tree. */
  counted: number
}

/** `path`: the project's leaf, then every node above it up to the root. */
export interface ProjectRow {
  id: string
  parent_id: string | null
  root_id: string
  path: string
  policy: string
}

/** What an operator has set. A project without a row has the defaults. `self` is how its own containers take part. */
export interface HoldingRow {
  project_id: string
  resource: string
  own: number
  pool: number
  lend: number
  borrow: number
  ceiling: number | null
  weight: number
  tier: number
  self: string | null
}

/**
 * The running numbers of one node, derived from holdings and claims. `subtree` and `ceiling` are kept where `watched`:
 * elsewhere the bounds imply the ceiling, and claims of the private part touch no ancestor.
 */
export interface CellRow {
  node: string
  resource: string
  root_id: string
  visible: number
  counted: number
  subtree: number
  private: number
  bound: number
  ceiling: number
  lendable: number
  borrow: number
  reserved: number
  watched: number
  /** 1 at the node where a project's own use is counted. */
  is_leaf: number
  /** 1 at a leaf with nothing watched on its path: what fits its private part fits. May be 0 too long, never 1. */
  sheltered: number
}

export interface ClaimRow {
  subject: string
  project_id: string
  amounts: string
  state: 'reserved' | 'committed'
  reclaimable: 'never' | 'yes' | 'preferred'
  priority: number
  started_at: number
  expires_at: number | null
  /** The project for which it was asked to end, and by when. */
  ticket: string | null
  deadline_at: number | null
  /** Names a container through its evictions and returns; null: the subject itself. */
  lineage: string | null
}

/** How often a lineage was taken back, and until when (−1: for good) it takes only what its project owns. */
export interface ReclaimedRow {
  lineage: string
  reclaims: number
  own_only_until: number
}

/** A request that waits for capacity. When it is granted it is a claim instead. */
export interface WaitingRow {
  subject: string
  project_id: string
  amounts: string
  reclaimable: 'never' | 'yes' | 'preferred'
  priority: number
  lineage: string | null
  since: number
  expires_at: number | null
  /** How long the reservation is kept once it is granted; −1: it has started then. */
  ttl_ms: number
  /** Of its project's tree. */
  root_id: string
  /** The project and the amounts: who stands in one line fits where the first of it fits, and nowhere else. */
  line: string
  /** 1: what is free is kept for it. */
  gathers: number
}

/** A project that takes back what it has a right to: how much in all. What it has got so far is its hold, a claim. */
export interface TicketRow {
  project_id: string
  amounts: string
  created_at: number
  expires_at: number
  /** The waiting request that it is for; null: the project's next. */
  subject: string | null
}

/** What a project uses beyond its limits; see `debts.ts`. */
export interface DebtRow {
  project_id: string
  resource: string
  since: number
  called: number | null
  called_at: number | null
}

/** What happened; see `history.ts`. `resources` is `,cores,ram,`. */
export interface HistoryRow {
  id: Generated<number>
  at: number
  kind: string
  project_id: string
  subject: string | null
  amounts: string
  resources: string
  actor: string | null
  times: number
  details: string | null
}

/** A limit of Keystone that this tree follows for one project. */
export interface UnifiedLimitRow {
  project_id: string
  resource: string
  limit_id: string
  value: number
}

/** A project that is gone, and the one at which what is left of it counts. */
export interface ForgottenRow {
  project_id: string
  heir_id: string
}

export interface QuotaTables {
  quota_forgotten: ForgottenRow
  quota_history: HistoryRow
  quota_unified_limit: UnifiedLimitRow
  quota_resource: ResourceRow
  quota_project: ProjectRow
  quota_holding: HoldingRow
  quota_cell: CellRow
  quota_claim: ClaimRow
  quota_ticket: TicketRow
  quota_debt: DebtRow
  quota_reclaimed: ReclaimedRow
  quota_waiting: WaitingRow
}
