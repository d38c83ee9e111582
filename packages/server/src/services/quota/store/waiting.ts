/** Requests that wait for capacity, one row each, until they are granted, given up or out of time. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import type { QuotaTables, WaitingRow } from './tables.ts'

export interface StoredWaiting {
  subject: string
  projectId: string
  amounts: Record<string, number>
  reclaimable: 'never' | 'yes' | 'preferred'
  priority: number
  lineage: string | null
  since: number
  /** Null: it waits as long as it takes. */
  expiresAt: number | null
  /** How long the reservation is kept once it is granted. */
  ttlMs: number
}

const toWaiting = (row: WaitingRow): StoredWaiting => ({
  subject: row.subject,
  projectId: row.project_id,
  amounts: fromJson(row.amounts),
  reclaimable: row.reclaimable,
  priority: row.priority,
  lineage: row.lineage,
  since: row.since,
  expiresAt: row.expires_at,
  ttlMs: row.ttl_ms,
})

/** Asking again changes nothing. */
export async function waitingInsert(executor: Executor, asked: StoredWaiting): Promise<void> {
  await executor
    .as<QuotaTables>()
    .insertInto('quota_waiting')
    .values({
      subject: asked.subject,
      project_id: asked.projectId,
      amounts: toJson(asked.amounts),
      reclaimable: asked.reclaimable,
      priority: asked.priority,
      lineage: asked.lineage,
      since: asked.since,
      expires_at: asked.expiresAt,
      ttl_ms: asked.ttlMs,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function waitingFetch(executor: Executor, subject: string): Promise<StoredWaiting | undefined> {
  const row = await executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .selectAll()
    .where('subject', '=', subject)
    .executeTakeFirst()
  return row && toWaiting(row)
}

/** False when it waits no more: somebody else has granted it or given it up. */
export async function waitingDelete(executor: Executor, subject: string): Promise<boolean> {
  const { numDeletedRows } = await executor
    .as<QuotaTables>()
    .deleteFrom('quota_waiting')
    .where('subject', '=', subject)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** What a project asked for goes with it. */
export async function waitingForget(executor: Executor, projectId: string): Promise<void> {
  await executor.as<QuotaTables>().deleteFrom('quota_waiting').where('project_id', '=', projectId).execute()
}

const oldestOfRoot = (executor: Executor, rootId: string, limit: number) =>
  executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .innerJoin('quota_project', 'quota_project.id', 'quota_waiting.project_id')
    .selectAll('quota_waiting')
    .where('quota_project.root_id', '=', rootId)
    .orderBy('since')
    .orderBy('subject')
    .limit(limit)

/** The oldest first. */
export const waitingOfRoot = async (executor: Executor, rootId: string, limit: number): Promise<StoredWaiting[]> =>
  (await oldestOfRoot(executor, rootId, limit).execute()).map(toWaiting)

/** The same for a transaction that serves them: nobody else grants, gives up or gathers for them before it ends. */
export async function waitingTaken(tx: Tx, rootId: string, limit: number): Promise<StoredWaiting[]> {
  const oldest = oldestOfRoot(tx, rootId, limit)
  // SQLite has one writer at a time, and no word for it.
  if (tx.dialect !== 'postgresql') return (await oldest.execute()).map(toWaiting)
  const rows = await oldest.forUpdate('quota_waiting').execute()
  if (rows.length > 0) await written(tx, rows)
  return rows.map(toWaiting)
}

/** A lock alone is not seen by a transaction whose view is older: written anew, the rows make it begin again. */
async function written(tx: Tx, rows: readonly WaitingRow[]): Promise<void> {
  const subjects = rows.map(({ subject }) => subject)
  await tx
    .as<QuotaTables>()
    .updateTable('quota_waiting')
    .set((row) => ({ since: row.ref('since') }))
    .where('subject', 'in', subjects)
    .execute()
}

export async function isAnybodyWaiting(executor: Executor): Promise<boolean> {
  const row = await executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .select('subject')
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function rootsAwaited(executor: Executor, limit: number): Promise<string[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .innerJoin('quota_project', 'quota_project.id', 'quota_waiting.project_id')
    .select('quota_project.root_id')
    .distinct()
    .orderBy('quota_project.root_id')
    .limit(limit)
    .execute()
  return rows.map((row) => row.root_id)
}
