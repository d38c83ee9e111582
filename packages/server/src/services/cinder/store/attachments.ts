/** SQL over attachments; one that has ended has no row. */
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import { tryMove } from '#platform/states/apply-move.ts'
import type { Attachment } from '../manager/model.ts'
import { attachmentMachine, type AttachmentEvent } from '../states/volume.ts'
import type { AttachmentRow, CinderTables } from './tables.ts'

const toAttachment = (row: AttachmentRow): Attachment => ({
  id: row.id,
  volumeId: row.volume_id,
  projectId: row.project_id,
  serverId: row.server_id,
  status: row.status as Attachment['status'],
  hostName: row.host,
  device: row.device,
  mode: row.mode as Attachment['mode'],
  connector: fromJson(row.connector) ?? null,
  byCompute: fromFlag(row.by_compute),
  attachedAt: row.attached_at,
  detachedAt: null,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const toColumns = (attachment: Partial<Attachment>): Partial<AttachmentRow> => {
  const given = {
    project_id: attachment.projectId,
    status: attachment.status,
    host: attachment.hostName,
    device: attachment.device,
    mode: attachment.mode,
    connector: attachment.connector && toJson(attachment.connector),
    by_compute: attachment.byCompute === undefined ? undefined : toFlag(attachment.byCompute),
    attached_at: attachment.attachedAt,
    created_at: attachment.createdAt,
    updated_at: attachment.updatedAt,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const db = (executor: Executor) => executor.as<CinderTables>()

export const attachmentInsert = async (tx: Tx, attachment: Attachment): Promise<void> => {
  const { id, volumeId, serverId } = attachment
  const row = { id, volume_id: volumeId, server_id: serverId, connector: null, ...toColumns(attachment) }
  await db(tx)
    .insertInto('cinder_attachment')
    .values(row as AttachmentRow)
    .execute()
}

export const attachmentFetch = async (executor: Executor, id: string): Promise<Attachment | undefined> => {
  const row = await db(executor).selectFrom('cinder_attachment').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toAttachment(row)
}

export const attachmentsOfServer = async (executor: Executor, serverId: string): Promise<Attachment[]> => {
  const query = db(executor).selectFrom('cinder_attachment').selectAll().where('server_id', '=', serverId)
  return (await query.orderBy('created_at').orderBy('id').execute()).map(toAttachment)
}

/** By volume, each in the order in which they were made. */
export const attachmentsOfVolumes = async (
  executor: Executor,
  volumeIds: readonly string[],
): Promise<Map<string, Attachment[]>> => {
  if (volumeIds.length === 0) return new Map()
  const query = db(executor)
    .selectFrom('cinder_attachment')
    .selectAll()
    .where('volume_id', 'in', [...volumeIds])
  const rows = await query.orderBy('created_at').orderBy('id').execute()
  return Map.groupBy(rows.map(toAttachment), ({ volumeId }) => volumeId)
}

export const attachmentsOfVolume = async (executor: Executor, volumeId: string): Promise<Attachment[]> =>
  (await attachmentsOfVolumes(executor, [volumeId])).get(volumeId) ?? []

export const attachmentTryMove = async (
  tx: Tx,
  id: string,
  event: AttachmentEvent,
  fields: Partial<Attachment> = {},
): Promise<boolean> => {
  const row = { table: 'cinder_attachment', id, column: 'status' }
  return (await tryMove(tx, row, attachmentMachine, event, { ...toColumns(fields) })).moved
}

export const attachmentDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_attachment').where('id', '=', id).execute()
}

export interface AttachmentFilter {
  projectId?: string
  volumeId?: string
  serverId?: string
  status?: string
}

export const attachmentsList = async (
  executor: Executor,
  filter: AttachmentFilter,
  page: { sort: SortKey[]; after?: Attachment; limit?: number; offset?: number },
): Promise<Attachment[]> => {
  let query = db(executor).selectFrom('cinder_attachment').selectAll()
  if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId)
  if (filter.volumeId !== undefined) query = query.where('volume_id', '=', filter.volumeId)
  if (filter.serverId !== undefined) query = query.where('server_id', '=', filter.serverId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  const after = page.after && { id: page.after.id, created_at: page.after.createdAt }
  const listed = paged(query, { sort: page.sort, after, limit: page.limit })
  const rows = await (page.offset ? listed.limit(page.limit ?? 1_000_000).offset(page.offset) : listed).execute()
  return rows.map(toAttachment)
}
