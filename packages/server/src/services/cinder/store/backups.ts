/** SQL over backups. */
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { tryMove } from '#platform/states/apply-move.ts'
import type { Backup, BackupStatus } from '../manager/model.ts'
import { backupMachine, type BackupEvent } from '../states/volume.ts'
import { partPattern } from './volumes.ts'
import type { BackupRow, CinderTables } from './tables.ts'

const toBackup = (row: BackupRow): Backup => ({
  id: row.id,
  volumeId: row.volume_id,
  snapshotId: row.snapshot_id || null,
  projectId: row.project_id,
  userId: row.user_id,
  name: row.name,
  description: row.description,
  container: row.container,
  sizeGiB: row.size,
  status: row.status as BackupStatus,
  task: row.task as Backup['task'],
  tries: row.tries,
  failReason: row.fail_reason,
  volume: fromJson(row.volume),
  metadata: fromJson(row.metadata),
  dataAt: row.data_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const toColumns = (backup: Partial<Backup>): Partial<BackupRow> => {
  const given = {
    name: backup.name,
    description: backup.description,
    status: backup.status,
    task: backup.task,
    tries: backup.tries ?? (backup.task === undefined ? undefined : 0),
    fail_reason: backup.failReason,
    metadata: backup.metadata && toJson(backup.metadata),
    updated_at: backup.updatedAt,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const db = (executor: Executor) => executor.as<CinderTables>()

export const backupInsert = async (tx: Tx, backup: Backup): Promise<void> => {
  const fixed = {
    id: backup.id,
    volume_id: backup.volumeId,
    snapshot_id: backup.snapshotId ?? '',
    project_id: backup.projectId,
    user_id: backup.userId,
    container: backup.container,
    size: backup.sizeGiB,
    volume: toJson(backup.volume),
    data_at: backup.dataAt,
    created_at: backup.createdAt,
  }
  await db(tx)
    .insertInto('cinder_backup')
    .values({ ...fixed, ...toColumns(backup) } as BackupRow)
    .execute()
}

export const backupRowFetch = async (executor: Executor, id: string): Promise<BackupRow | undefined> =>
  db(executor).selectFrom('cinder_backup').selectAll().where('id', '=', id).executeTakeFirst()

export const backupFetch = async (executor: Executor, id: string): Promise<Backup | undefined> => {
  const row = await backupRowFetch(executor, id)
  return row && toBackup(row)
}

export const backupUpdate = async (tx: Tx, id: string, fields: Partial<Backup>): Promise<void> => {
  await db(tx).updateTable('cinder_backup').set(toColumns(fields)).where('id', '=', id).execute()
}

/** Tells whether it moved. */
export const backupTryMove = async (
  tx: Tx,
  id: string,
  event: BackupEvent,
  fields: Partial<Backup> = {},
): Promise<boolean> => {
  const row = { table: 'cinder_backup', id, column: 'status' }
  return (await tryMove(tx, row, backupMachine, event, { ...toColumns(fields) })).moved
}

export const backupTried = async (tx: Tx, id: string): Promise<void> => {
  await db(tx)
    .updateTable('cinder_backup')
    .set((is) => ({ tries: is('tries', '+', 1) }))
    .where('id', '=', id)
    .execute()
}

export const backupDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_backup').where('id', '=', id).execute()
}

export interface BackupFilter {
  projectId?: string
  name?: string
  namePart?: string
  status?: string
  volumeId?: string
}

export const backupsList = async (
  executor: Executor,
  filter: BackupFilter,
  page: { sort: SortKey[]; after?: BackupRow; limit?: number; offset?: number },
): Promise<Backup[]> => {
  let query = db(executor).selectFrom('cinder_backup').selectAll()
  if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.namePart !== undefined) query = query.where('name', 'like', partPattern(filter.namePart))
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.volumeId !== undefined) query = query.where('volume_id', '=', filter.volumeId)
  const listed = paged(query, { sort: page.sort, after: page.after && { ...page.after }, limit: page.limit })
  const rows = await (page.offset ? listed.limit(page.limit ?? 1_000_000).offset(page.offset) : listed).execute()
  return rows.map(toBackup)
}

/** Backups to be taken away. */
export const backupsWithTask = async (executor: Executor, limit: number): Promise<Backup[]> => {
  const query = db(executor).selectFrom('cinder_backup').selectAll().where('task', 'is not', null)
  return (await query.orderBy('tries').orderBy('updated_at').orderBy('id').limit(limit).execute()).map(toBackup)
}

export const backupIdsAfter = async (executor: Executor, after: string, limit: number): Promise<string[]> => {
  const query = db(executor).selectFrom('cinder_backup').select('id').where('id', '>', after).orderBy('id')
  return (await query.limit(limit).execute()).map(({ id }) => id)
}
