/** SQL over the volumes of servers: what each is to hold, and how far that has come. */
import { flag, id, integer, optionalInteger, optionalJson, optionalText, text, time } from '#platform/db/columns.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson, toJson } from '#platform/db/json.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import type { PreparedVolume } from '#services/cinder/facade.ts'
import type { ServerVolume, ServerVolumeState } from '../manager/model.ts'

export interface ServerVolumeRow {
  id: string
  server_id: string
  volume_id: string
  attachment_id: string
  device: string
  tag: string | null
  delete_on_termination: number
  state: string
  /** The volume to be made, as JSON of `PreparedVolume`; null: it was there. */
  prepared: string | null
  raw: number
  read_only: number
  action_id: number | null
  fault: string | null
  place: number
  created_at: number
}

interface Tables {
  nova_volume: ServerVolumeRow
  nova_server: { id: string; deleted: number }
}

export const volumesMigration = defineMigration({
  id: '0008-volumes',
  up: async ({ schema }) => {
    await schema
      .createTable('nova_volume')
      .addColumn('id', ...id)
      .addColumn('server_id', ...text)
      .addColumn('volume_id', ...text)
      .addColumn('attachment_id', ...text)
      .addColumn('device', ...text)
      .addColumn('tag', ...optionalText)
      .addColumn('delete_on_termination', ...flag)
      .addColumn('state', ...text)
      .addColumn('prepared', ...optionalJson)
      .addColumn('raw', ...flag)
      .addColumn('read_only', ...flag)
      .addColumn('action_id', ...optionalInteger)
      .addColumn('fault', ...optionalText)
      .addColumn('place', ...integer)
      .addColumn('created_at', ...time)
      .addUniqueConstraint('nova_volume_once', ['server_id', 'volume_id'])
      .addUniqueConstraint('nova_volume_device', ['server_id', 'device'])
      .execute()
    await schema.createIndex('nova_volume_state').on('nova_volume').columns(['state']).execute()
  },
})

const toVolume = (row: ServerVolumeRow): ServerVolume => ({
  id: row.id,
  serverId: row.server_id,
  volumeId: row.volume_id,
  attachmentId: row.attachment_id,
  device: row.device,
  tag: row.tag,
  deleteOnTermination: fromFlag(row.delete_on_termination),
  state: row.state as ServerVolumeState,
  prepared: fromJson<PreparedVolume>(row.prepared) ?? null,
  use: fromFlag(row.raw) ? 'device' : 'auto',
  readOnly: fromFlag(row.read_only),
  actionId: row.action_id,
  fault: row.fault,
  place: row.place,
  createdAt: row.created_at,
})

const toRow = (volume: ServerVolume): ServerVolumeRow => ({
  id: volume.id,
  server_id: volume.serverId,
  volume_id: volume.volumeId,
  attachment_id: volume.attachmentId,
  device: volume.device,
  tag: volume.tag,
  delete_on_termination: volume.deleteOnTermination ? 1 : 0,
  state: volume.state,
  prepared: volume.prepared && toJson(volume.prepared),
  raw: volume.use === 'device' ? 1 : 0,
  read_only: volume.readOnly ? 1 : 0,
  action_id: volume.actionId,
  fault: volume.fault,
  place: volume.place,
  created_at: volume.createdAt,
})

export const serverVolumeInsert = async (tx: Tx, volume: ServerVolume): Promise<void> => {
  await tx.as<Tables>().insertInto('nova_volume').values(toRow(volume)).execute()
}

/** By server, in the order in which they were asked for. */
export const serverVolumesOf = async (executor: Executor, serverIds: readonly string[]): Promise<ServerVolume[]> => {
  if (serverIds.length === 0) return []
  const rows = await executor.as<Tables>().selectFrom('nova_volume').selectAll()
    .where('server_id', 'in', [...serverIds]).orderBy('place').orderBy('device').execute()
  return rows.map(toVolume)
}

export const serverVolumeFetch = async (
  executor: Executor, serverId: string, volumeId: string,
): Promise<ServerVolume | undefined> => {
  const row = await executor.as<Tables>().selectFrom('nova_volume').selectAll()
    .where('server_id', '=', serverId).where('volume_id', '=', volumeId).executeTakeFirst()
  return row && toVolume(row)
}

type Change = Partial<Pick<ServerVolume, 'state' | 'deleteOnTermination' | 'actionId' | 'fault'>>

export const serverVolumeUpdate = async (tx: Tx, volumeRowId: string, change: Change): Promise<void> => {
  const { state, deleteOnTermination, actionId, fault } = change
  await tx.as<Tables>().updateTable('nova_volume').set({
    ...(state !== undefined && { state }),
    ...(deleteOnTermination !== undefined && { delete_on_termination: deleteOnTermination ? 1 : 0 }),
    ...(actionId !== undefined && { action_id: actionId }),
    ...(fault !== undefined && { fault }),
  }).where('id', '=', volumeRowId).execute()
}

export const serverVolumeDelete = async (tx: Tx, volumeRowId: string): Promise<void> => {
  await tx.as<Tables>().deleteFrom('nova_volume').where('id', '=', volumeRowId).execute()
}

/** Those on their way, and those whose server is gone. */
export const serverVolumesUnsettled = async (
  executor: Executor, limit: number,
): Promise<{ volume: ServerVolume; serverGone: boolean }[]> => {
  const rows = await executor.as<Tables>().selectFrom('nova_volume')
    .leftJoin('nova_server', 'nova_server.id', 'nova_volume.server_id')
    .selectAll('nova_volume').select('nova_server.deleted')
    .where((is) => is.or([
      is('nova_volume.state', '!=', 'attached' satisfies ServerVolumeState),
      is('nova_server.deleted', '=', 1), is('nova_server.deleted', 'is', null),
    ]))
    .orderBy('nova_volume.created_at').orderBy('nova_volume.id').limit(limit).execute()
  return rows.map(({ deleted, ...row }) => ({ volume: toVolume(row), serverGone: deleted !== 0 }))
}
