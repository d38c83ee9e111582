/** How often a lineage was taken back: what keeps two borrowers from evicting each other for ever. */
import { sql } from 'kysely'
import type { Executor } from '#platform/db/database.ts'
import { beginsWith } from './like.ts'
import type { QuotaTables } from './tables.ts'

export interface StoredReclaims {
  lineage: string
  reclaims: number
  /** −1: for good. */
  ownOnlyUntilMs: number
}

export async function reclaimedFetch(executor: Executor, lineage: string): Promise<StoredReclaims | undefined> {
  const row = await executor
    .as<QuotaTables>()
    .selectFrom('quota_reclaimed')
    .selectAll()
    .where('lineage', '=', lineage)
    .executeTakeFirst()
  return row && { lineage, reclaims: row.reclaims, ownOnlyUntilMs: row.own_only_until }
}

/** Of all lineages that begin so the one that is bound the longest. */
export async function reclaimedStrictest(executor: Executor, beginning: string): Promise<StoredReclaims | undefined> {
  const row = await executor
    .as<QuotaTables>()
    .selectFrom('quota_reclaimed')
    .selectAll()
    .where(beginsWith('lineage', beginning))
    .orderBy(sql`case when own_only_until < 0 then 0 else 1 end`)
    .orderBy('own_only_until', 'desc')
    .executeTakeFirst()
  return row && { lineage: row.lineage, reclaims: row.reclaims, ownOnlyUntilMs: row.own_only_until }
}

export async function reclaimedWrite(executor: Executor, memory: StoredReclaims): Promise<void> {
  const rest = { reclaims: memory.reclaims, own_only_until: memory.ownOnlyUntilMs }
  await executor
    .as<QuotaTables>()
    .insertInto('quota_reclaimed')
    .values({ lineage: memory.lineage, ...rest })
    .onConflict((conflict) => conflict.column('lineage').doUpdateSet(rest))
    .execute()
}

/** Those whose cool-down ended before this time; what is stopped for good stays. */
export async function reclaimedForget(executor: Executor, before: number): Promise<void> {
  await executor
    .as<QuotaTables>()
    .deleteFrom('quota_reclaimed')
    .where('own_only_until', '>=', 0)
    .where('own_only_until', '<', before)
    .execute()
}
