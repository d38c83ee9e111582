/** Projects that hang below another parent, or become or cease to be a root. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { QuotaTables } from './tables.ts'

export interface PlacedProject {
  id: string
  parentId: string | null
}

export async function projectsPlaced(executor: Executor): Promise<PlacedProject[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_project')
    .select(['id', 'parent_id'])
    .orderBy('id')
    .execute()
  return rows.map((row) => ({ id: row.id, parentId: row.parent_id }))
}

/** `branch`: the project and everything below it. Paths and numbers are the caller's to derive anew. */
export async function projectRehang(
  tx: Tx,
  { id, parentId, rootId, branch }: PlacedProject & { rootId: string; branch: readonly string[] },
): Promise<void> {
  const db = tx.as<QuotaTables>()
  await db.updateTable('quota_project').set({ parent_id: parentId }).where('id', '=', id).execute()
  await db
    .updateTable('quota_project')
    .set({ root_id: rootId })
    .where('id', 'in', [...branch])
    .execute()
}

/** Running numbers of a tree that is no more. */
export async function cellsForget(tx: Tx, rootId: string): Promise<void> {
  await tx.as<QuotaTables>().deleteFrom('quota_cell').where('root_id', '=', rootId).execute()
}
