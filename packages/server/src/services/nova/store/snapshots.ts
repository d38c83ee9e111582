/** SQL over snapshots that were ordered and are not yet stored. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { NovaTables, SnapshotRow } from './tables.ts'

export const snapshotInsert = async (tx: Tx, snapshot: SnapshotRow): Promise<void> => {
  await tx.as<NovaTables>().insertInto('nova_snapshot').values(snapshot).execute()
}

export const snapshotsPending = async (executor: Executor, limit: number): Promise<SnapshotRow[]> =>
  executor.as<NovaTables>().selectFrom('nova_snapshot').selectAll().orderBy('created_at').limit(limit).execute()

export const snapshotTried = async (tx: Tx, imageId: string): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_snapshot').set((is) => ({ tries: is('tries', '+', 1) }))
    .where('image_id', '=', imageId).execute()
}

export const snapshotDelete = async (tx: Tx, imageId: string): Promise<void> => {
  await tx.as<NovaTables>().deleteFrom('nova_snapshot').where('image_id', '=', imageId).execute()
}
