/** `nova.volumes`: brings volumes to their servers and takes them away, one recorded step after another. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import type { VolumeInfo } from '#services/cinder/facade.ts'
import type { Workload, WorkloadVolume } from '#services/workloads/facade.ts'
import type { NovaParts } from '../manager/parts.ts'
import { volumeOrdered } from '../manager/volume-attachments.ts'
import type { ServerVolume } from '../manager/model.ts'
import { VolumeSteps, type VolumeMoveName } from '../manager/volume-steps.ts'
import { serverVolumesUnsettled } from '../store/volume-attachments.ts'

/** One volume of one server, with all that decides its next step. */
export interface VolumeSight {
  volume: ServerVolume
  serverGone: boolean
  workload: Pick<Workload, 'state' | 'hostName'> | undefined
  info: Pick<VolumeInfo, 'status' | 'hostName' | 'movingTo'> | undefined
  plug: Pick<WorkloadVolume, 'state'> | undefined
}

export interface VolumeStep {
  do: VolumeMoveName
  volume: ServerVolume
}

export const observeVolumes = async ({ db, facades }: NovaParts, limit: number): Promise<VolumeSight[]> => {
  const unsettled = await serverVolumesUnsettled(db, limit)
  if (unsettled.length === 0) return []
  const serverIds = [...new Set(unsettled.map(({ volume }) => volume.serverId))]
  const [workloads, plugs, infos] = await Promise.all([
    facades.workloads.fetchMany(serverIds), facades.workloads.volumes.of(db, serverIds),
    facades.cinder.volumesFetchMany(db, unsettled.map(({ volume }) => volume.volumeId)),
  ])
  return unsettled.map(({ volume, serverGone }) => ({
    volume, serverGone, workload: workloads.get(volume.serverId), info: infos.get(volume.volumeId),
    plug: plugs.get(volume.serverId)?.find(({ volumeId }) => volumeId === volume.volumeId),
  }))
}

type Next = (sight: VolumeSight) => VolumeMoveName | undefined

/** Undefined: somebody else is at work, and says so when it is done. */
const nextOf: Readonly<Record<ServerVolume['state'], Next>> = {
  creating: ({ workload }) => (workload?.hostName ? 'make' : undefined),
  making: ({ info }) => {
    if (info?.status === 'available') return 'reserve'
    return !info || info.status.startsWith('error') ? 'abandon' : undefined
  },
  attaching: ({ workload, info }) => {
    if (!info) return 'abandon'
    if (!workload?.hostName || info.movingTo !== null) return undefined
    return info.hostName === workload.hostName ? 'begin' : 'move'
  },
  plugging: ({ plug }) => {
    if (plug?.state === 'attached') return 'complete'
    if (plug?.state === 'waiting') return 'again'
    return plug?.state === 'failed' ? 'giveUp' : undefined
  },
  attached: () => undefined,
  detaching: ({ plug }) => {
    if (!plug) return 'release'
    return plug.state === 'attached' ? 'keep' : undefined
  },
}

/** A volume that is still being made cannot be deleted yet. */
const buryOf = ({ volume, info }: VolumeSight): VolumeMoveName | undefined =>
  volume.state === 'making' && (info?.status === 'creating' || info?.status === 'downloading') ? undefined : 'bury'

export const planVolumeSteps = (sights: VolumeSight[]): VolumeStep[] =>
  sights.flatMap((sight) => {
    const move = sight.serverGone ? buryOf(sight) : nextOf[sight.volume.state](sight)
    return move ? [{ do: move, volume: sight.volume }] : []
  })

export const volumesController = (parts: NovaParts): Controller<VolumeSight[], VolumeStep> => {
  const steps = new VolumeSteps(parts)
  return defineController<VolumeSight[], VolumeStep>({
    name: 'nova.volumes',
    about: 'Makes the volumes that servers ask for, attaches them and detaches them, and lets go of deleted servers.',
    wakesOn: [volumeOrdered, 'workloads.changed', 'cinder.volume.changed'],
    everySeconds: 5,
    restMs: 50,
    perPass: 200,
    observe: (limit) => observeVolumes(parts, limit),
    plan: planVolumeSteps,
    act: (step) => steps.take(step.do, step.volume),
    key: ({ volume }) => volume.id,
    concurrency: 4,
  })
}
