/** How subjects stand: what they hold is reserved or committed, or they wait. */
import type { Executor } from '#platform/db/database.ts'
import type { Reservation } from '../facade.ts'
import type { QuotaTables } from './tables.ts'

/** Subjects that neither hold anything nor wait are absent. */
export async function standingOf(
  executor: Executor,
  subjects: readonly string[],
): Promise<Map<string, Reservation['state']>> {
  if (subjects.length === 0) return new Map()
  const quota = executor.as<QuotaTables>()
  const waiting = await quota.selectFrom('quota_waiting').select('subject').where('subject', 'in', subjects).execute()
  const claims = await quota
    .selectFrom('quota_claim')
    .select(['subject', 'state'])
    .where('subject', 'in', subjects)
    .execute()
  // The line first: who is granted between the two looks is seen as granted.
  return new Map([
    ...waiting.map(({ subject }) => [subject, 'waiting'] as const),
    ...claims.map(({ subject, state }) => [subject, state] as const),
  ])
}
