/** SQL over transfers of volumes between projects. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, toFlag } from '#platform/db/json.ts'
import type { Transfer } from '../manager/model.ts'
import type { CinderTables, TransferRow } from './tables.ts'

const toTransfer = (row: TransferRow): Transfer => ({
  id: row.id,
  volumeId: row.volume_id,
  projectId: row.project_id,
  name: row.name,
  salt: row.salt,
  keyHash: row.key_hash,
  noSnapshots: fromFlag(row.no_snapshots),
  destinationProjectId: row.destination_project_id,
  accepted: fromFlag(row.accepted),
  createdAt: row.created_at,
})

const db = (executor: Executor) => executor.as<CinderTables>()

export const transferInsert = async (tx: Tx, transfer: Transfer): Promise<void> => {
  const row: TransferRow = {
    id: transfer.id,
    volume_id: transfer.volumeId,
    project_id: transfer.projectId,
    name: transfer.name,
    salt: transfer.salt,
    key_hash: transfer.keyHash,
    no_snapshots: toFlag(transfer.noSnapshots),
    destination_project_id: transfer.destinationProjectId,
    accepted: toFlag(transfer.accepted),
    created_at: transfer.createdAt,
  }
  await db(tx).insertInto('cinder_transfer').values(row).execute()
}

/** Undefined also for one that was accepted. */
export const transferFetch = async (executor: Executor, id: string): Promise<Transfer | undefined> => {
  const query = db(executor).selectFrom('cinder_transfer').selectAll().where('id', '=', id).where('accepted', '=', 0)
  const row = await query.executeTakeFirst()
  return row && toTransfer(row)
}

export const transfersList = async (executor: Executor, projectId: string | undefined): Promise<Transfer[]> => {
  let query = db(executor).selectFrom('cinder_transfer').selectAll().where('accepted', '=', 0)
  if (projectId !== undefined) query = query.where('project_id', '=', projectId)
  return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').execute()).map(toTransfer)
}

/** False when somebody was faster. */
export const transferAccepted = async (tx: Tx, id: string, projectId: string): Promise<boolean> => {
  const query = db(tx).updateTable('cinder_transfer').set({ accepted: 1, destination_project_id: projectId })
  return (await query.where('id', '=', id).where('accepted', '=', 0).executeTakeFirst()).numUpdatedRows > 0n
}

export const transferDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_transfer').where('id', '=', id).execute()
}

/** A volume that is gone has no history. */
export const transfersForget = async (tx: Tx, volumeId: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_transfer').where('volume_id', '=', volumeId).execute()
}
