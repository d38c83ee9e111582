/** Claims by the rows that they are for, a stretch at a time. */
import type { Executor } from '#platform/db/database.ts'
import { claimFetch } from './claims.ts'
import { beginsWith } from './like.ts'
import type { StoredClaim } from './claims.ts'
import type { QuotaTables } from './tables.ts'

/** Subjects that begin with `prefix`, in the database's own order, after one of them. */
export async function subjectsAfter(
  executor: Executor,
  { prefix, after, limit }: { prefix: string; after: string; limit: number },
): Promise<string[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_claim')
    .select('subject')
    .where(beginsWith('subject', prefix))
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(limit)
    .execute()
  return rows.map(({ subject }) => subject)
}

/** Of one row: under its subject, and under those that begin with it and a colon. */
export async function claimsOfRow(executor: Executor, subject: string): Promise<StoredClaim[]> {
  const [first, behind] = await Promise.all([claimFetch(executor, subject), claimsBehind(executor, subject)])
  return first ? [first, ...behind] : behind
}

/** Of one row, but for the one that has its own name. */
export async function claimsBehind(executor: Executor, subject: string): Promise<StoredClaim[]> {
  const subjects = await subjectsAfter(executor, { prefix: `${subject}:`, after: '', limit: 1000 })
  const claims = await Promise.all(subjects.map((one) => claimFetch(executor, one)))
  return claims.filter((claim) => claim !== undefined)
}
