/** The data volumes of a create: looked up with their rules before anything is written, and written with the server. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { CinderFacade, PreparedVolume, VolumeInfo, VolumeOrder, VolumeViewer } from '#services/cinder/facade.ts'
import { serverVolumeInsert, serverVolumesOf } from '../store/volume-attachments.ts'
import type { Server, ServerVolume, VolumeAsk, VolumePlan } from './model.ts'
import type { NovaParts } from './parts.ts'
import { deviceFor } from './volume-devices.ts'

const field = 'block_device_mapping_v2'
const wrong = (words: string, cause?: unknown) =>
  badRequest(`Block Device Mapping is Invalid: ${words}`, { field }, cause)

/** A volume says in its own metadata how it is to be found in a container; see docs/how-to/volumes.md. */
export const useOf = ({ metadata }: Pick<VolumeInfo, 'metadata'>): 'auto' | 'device' =>
  /^(no|false|none|device)$/i.test(metadata['docker:mount'] ?? '') ? 'device' : 'auto'

export const planVolumes = async (
  { facades, db }: Pick<NovaParts, 'facades' | 'db'>, caller: RequestContext, asks: VolumeAsk[], count: number,
): Promise<VolumePlan[]> => {
  const plans: VolumePlan[] = []
  for (const ask of asks) {
    const taken = [...plans.map(({ device }) => device), ...asks.flatMap((one) => one !== ask && one.device || [])]
    const common = {
      device: deviceFor(ask.device, taken), tag: ask.tag ?? null, deleteOnTermination: ask.deleteOnTermination,
    }
    if (ask.source === 'volume') {
      const volume = await existing(facades.cinder, db, viewerOf(caller), ask)
      if (count > 1 && !volume.multiattach) throw badRequest(
        'Cannot attach one or more volumes to multiple instances', { field },
      )
      plans.push({
        ...common, volume: { kind: 'existing', id: volume.id }, use: useOf(volume), readOnly: volume.readOnly,
      })
    } else {
      const prepared = await prepare(facades.cinder, caller, ask)
      plans.push({ ...common, volume: { kind: 'new', prepared }, use: 'auto', readOnly: false })
    }
  }
  return plans
}

export const viewerOf = ({ projectId, isAdmin }: VolumeViewer): VolumeViewer => ({ projectId, isAdmin })

const existing = async (
  cinder: CinderFacade, db: NovaParts['db'], viewer: VolumeViewer, { sourceId }: VolumeAsk,
): Promise<VolumeInfo> => {
  const volume = sourceId === undefined ? undefined : await cinder.volumeFetch(db, sourceId, viewer)
  if (!volume) throw wrong(`failed to get volume ${sourceId}.`)
  if (volume.status !== 'available' && !(volume.multiattach && volume.status === 'in-use')) throw badRequest(
    `Invalid volume: volume '${volume.id}' status must be 'available'. Currently in '${volume.status}'`, { field },
  )
  return volume
}

/** Checked once; each server's own has an id of its own. */
const prepare = async (cinder: CinderFacade, caller: RequestContext, ask: VolumeAsk): Promise<PreparedVolume> => {
  assertWhole(ask)
  const { sizeGiB, typeName } = ask
  try {
    return await cinder.volumePrepare({
      id: uuid(), projectId: caller.projectId, userId: caller.userId, name: '', ...sourceOf(ask),
      ...(sizeGiB !== undefined && { sizeGiB }), ...(typeName && { typeName }),
    }, viewerOf(caller))
  } catch (error) {
    if (isRefusal(error) && error.kind === 'notFound') throw wrong(error.message, error)
    throw error
  }
}

const assertWhole = ({ source, sourceId, sizeGiB }: VolumeAsk): void => {
  if (sourceId === undefined && source !== 'blank') throw wrong(`source_type ${source} needs the uuid of its source`)
  if (sizeGiB !== undefined || source === 'snapshot') return
  throw wrong(source === 'blank'
    ? "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size"
    : "Images with destination_type 'volume' need to have a non-zero size specified")
}

const sourceOf = ({ source, sourceId = '' }: VolumeAsk): Pick<VolumeOrder, 'source'> => {
  if (source === 'snapshot') return { source: { kind: 'snapshot', snapshotId: sourceId } }
  return source === 'image' ? { source: { kind: 'image', imageId: sourceId } } : {}
}

/** Where the bytes are already: the server is best placed there. Undefined: anywhere. */
export const hostOfVolumes = async (
  { facades, db }: Pick<NovaParts, 'facades' | 'db'>, plans: VolumePlan[],
): Promise<string | undefined> => {
  const ids = plans.flatMap(({ volume }) => {
    if (volume.kind === 'existing') return volume.id
    return volume.prepared.sourceVolumeId ?? []
  })
  if (ids.length === 0) return undefined
  const volumes = await facades.cinder.volumesFetchMany(db, ids)
  return ids.map((id) => volumes.get(id)?.hostName).find((host) => typeof host === 'string')
}

/** In the transaction that makes the server: each volume is its own, and its container waits for them. Idempotent. */
export const writeVolumes = async (
  { facades, clock }: Pick<NovaParts, 'facades' | 'clock'>, tx: Tx, server: Server, plans: VolumePlan[],
): Promise<void> => {
  if (plans.length === 0 || (await serverVolumesOf(tx, [server.id])).length > 0) return
  const now = clock.now()
  for (const [place, plan] of plans.entries()) {
    const volume = serverVolume(server, plan, { place, now })
    if (plan.volume.kind === 'existing') await facades.cinder.attachmentReserve(tx, {
      id: volume.attachmentId, volumeId: volume.volumeId, serverId: server.id, mode: volume.readOnly ? 'ro' : 'rw',
    }, { projectId: server.projectId, isAdmin: true })
    await serverVolumeInsert(tx, volume)
    await facades.workloads.volumes.ensure(tx, workloadAsk(volume))
  }
  tx.emit('nova.volumes.ordered', { id: server.id })
}

export const workloadAsk = ({ serverId, volumeId, device, use, readOnly }: ServerVolume) =>
  ({ workloadId: serverId, volumeId, device, use, readOnly })

const serverVolume = (
  server: Server, { volume, ...plan }: VolumePlan, { place, now }: { place: number; now: number },
): ServerVolume => {
  const volumeId = volume.kind === 'existing' ? volume.id : uuid()
  return {
    id: uuid(), serverId: server.id, volumeId, attachmentId: uuid(), ...plan,
    state: volume.kind === 'existing' ? 'attaching' : 'creating',
    prepared: volume.kind === 'existing' ? null : { ...volume.prepared, id: volumeId },
    actionId: null, fault: null, place, createdAt: now,
  }
}
