/** Volumes of workloads, as Nova and the other façades ask for them: plugged into containers, and taken out. */
import type { Executor, Tx } from '#platform/db/database.ts'

/**
 * `waiting`: its bytes are not on the workload's host yet; a container that is to be built waits for them.
 * `attaching` and `detaching`: the host is at it. `failed`: it could not be plugged in; `fault` says why, and `drop` ends
 * it. A volume that its container uses goes from `detaching` back to `attached` with the fault.
 */
export type WorkloadVolumeState = 'waiting' | 'attaching' | 'attached' | 'detaching' | 'failed'

export interface WorkloadVolumeAsk {
  workloadId: string
  volumeId: string
  /** Such as `/dev/vdb`. */
  device: string
  /** `auto`: mounted where it can be; `device`: as a raw device. */
  use: 'auto' | 'device'
  readOnly: boolean
}

export interface WorkloadVolume extends WorkloadVolumeAsk {
  state: WorkloadVolumeState
  /** Where the container sees its files; null: it is a raw device there, or not plugged in yet. */
  mountPath: string | null
  fault: { message: string; at: number } | null
}

/** Each change publishes `workloads.changed` (payload `{ id }` of the workload: look again). */
export interface WorkloadVolumes {
  /** Makes it known, `waiting`. Idempotent. */
  ensure(tx: Tx, volume: WorkloadVolumeAsk): Promise<void>
  /** Its bytes are on the workload's host: it may be plugged in. Does nothing unless it is `waiting`. */
  ready(tx: Tx, volume: Pick<WorkloadVolumeAsk, 'workloadId' | 'volumeId'>): Promise<void>
  /** It is to be taken out; it is gone from `of` once it is. Idempotent. */
  drop(tx: Tx, volume: Pick<WorkloadVolumeAsk, 'workloadId' | 'volumeId'>): Promise<void>
  of(executor: Executor, workloadIds: readonly string[]): Promise<Map<string, WorkloadVolume[]>>
  /** A workload that waits for a volume which will never be there fails with this sentence. */
  buildFail(tx: Tx, workloadId: string, message: string): Promise<void>
}
