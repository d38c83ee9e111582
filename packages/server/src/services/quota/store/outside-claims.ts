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
  projectIds?: readonly string[] | undefined
  state?: StoredClaim['state'] | 'recalled' | 'waiting' | undefined
  /** Subjects after this one. */
  after: string
  limit: number
}

/** In the order of their subjects, which is the database's own: one page begins where the one before ended. */
export async function outsidePage(
  executor: Executor,
  filter: OutsideFilter,
): Promise<(StoredClaim | StoredWaiting)[]> {
  const subjects = await subjectsOf(executor, filter)
  if (subjects.length === 0) return []
  const db = executor.as<QuotaTables>()
  const claims = await db.selectFrom('quota_claim').selectAll().where('subject', 'in', subjects).execute()
  const asks = await db.selectFrom('quota_waiting').selectAll().where('subject', 'in', subjects).execute()
  const found = [...asks.map(toWaiting), ...claims.map(toClaim)].map((one) => [one.subject, one] as const)
  const bySubject = new Map<string, StoredClaim | StoredWaiting>(found)
  return subjects.flatMap((subject) => bySubject.get(subject) ?? [])
}

async function subjectsOf(executor: Executor, filter: OutsideFilter): Promise<string[]> {
  const { state, limit } = filter
  const asks = ofTable(executor, 'quota_waiting', filter)
  const claims = ofClaims(executor, filter)
  const all = state === 'waiting' ? asks : state ? claims : claims.unionAll(asks)
  return (await all.orderBy('subject').limit(limit).execute()).map(({ subject }) => subject)
}

function ofClaims(executor: Executor, filter: OutsideFilter) {
  const { state } = filter,
    claims = ofTable(executor, 'quota_claim', filter)
  if (state === undefined || state === 'waiting') return claims
  if (state === 'recalled') return claims.where('ticket', 'is not', null)
  const standing = claims.where('state', '=', state).where('ticket', 'is', null)
  // Only what is reserved expires: there is an index of those, which are few among what runs.
  return state === 'reserved' ? standing.where('expires_at', 'is not', null) : standing
}

function ofTable(
  executor: Executor,
  name: 'quota_claim' | 'quota_waiting',
  { prefix, projectIds, after }: OutsideFilter,
) {
  const query = executor
    .as<QuotaTables>()
    .selectFrom(name as 'quota_claim')
    .select('subject')
    .where(beginsWith('subject', prefix))
    .where('subject', '>', after)
  return projectIds ? query.where('project_id', 'in', [...projectIds]) : query
}
