/** Plugs volumes into containers that are there already, and takes them out: one volume of one workload, one step. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { containerFind } from '../manager/containers.ts'
import { requireHost } from '../manager/parts.ts'
import type { Parts } from '../manager/parts.ts'
import { topics } from '../manager/records.ts'
import type { Turns } from '../manager/turns.ts'
import { plugOf, volumeStoreOf } from '../manager/volumes.ts'
import { volumeDelete, volumeMove, volumesOf, volumesToMove, type VolumeMove } from '../store/volumes.ts'
import { workloadFetch, type WorkloadRecord } from '../store/workloads.ts'
import type { WorkloadVolume } from '../facade.ts'

export function volumesController(parts: Parts, turns: Turns): Controller<WorkloadVolume[], WorkloadVolume> {
  return defineController<WorkloadVolume[], WorkloadVolume>({
    name: 'workloads.volumes',
    about: 'Plugs volumes into containers and takes them out',
    wakesOn: [topics.volumes, topics.changed, topics.hosts],
    everySeconds: 20,
    perPass: 200,
    concurrency: 8,
    restMs: 20,
    observe: (limit) => volumesToMove(parts.db, limit),
    plan: (volumes) => volumes,
    key: ({ workloadId, volumeId, state }) => `${workloadId}:${volumeId}:${state}`,
    act: (step) => turns.run(step.workloadId, () => act(parts, step)),
  })
}

async function act(parts: Parts, step: WorkloadVolume): Promise<void> {
  const [record, volumes] = await Promise.all([
    workloadFetch(parts.db, step.workloadId),
    volumesOf(parts.db, [step.workloadId]),
  ])
  const volume = volumes.find(({ volumeId }) => volumeId === step.volumeId)
  if (record === undefined || record.todo || volume?.state !== step.state) return
  if (volume.state === 'attaching') await plugIn(parts, record, volume)
  else await takeOut(parts, record, volume)
}

async function plugIn(parts: Parts, record: WorkloadRecord, volume: WorkloadVolume): Promise<void> {
  const at = parts.clock.now()
  try {
    const host = requireHost(parts.hosts, record.hostName)
    const pid = (await containerFind(host, record))?.pid ?? 0
    const { mountPath } = await volumeStoreOf(host).plug(plugOf(volume, pid))
    await write(parts, volume, { from: ['attaching'], to: 'attached', mountPath, fault: null, at })
  } catch (error) {
    await write(parts, volume, { from: ['attaching'], to: 'failed', fault: { message: finalWords(error), at }, at })
  }
}

async function takeOut(parts: Parts, record: WorkloadRecord, volume: WorkloadVolume): Promise<void> {
  try {
    if (record.hostName !== null) await requireHost(parts.hosts, record.hostName).volumes?.unplug(volume)
  } catch (error) {
    const at = parts.clock.now()
    const message = `The volume stays attached: ${finalWords(error)}`
    return await write(parts, volume, { from: ['detaching'], to: 'attached', fault: { message, at }, at })
  }
  await inOne(parts, volume, (tx) => volumeDelete(tx, volume))
}

/** Throws what may be otherwise at the next try: a host that is away, a tool that failed. */
function finalWords(error: unknown): string {
  if (!isRefusal(error) || error.kind === 'unavailable') throw error
  return error.message
}

const write = (parts: Parts, volume: WorkloadVolume, move: VolumeMove): Promise<void> =>
  inOne(parts, volume, async (tx) => void (await volumeMove(tx, volume, move)))

const inOne = (parts: Parts, { workloadId }: WorkloadVolume, work: (tx: Tx) => Promise<void>): Promise<void> =>
  parts.db.transaction(async (tx) => {
    await work(tx)
    tx.emit(topics.changed, { id: workloadId })
  })
