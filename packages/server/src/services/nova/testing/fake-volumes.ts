/** Volumes of workloads in memory: they move when a test says so. */
import type { WorkloadVolume, WorkloadVolumeAsk, WorkloadVolumes } from '#services/workloads/facade.ts'

type Key = Pick<WorkloadVolumeAsk, 'workloadId' | 'volumeId'>

export class FakeWorkloadVolumes implements WorkloadVolumes {
  rows: WorkloadVolume[] = []
  /** What `buildFail` was told. */
  readonly failedBuilds = new Map<string, string>()

  async ensure(_tx: unknown, ask: WorkloadVolumeAsk): Promise<void> {
    if (!this.find(ask)) this.rows.push({ ...ask, state: 'waiting', mountPath: null, fault: null })
  }
  async ready(_tx: unknown, key: Key): Promise<void> {
    if (this.find(key)?.state === 'waiting') this.set(key, { state: 'attaching' })
  }
  async drop(_tx: unknown, key: Key): Promise<void> {
    const row = this.find(key)
    if (row?.state === 'waiting') this.forget(key)
    else if (row) this.set(key, { state: 'detaching', fault: null })
  }
  async of(_executor: unknown, ids: readonly string[]): Promise<Map<string, WorkloadVolume[]>> {
    return Map.groupBy(this.rows.filter(({ workloadId }) => ids.includes(workloadId)), ({ workloadId }) => workloadId)
  }
  async buildFail(_tx: unknown, workloadId: string, message: string): Promise<void> {
    this.failedBuilds.set(workloadId, message)
  }

  find = ({ workloadId, volumeId }: Key): WorkloadVolume | undefined =>
    this.rows.find((row) => row.workloadId === workloadId && row.volumeId === volumeId)

  set(key: Key, change: Partial<WorkloadVolume>): void {
    Object.assign(this.find(key)!, change)
  }
  forget(key: Key): void {
    this.rows = this.rows.filter((row) => row !== this.find(key))
  }
  /** The hosts do what there is to do. */
  settle(): void {
    this.rows = this.rows.filter(({ state }) => state !== 'detaching')
    for (const row of this.rows.filter(({ state }) => state === 'attaching'))
      this.set(row, { state: 'attached', mountPath: row.device.replace('/dev', '/mnt/volumes') })
  }
}
