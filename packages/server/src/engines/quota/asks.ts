/** What the engine is asked, what it answers, and what it tells afterwards. */
import type { Reclaimable } from './claims.ts'
import type { QuotaRefusal } from './refusals.ts'
import type { Right } from './rights.ts'
import type { VictimOrder } from './victim-order.ts'

export interface Ask {
  /** Asking again with the same id gives the first answer. */
  id: string
  project: string
  amounts: Readonly<Record<string, number>>
  /** `refuse` (default): answer now. `reclaim`: take back what one has a right to. */
  whenFull?: 'refuse' | 'reclaim'
  /** Default `never`. */
  reclaimable?: Reclaimable
  /** Default 0; higher is kept longer among a project's own. */
  priority?: number
  /** The same for a container and for what returns after it was evicted. Default: the id. */
  lineage?: string
  /** Default: the project's policy. */
  graceMs?: number
  /** An uncommitted reservation, or an unserved ticket, ends after this. Default: never. */
  ttlMs?: number
}

export interface Notice {
  claim: string
  project: string
  deadlineMs: number
  right: Right
  /** By which its project's containers were put in order; it was the first of those that help. */
  order: VictimOrder
}

export type Outcome =
  | { state: 'reserved' | 'committed'; claim: string }
  /** The claim follows as a `granted` event; until then ask again with the same id to see. */
  | { state: 'reclaiming'; claim: string; notices: Notice[]; dueMs: number }
  /** First in line for what comes back by itself: nobody has notice, so nobody knows when. */
  | { state: 'waiting'; claim: string }
  | { state: 'refused'; refusal: QuotaRefusal }

export type QuotaEvent =
  | { type: 'granted'; claim: string; project: string }
  | { type: 'notice'; claim: string; project: string; forClaim: string; deadlineMs: number; right: Right }
  | { type: 'noticeCancelled'; claim: string; project: string }
  | { type: 'expired'; claim: string; project: string }
  /** The claim's time is up: stop its container by force, then `release` it. */
  | { type: 'due'; claim: string; project: string }
