/** SQL over volumes. */
import type { SelectQueryBuilder } from 'kysely'
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import { applyMove, tryMove } from '#platform/states/apply-move.ts'
import type { VolumeStatus } from '../facade.ts'
import { timeOperators, type TimeOperator, type TimeRange, type Volume, type VolumeTask } from '../manager/model.ts'
import { volumeMachine, type VolumeEvent } from '../states/volume.ts'
import type { CinderTables, VolumeRow } from './tables.ts'

const toVolume = (row: VolumeRow): Volume => ({
  id: row.id,
  projectId: row.project_id,
  userId: row.user_id,
  name: row.name,
  description: row.description,
  sizeGiB: row.size,
  status: row.status as VolumeStatus,
  task: row.task === null ? null : ({ do: row.task, ...fromJson<object>(row.task_args) } as VolumeTask),
  tries: row.tries,
  previousStatus: row.previous_status as VolumeStatus,
  typeId: row.type_id,
  hostName: row.host || null,
  zone: row.zone,
  bootable: fromFlag(row.bootable),
  multiattach: fromFlag(row.multiattach),
  readOnly: row.read_only === null ? null : fromFlag(row.read_only),
  snapshotId: row.snapshot_id || null,
  sourceId: row.source_id || null,
  imageId: row.image_id || null,
  metadata: fromJson(row.metadata),
  imageMetadata: fromJson(row.image_metadata) ?? null,
  charges: fromJson(row.charges),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const taskColumns = (task: VolumeTask | null): Pick<VolumeRow, 'task' | 'task_args'> => {
  if (task === null) return { task: null, task_args: '{}' }
  const { do: name, ...args } = task
  return { task: name, task_args: toJson(args) }
}

/** Columns of the fields that are given. */
const toColumns = (volume: Partial<Volume>): Partial<VolumeRow> => {
  const given = {
    project_id: volume.projectId,
    user_id: volume.userId,
    name: volume.name,
    description: volume.description,
    size: volume.sizeGiB,
    status: volume.status,
    tries: volume.tries,
    previous_status: volume.previousStatus,
    type_id: volume.typeId,
    host: volume.hostName === null ? '' : volume.hostName,
    zone: volume.zone,
    bootable: volume.bootable === undefined ? undefined : toFlag(volume.bootable),
    multiattach: volume.multiattach === undefined ? undefined : toFlag(volume.multiattach),
    read_only: volume.readOnly == null ? volume.readOnly : toFlag(volume.readOnly),
    snapshot_id: volume.snapshotId === null ? '' : volume.snapshotId,
    source_id: volume.sourceId === null ? '' : volume.sourceId,
    image_id: volume.imageId === null ? '' : volume.imageId,
    metadata: volume.metadata && toJson(volume.metadata),
    image_metadata: volume.imageMetadata && toJson(volume.imageMetadata),
    charges: volume.charges && toJson(volume.charges),
    created_at: volume.createdAt,
    updated_at: volume.updatedAt,
  }
  const columns = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...columns, ...(volume.task !== undefined && { ...taskColumns(volume.task), tries: volume.tries ?? 0 }) }
}

const db = (executor: Executor) => executor.as<CinderTables>()

export const volumeInsert = async (tx: Tx, volume: Volume): Promise<void> => {
  const row = { id: volume.id, read_only: null, image_metadata: null, ...toColumns(volume) } as VolumeRow
  await db(tx).insertInto('cinder_volume').values(row).execute()
}

export const volumeFetch = async (executor: Executor, id: string): Promise<Volume | undefined> => {
  const row = await db(executor).selectFrom('cinder_volume').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toVolume(row)
}

export const volumesFetchMany = async (executor: Executor, ids: readonly string[]): Promise<Volume[]> => {
  if (ids.length === 0) return []
  return (
    await db(executor)
      .selectFrom('cinder_volume')
      .selectAll()
      .where('id', 'in', [...ids])
      .execute()
  ).map(toVolume)
}

/** Writes these fields whatever the status; a status goes through `volumeMove`, except an operator's own. */
export const volumeUpdate = async (tx: Tx, id: string, fields: Partial<Volume>): Promise<void> => {
  await db(tx).updateTable('cinder_volume').set(toColumns(fields)).where('id', '=', id).execute()
}

/** A volume was there, and no other work was to be done for it. */
export const volumeHost = async (tx: Tx, id: string, hostName: string): Promise<boolean> => {
  const query = db(tx)
    .updateTable('cinder_volume')
    .set({ host: hostName })
    .where('id', '=', id)
    .where('host', '=', '')
  return (await query.executeTakeFirst()).numUpdatedRows > 0n
}

const rowOf = (id: string) => ({ table: 'cinder_volume', id, column: 'status' })

/** Throws `conflict` with the state found when the volume's status does not take the event. */
export const volumeMove = async (
  tx: Tx,
  id: string,
  event: VolumeEvent,
  fields: Partial<Volume> = {},
): Promise<VolumeStatus> =>
  (await applyMove(tx, rowOf(id), volumeMachine, event, { ...toColumns(fields) })).state as VolumeStatus

/** Tells whether it moved. */
export const volumeTryMove = async (
  tx: Tx,
  id: string,
  event: VolumeEvent,
  fields: Partial<Volume> = {},
): Promise<boolean> => (await tryMove(tx, rowOf(id), volumeMachine, event, { ...toColumns(fields) })).moved

export const volumeDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_volume').where('id', '=', id).execute()
}

/** One more try of the task; the row is locked with it. */
export const volumeTried = async (tx: Tx, id: string): Promise<void> => {
  await db(tx)
    .updateTable('cinder_volume')
    .set((is) => ({ tries: is('tries', '+', 1) }))
    .where('id', '=', id)
    .execute()
}

/** What a client asked to see. Every field narrows. */
export interface VolumeFilter {
  projectId?: string
  equals: Partial<Record<VolumeColumn, (string | number)[]>>
  like: Partial<Record<VolumeColumn, string>>
  metadata: Record<string, string>
  imageMetadata: Record<string, string>
  attached?: boolean
  times: { column: 'created_at' | 'updated_at'; range: TimeRange }[]
}

export type VolumeColumn =
  | 'id'
  | 'name'
  | 'description'
  | 'status'
  | 'size'
  | 'type_id'
  | 'host'
  | 'zone'
  | 'user_id'
  | 'project_id'
  | 'bootable'
  | 'multiattach'
  | 'snapshot_id'
  | 'source_id'
  | 'updated_at'
  | 'created_at'

type Query<Output> = SelectQueryBuilder<CinderTables, 'cinder_volume', Output>

const within = <Output>(
  query: Query<Output>,
  column: 'created_at' | 'updated_at',
  range: TimeRange,
): Query<Output> => {
  let result = query
  for (const [operator, moment] of Object.entries(range))
    result = result.where(column, timeOperators[operator as TimeOperator], moment)
  return result
}

const matching = <Output>(query: Query<Output>, filter: VolumeFilter): Query<Output> => {
  let result = query
  if (filter.projectId !== undefined) result = result.where('project_id', '=', filter.projectId)
  for (const [column, values] of Object.entries(filter.equals))
    result =
      values.length > 0 ? result.where(column as 'name', 'in', values as string[]) : result.where('id', '=', '')
  for (const [column, part] of Object.entries(filter.like))
    result = result.where(column as 'name', 'like', partPattern(part))
  for (const { column, range } of filter.times) result = within(result, column, range)
  for (const [column, pairs] of [
    ['metadata', filter.metadata],
    ['image_metadata', filter.imageMetadata],
  ] as const) {
    for (const [key, value] of Object.entries(pairs)) result = result.where(column, 'like', pairPattern(key, value))
  }
  return result
}

/** A client's text finds itself and not what SQL would make of it, except that one character stands for another. */
export const partPattern = (part: string): string => `%${part.replace(/[%_\\]/g, '_')}%`

/** Narrows in SQL; `holds` decides. */
const pairPattern = (key: string, value: string): string =>
  partPattern(`${JSON.stringify(key)}:${JSON.stringify(value)}`)

const holds = (kept: Record<string, string> | null, wanted: Record<string, string>): boolean =>
  Object.entries(wanted).every(([key, value]) => kept?.[key] === value)

const isWanted =
  (filter: VolumeFilter) =>
  (volume: Volume): boolean =>
    holds(volume.metadata, filter.metadata) && holds(volume.imageMetadata, filter.imageMetadata)

export const volumesList = async (
  executor: Executor,
  filter: VolumeFilter,
  page: { sort: SortKey[]; after?: VolumeRow; limit?: number; offset?: number },
): Promise<Volume[]> => {
  const base = matching(db(executor).selectFrom('cinder_volume').selectAll(), filter)
  const query = paged(base, { sort: page.sort, after: page.after && { ...page.after }, limit: page.limit })
  const rows = await (page.offset ? query.limit(page.limit ?? 1_000_000).offset(page.offset) : query).execute()
  return rows.map(toVolume).filter(isWanted(filter))
}

export const volumeRowFetch = async (executor: Executor, id: string): Promise<VolumeRow | undefined> =>
  db(executor).selectFrom('cinder_volume').selectAll().where('id', '=', id).executeTakeFirst()

export const volumesSum = async (
  executor: Executor,
  filter: VolumeFilter,
): Promise<{ count: number; sizeGiB: number }> => {
  const row = await matching(
    db(executor)
      .selectFrom('cinder_volume')
      .select(({ fn }) => [fn.countAll<number>().as('count'), fn.sum<number>('size').as('size')]),
    filter,
  ).executeTakeFirstOrThrow()
  return { count: Number(row.count), sizeGiB: Number(row.size ?? 0) }
}

/** Volumes that hosts have work to do for, the oldest change first. */
export const volumesWithTask = async (executor: Executor, limit: number): Promise<Volume[]> => {
  const rows = await db(executor)
    .selectFrom('cinder_volume')
    .selectAll()
    .where('task', 'is not', null)
    .orderBy('tries')
    .orderBy('updated_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toVolume)
}

export const volumeIdsAfter = async (executor: Executor, after: string, limit: number): Promise<string[]> => {
  const query = db(executor).selectFrom('cinder_volume').select('id').where('id', '>', after).orderBy('id')
  return (await query.limit(limit).execute()).map(({ id }) => id)
}

export const volumesOfType = async (executor: Executor, typeId: string): Promise<number> => {
  const query = db(executor)
    .selectFrom('cinder_volume')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('type_id', '=', typeId)
  return Number((await query.executeTakeFirstOrThrow()).count)
}

const copyingFrom = async (executor: Executor, column: 'source_id' | 'snapshot_id'): Promise<Set<string>> => {
  const query = db(executor).selectFrom('cinder_volume').select(column).where('task', '=', 'create')
  return new Set((await query.where(column, '!=', '').execute()).map((row) => row[column]!))
}

/** Volumes that others are being copied from. */
export const volumesCloning = (executor: Executor): Promise<Set<string>> => copyingFrom(executor, 'source_id')

/** Snapshots that volumes are being made from. */
export const snapshotsBeingCopied = (executor: Executor): Promise<Set<string>> => copyingFrom(executor, 'snapshot_id')
