/** SQL over snapshots of volumes. */
import type { SelectQueryBuilder } from 'kysely'
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { tryMove } from '#platform/states/apply-move.ts'
import type { Snapshot, SnapshotStatus } from '../manager/model.ts'
import { snapshotMachine, type SnapshotEvent } from '../states/volume.ts'
import { partPattern } from './volumes.ts'
import type { CinderTables, SnapshotRow } from './tables.ts'

const toSnapshot = (row: SnapshotRow): Snapshot => ({
  id: row.id,
  volumeId: row.volume_id,
  projectId: row.project_id,
  userId: row.user_id,
  name: row.name,
  description: row.description,
  sizeGiB: row.size,
  status: row.status as SnapshotStatus,
  task: row.task as Snapshot['task'],
  tries: row.tries,
  progress: row.progress,
  typeId: row.type_id,
  hostName: row.host || null,
  metadata: fromJson(row.metadata),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const toColumns = (snapshot: Partial<Snapshot>): Partial<SnapshotRow> => {
  const given = {
    project_id: snapshot.projectId,
    user_id: snapshot.userId,
    name: snapshot.name,
    description: snapshot.description,
    size: snapshot.sizeGiB,
    status: snapshot.status,
    task: snapshot.task,
    tries: snapshot.tries ?? (snapshot.task === undefined ? undefined : 0),
    progress: snapshot.progress,
    type_id: snapshot.typeId,
    host: snapshot.hostName === null ? '' : snapshot.hostName,
    metadata: snapshot.metadata && toJson(snapshot.metadata),
    created_at: snapshot.createdAt,
    updated_at: snapshot.updatedAt,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const db = (executor: Executor) => executor.as<CinderTables>()

export const snapshotInsert = async (tx: Tx, snapshot: Snapshot): Promise<void> => {
  const row = { id: snapshot.id, volume_id: snapshot.volumeId, ...toColumns(snapshot) } as SnapshotRow
  await db(tx).insertInto('cinder_snapshot').values(row).execute()
}

export const snapshotFetch = async (executor: Executor, id: string): Promise<Snapshot | undefined> => {
  const row = await db(executor).selectFrom('cinder_snapshot').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toSnapshot(row)
}

export const snapshotRowFetch = async (executor: Executor, id: string): Promise<SnapshotRow | undefined> =>
  db(executor).selectFrom('cinder_snapshot').selectAll().where('id', '=', id).executeTakeFirst()

/** The newest first. */
export const snapshotsOfVolume = async (executor: Executor, volumeId: string): Promise<Snapshot[]> => {
  const query = db(executor).selectFrom('cinder_snapshot').selectAll().where('volume_id', '=', volumeId)
  return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').execute()).map(toSnapshot)
}

export const snapshotUpdate = async (tx: Tx, id: string, fields: Partial<Snapshot>): Promise<void> => {
  await db(tx).updateTable('cinder_snapshot').set(toColumns(fields)).where('id', '=', id).execute()
}

const rowOf = (id: string) => ({ table: 'cinder_snapshot', id, column: 'status' })

export const snapshotTryMove = async (
  tx: Tx,
  id: string,
  event: SnapshotEvent,
  fields: Partial<Snapshot> = {},
): Promise<boolean> => (await tryMove(tx, rowOf(id), snapshotMachine, event, { ...toColumns(fields) })).moved

export const snapshotDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_snapshot').where('id', '=', id).execute()
}

export const snapshotTried = async (tx: Tx, id: string): Promise<void> => {
  await db(tx)
    .updateTable('cinder_snapshot')
    .set((is) => ({ tries: is('tries', '+', 1) }))
    .where('id', '=', id)
    .execute()
}

export type SnapshotColumn =
  'id' | 'name' | 'description' | 'status' | 'size' | 'volume_id' | 'project_id' | 'user_id' | 'type_id' | 'host'

export interface SnapshotFilter {
  projectId?: string
  equals: Partial<Record<SnapshotColumn, (string | number)[]>>
  like: Partial<Record<SnapshotColumn, string>>
  metadata: Record<string, string>
}

type Query<Output> = SelectQueryBuilder<CinderTables, 'cinder_snapshot', Output>

const matching = <Output>(query: Query<Output>, { projectId, equals, like }: SnapshotFilter): Query<Output> => {
  let result = query
  if (projectId !== undefined) result = result.where('project_id', '=', projectId)
  for (const [column, values] of Object.entries(equals))
    result =
      values.length > 0 ? result.where(column as 'name', 'in', values as string[]) : result.where('id', '=', '')
  for (const [column, part] of Object.entries(like))
    result = result.where(column as 'name', 'like', partPattern(part))
  return result
}

export const snapshotsList = async (
  executor: Executor,
  filter: SnapshotFilter,
  page: { sort: SortKey[]; after?: SnapshotRow; limit?: number; offset?: number },
): Promise<Snapshot[]> => {
  const base = matching(db(executor).selectFrom('cinder_snapshot').selectAll(), filter)
  const query = paged(base, { sort: page.sort, after: page.after && { ...page.after }, limit: page.limit })
  const rows = await (page.offset ? query.limit(page.limit ?? 1_000_000).offset(page.offset) : query).execute()
  const wanted = Object.entries(filter.metadata)
  return rows.map(toSnapshot).filter(({ metadata }) => wanted.every(([key, value]) => metadata[key] === value))
}

export const snapshotsCount = async (executor: Executor, filter: SnapshotFilter): Promise<number> => {
  const counting = db(executor)
    .selectFrom('cinder_snapshot')
    .select(({ fn }) => fn.countAll<number>().as('count'))
  return Number((await matching(counting, filter).executeTakeFirstOrThrow()).count)
}

/** Snapshots that hosts have work to do for. */
export const snapshotsWithTask = async (executor: Executor, limit: number): Promise<Snapshot[]> => {
  const query = db(executor).selectFrom('cinder_snapshot').selectAll().where('task', 'is not', null)
  return (await query.orderBy('tries').orderBy('updated_at').orderBy('id').limit(limit).execute()).map(toSnapshot)
}

export const snapshotIdsAfter = async (executor: Executor, after: string, limit: number): Promise<string[]> => {
  const query = db(executor).selectFrom('cinder_snapshot').select('id').where('id', '>', after).orderBy('id')
  return (await query.limit(limit).execute()).map(({ id }) => id)
}
