/** Claims and waiting requests of programs outside, found by the subjects that they share. */
import type { Executor } from '#platform/db/database.ts'
import type { StoredClaim } from './claims.ts'
import { toClaim } from './claims.ts'
import { beginsWith } from './like.ts'
import type { QuotaTables } from './tables.ts'
import { toWaiting } from './waiting.ts'
import type { StoredWaiting } from './waiting.ts'

export interface OutsideFilter {
  prefix: string
  /** Undefined: of all. */
  projectIds?: readonly string[]
  /** Subjects after this one. */
  after: string
  limit: number
}

/** In the order of their subjects. `recalled`: those that were asked to end, or those that were not. */
export async function outsideClaims(
  executor: Executor,
  {
    prefix,
    projectIds,
    after,
    limit,
    state,
    recalled,
  }: OutsideFilter & Pick<Partial<StoredClaim>, 'state'> & { recalled?: boolean },
): Promise<StoredClaim[]> {
  let query = executor
    .as<QuotaTables>()
    .selectFrom('quota_claim')
    .selectAll()
    .where(beginsWith('subject', prefix))
    .where('subject', '>', after)
  if (projectIds) query = query.where('project_id', 'in', [...projectIds])
  if (state) query = query.where('state', '=', state)
  // Only what is reserved expires: there is an index of those, which are few among what runs.
  if (state === 'reserved') query = query.where('expires_at', 'is not', null)
  if (recalled !== undefined) query = query.where('ticket', recalled ? 'is not' : 'is', null)
  return (await query.orderBy('subject').limit(limit).execute()).map(toClaim)
}

export async function outsideWaiting(
  executor: Executor,
  { prefix, projectIds, after, limit }: OutsideFilter,
): Promise<StoredWaiting[]> {
  let query = executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .selectAll()
    .where(beginsWith('subject', prefix))
    .where('subject', '>', after)
  if (projectIds) query = query.where('project_id', 'in', [...projectIds])
  return (await query.orderBy('subject').limit(limit).execute()).map(toWaiting)
}
