/** Rows of workloads' volumes. */
import { flag, integer, optionalJson, optionalText, text, time } from '#platform/db/columns.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson, toJson } from '#platform/db/json.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import type { WorkloadState, WorkloadVolume, WorkloadVolumeAsk, WorkloadVolumeState } from '../facade.ts'
import type { WorkloadTables } from './tables.ts'

export interface WorkloadVolumeRow {
  workload_id: string
  volume_id: string
  device: string
  raw: number
  read_only: number
  state: string
  mount_path: string | null
  fault: string | null
  place: number
  updated_at: number
}

export const volumesMigration = defineMigration({
  id: '0003-volumes',
  up: async ({ schema }) => {
    await schema
      .createTable('workload_volume')
      .addColumn('workload_id', ...text)
      .addColumn('volume_id', ...text)
      .addColumn('device', ...text)
      .addColumn('raw', ...flag)
      .addColumn('read_only', ...flag)
      .addColumn('state', ...text)
      .addColumn('mount_path', ...optionalText)
      .addColumn('fault', ...optionalJson)
      .addColumn('place', ...integer)
      .addColumn('updated_at', ...time)
      .addPrimaryKeyConstraint('workload_volume_key', ['workload_id', 'volume_id'])
      .execute()
    await schema.createIndex('workload_volume_state').on('workload_volume').columns(['state']).execute()
  },
})

type Tables = WorkloadTables & { workload_volume: WorkloadVolumeRow }
type Key = Pick<WorkloadVolumeAsk, 'workloadId' | 'volumeId'>

const toVolume = (row: WorkloadVolumeRow): WorkloadVolume => ({
  workloadId: row.workload_id,
  volumeId: row.volume_id,
  device: row.device,
  use: fromFlag(row.raw) ? 'device' : 'auto',
  readOnly: fromFlag(row.read_only),
  state: row.state as WorkloadVolumeState,
  mountPath: row.mount_path,
  fault: fromJson<NonNullable<WorkloadVolume['fault']>>(row.fault) ?? null,
})

export async function volumeInsert(tx: Tx, ask: WorkloadVolumeAsk, at: number): Promise<void> {
  await tx
    .as<Tables>()
    .insertInto('workload_volume')
    .values({
      workload_id: ask.workloadId,
      volume_id: ask.volumeId,
      device: ask.device,
      raw: ask.use === 'device' ? 1 : 0,
      read_only: ask.readOnly ? 1 : 0,
      state: 'waiting' satisfies WorkloadVolumeState,
      mount_path: null,
      fault: null,
      place: at,
      updated_at: at,
    })
    .onConflict((conflict) => conflict.columns(['workload_id', 'volume_id']).doNothing())
    .execute()
}

export async function volumesOf(executor: Executor, ids: readonly string[]): Promise<WorkloadVolume[]> {
  if (ids.length === 0) return []
  const rows = await executor
    .as<Tables>()
    .selectFrom('workload_volume')
    .selectAll()
    .where('workload_id', 'in', [...ids])
    .orderBy('place')
    .orderBy('device')
    .execute()
  return rows.map(toVolume)
}

export interface VolumeMove {
  from: readonly WorkloadVolumeState[]
  to: WorkloadVolumeState
  mountPath?: string | null
  fault?: WorkloadVolume['fault']
  at: number
}

/** False when it was in another state by then. */
export async function volumeMove(executor: Executor, key: Key, move: VolumeMove): Promise<boolean> {
  const { numUpdatedRows } = await executor
    .as<Tables>()
    .updateTable('workload_volume')
    .set({
      state: move.to,
      updated_at: move.at,
      ...(move.mountPath !== undefined && { mount_path: move.mountPath }),
      ...(move.fault !== undefined && { fault: move.fault && toJson(move.fault) }),
    })
    .where('workload_id', '=', key.workloadId)
    .where('volume_id', '=', key.volumeId)
    .where('state', 'in', [...move.from])
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

export async function volumeDelete(tx: Tx, key: Key): Promise<void> {
  await tx
    .as<Tables>()
    .deleteFrom('workload_volume')
    .where('workload_id', '=', key.workloadId)
    .where('volume_id', '=', key.volumeId)
    .execute()
}

export async function volumesForget(tx: Tx, workloadId: string): Promise<void> {
  await tx.as<Tables>().deleteFrom('workload_volume').where('workload_id', '=', workloadId).execute()
}

/** The workload lost its host, so its volumes wait for the next one. */
export async function volumesWait(executor: Executor, workloadId: string, at: number): Promise<void> {
  await executor
    .as<Tables>()
    .updateTable('workload_volume')
    .set({ state: 'waiting', mount_path: null, updated_at: at })
    .where('workload_id', '=', workloadId)
    .where('state', 'in', ['attaching', 'attached', 'failed'])
    .execute()
}

/** States in which nobody else is at work on the container for long. */
const settled: readonly WorkloadState[] = ['running', 'stopped', 'paused', 'suspended', 'error']

/** What hosts have to do: plug in what is ready, take out what is to go. */
export async function volumesToMove(executor: Executor, limit: number): Promise<WorkloadVolume[]> {
  const rows = await executor
    .as<Tables>()
    .selectFrom('workload_volume')
    .innerJoin('workload', 'workload.id', 'workload_volume.workload_id')
    .selectAll('workload_volume')
    .where('workload_volume.state', 'in', ['attaching', 'detaching'])
    .where('workload.state', 'in', [...settled, 'scheduling'])
    .where('workload.todo', '=', 0)
    .orderBy('workload_volume.updated_at')
    .orderBy('workload_volume.volume_id')
    .limit(limit)
    .execute()
  return rows.map(toVolume)
}
