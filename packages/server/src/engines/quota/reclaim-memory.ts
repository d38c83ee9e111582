/** What is remembered of containers that were reclaimed: rule L, its cool-down, and the hard stop on repeats. */

/**
 * Plain data, one record a lineage. A store keeps it as it is and hands it back with `QuotaState.histories`; without it
 * each request would start with nobody ever reclaimed, and two groups could evict each other for ever (vector H13).
 */
export interface ReclaimMemory {
  lineage: string
  /** How often it was reclaimed, since it was last forgotten. */
  reclaims: number
  /** Until then it claims by the owner's right only; −1: for good. */
  ownOnlyUntilMs: number
}

/** What the project of a reclaimed container says: its policy's `graceMs` and `reclaimsMax`. */
export interface ReclaimTerms {
  graceMs: number
  reclaimsMax: number
}

const FOR_GOOD = -1
/** Ten graces, but at least ten seconds, doubling with each time, twenty times at most. */
const COOL_DOWN_GRACES = 10
const COOL_DOWN_MIN_MS = 10_000
const DOUBLINGS_MAX = 20
/** So long after its cool-down a lineage that was not reclaimed again counts from zero. */
export const REMEMBERED_MS = 24 * 3_600_000

/**
 * What is remembered once a claim ends that had a notice, by itself or by force: write it in the transaction that
 * releases the claim.
 */
export const afterReclaim = (
  lineage: string,
  before: ReclaimMemory | undefined,
  { graceMs, reclaimsMax }: ReclaimTerms,
  nowMs: number,
): ReclaimMemory => {
  const reclaims = (before && !isForgettable(before, nowMs) ? before.reclaims : 0) + 1
  const coolDownMs =
    Math.max(COOL_DOWN_MIN_MS, COOL_DOWN_GRACES * graceMs) * 2 ** Math.min(DOUBLINGS_MAX, reclaims - 1)
  return { lineage, reclaims, ownOnlyUntilMs: reclaims >= reclaimsMax ? FOR_GOOD : nowMs + coolDownMs }
}

/** Rule L: may this lineage take back only what its project owns? Into free capacity it may always go. */
export const isOwnOnly = (memory: ReclaimMemory | undefined, nowMs: number): boolean =>
  memory !== undefined && (memory.ownOnlyUntilMs === FOR_GOOD || memory.ownOnlyUntilMs > nowMs)

/** May the record be deleted? One that is stopped for good stays until its lineage ends. */
export const isForgettable = ({ ownOnlyUntilMs }: ReclaimMemory, nowMs: number): boolean =>
  ownOnlyUntilMs !== FOR_GOOD && ownOnlyUntilMs + REMEMBERED_MS <= nowMs
