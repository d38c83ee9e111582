/** Projects that hang below another parent, or become or cease to be a root. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import type { QuotaTables } from './tables.ts'
import { waitingMove } from './waiting.ts'

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

/** Where a project hangs from now on. Its tree's numbers are the caller's to derive anew. */
export async function projectPlace(
  tx: Tx,
  { id, parentId, rootId, path }: PlacedProject & { rootId: string; path: readonly string[] },
): Promise<void> {
  await tx
    .as<QuotaTables>()
    .updateTable('quota_project')
    .set({ parent_id: parentId, root_id: rootId, path: toJson(path) })
    .where('id', '=', id)
    .execute()
  await waitingMove(tx, id, rootId)
}

/** Running numbers of a tree that is no more. */
export async function cellsForget(tx: Tx, rootId: string): Promise<void> {
  await tx.as<QuotaTables>().deleteFrom('quota_cell').where('root_id', '=', rootId).execute()
}
