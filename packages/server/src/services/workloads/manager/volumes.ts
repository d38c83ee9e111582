/** Volumes of workloads: what is asked for them, and how they get into containers and out again. */
import type { Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { ContainerMount } from '../ports.ts'
import { volumesMountPoint, type VolumeStore } from '#services/cinder/facade.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { workloadFetch, workloadMove } from '../store/workloads.ts'
import { volumeDelete, volumeInsert, volumeMove, volumesOf } from '../store/volumes.ts'
import type { WorkloadVolume, WorkloadVolumes } from '../facade.ts'
import type { Parts } from './parts.ts'
import { topics } from './records.ts'

export function createVolumes(parts: Parts): WorkloadVolumes {
  const now = () => parts.clock.now()
  const tell = (tx: Tx, id: string, topic: string) => {
    tx.emit(topic, { id })
    tx.emit(topics.changed, { id })
  }
  return {
    async ensure(tx, volume) {
      await volumeInsert(tx, volume, now())
      tx.emit(topics.changed, { id: volume.workloadId })
    },
    async ready(tx, key) {
      if (!(await volumeMove(tx, key, { from: ['waiting'], to: 'attaching', fault: null, at: now() }))) return
      tell(tx, key.workloadId, topics.volumes)
      tx.emit(topics.work, { id: key.workloadId })
    },
    async drop(tx, key) {
      const at = now()
      // What never got to the host is gone at once.
      if (await volumeMove(tx, key, { from: ['waiting'], to: 'detaching', at })) await volumeDelete(tx, key)
      else await volumeMove(tx, key, { from: ['attaching', 'attached', 'failed'], to: 'detaching', fault: null, at })
      tell(tx, key.workloadId, topics.volumes)
    },
    async of(executor, ids) {
      return Map.groupBy(await volumesOf(executor, ids), ({ workloadId }) => workloadId)
    },
    buildFail: (tx, id, message) => buildFail(parts, tx, id, message),
  }
}

/** Only one that was never started is waiting for its volumes. */
async function buildFail(parts: Parts, tx: Tx, id: string, message: string): Promise<void> {
  const record = await workloadFetch(tx, id)
  if (record === undefined || record.launchedAt !== null) return
  if (record.state !== 'building' && record.state !== 'scheduling') return
  const at = parts.clock.now()
  const change = {
    fault: toJson({ code: 500, message, details: message, at }),
    step: null,
    pending: null,
    todo: 0,
    done_generation: record.generation,
    host_name: null,
    updated_at: at,
  }
  if (!(await workloadMove(tx, id, { event: 'failed', generation: record.generation, change }))) return
  await parts.placement.release(tx, id)
  tx.emit(topics.placing, {})
  tx.emit(topics.changed, { id })
}

/** What the container is made with, so that volumes can be given to it while it runs. */
export async function slotMount(host: Host, workloadId: string): Promise<ContainerMount[]> {
  const source = await host.volumes?.slot(workloadId)
  if (source === undefined) return []
  return [{ type: 'bind', source, target: volumesMountPoint, readOnly: true, propagation: 'rslave' }]
}

/** Before a start without a process (`pid` 0), so that its mounts are there; in its gate with one, for raw devices. */
export async function plugVolumes(parts: Parts, host: Host, workloadId: string, pid: number): Promise<void> {
  const volumes = (await volumesOf(parts.db, [workloadId])).filter(isPlugged)
  for (const volume of volumes) await volumeStoreOf(host).plug(plugOf(volume, pid))
}

const isPlugged = ({ state }: WorkloadVolume): boolean =>
  state === 'attaching' || state === 'attached' || state === 'detaching'

export const plugOf = ({ workloadId, volumeId, device, use, readOnly }: WorkloadVolume, pid: number) => ({
  workloadId,
  volumeId,
  device,
  use,
  readOnly,
  pid,
})

export function volumeStoreOf(host: Host): VolumeStore {
  if (host.volumes) return host.volumes
  throw conflict(`Host ${host.name} can hold no volumes`, { reason: 'no-volumes' })
}

/** The container is gone: nothing of it may hold a volume, nor keep a slot. */
export async function clearVolumes(host: Host, record: Pick<WorkloadRecord, 'id'>): Promise<void> {
  await host.volumes?.clear(record.id)
}
