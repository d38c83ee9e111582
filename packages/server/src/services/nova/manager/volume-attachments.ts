/** Attaching volumes to servers and detaching them: the rules and the rows; the controller does the rest. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, isRefusal, notFound, unsupported } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { assertOrder } from '../states/orders.ts'
import { serverFetch } from '../store/servers.ts'
import {
  serverVolumeFetch, serverVolumeInsert, serverVolumesOf, serverVolumeUpdate,
} from '../store/volume-attachments.ts'
import type { Server, ServerVolume } from './model.ts'
import type { NovaParts } from './parts.ts'
import { actionWords } from './server-orders.ts'
import type { ServerOrders } from './server-orders.ts'
import { serverMissing } from './server-reader.ts'
import { deviceFor } from './volume-devices.ts'
import { useOf, viewerOf, workloadAsk } from './volume-plans.ts'

export interface AttachAsk { volumeId: string; device?: string; tag?: string; deleteOnTermination: boolean }

export const volumeOrdered = 'nova.volumes.ordered'

export class VolumeAttachments {
  readonly #parts: NovaParts
  readonly #orders: ServerOrders
  constructor(parts: NovaParts, orders: ServerOrders) {
    this.#parts = parts
    this.#orders = orders
  }

  async list(server: Server): Promise<ServerVolume[]> {
    return (await serverVolumesOf(this.#parts.db, [server.id])).filter(isShown)
  }

  async listMany(servers: Server[]): Promise<Map<string, ServerVolume[]>> {
    const volumes = await serverVolumesOf(this.#parts.db, servers.map(({ id }) => id))
    return Map.groupBy(volumes.filter(isShown), ({ serverId }) => serverId)
  }

  async fetch(server: Server, volumeId: string): Promise<ServerVolume> {
    const volume = await serverVolumeFetch(this.#parts.db, server.id, volumeId)
    if (!volume || !isShown(volume)) throw notFound(
      `Instance ${server.id} is not attached to volume ${volumeId}: volume_id not found: ${volumeId}`,
    )
    return volume
  }

  /** The tie is made at once; the volume reaches the container by the controller. */
  async attach(caller: RequestContext, { id: serverId }: Server, ask: AttachAsk): Promise<ServerVolume> {
    const { db, facades, clock } = this.#parts
    return await db.transaction(async (tx) => {
      const server = await serverFetch(tx, serverId)
      if (!server || server.deleted) throw serverMissing(serverId)
      assertOrder('attachVolume', server, caller)
      const known = await serverVolumesOf(tx, [serverId])
      if (known.some(({ volumeId }) => volumeId === ask.volumeId)) throw badRequest(
        `Invalid volume: volume ${ask.volumeId} is already attached to instance ${serverId}`, { field: 'volumeId' },
      )
      const info = await facades.cinder.volumeFetch(tx, ask.volumeId, viewerOf(caller))
      if (!info) throw notFound(`Volume ${ask.volumeId} could not be found.`)
      const device = deviceFor(ask.device, known.map((one) => one.device))
      const attachmentId = uuid()
      await facades.cinder.attachmentReserve(tx, {
        id: attachmentId, volumeId: info.id, serverId, mode: info.readOnly ? 'ro' : 'rw',
      }, viewerOf(caller))
      const now = clock.now()
      const actionId = await this.#orders.record(tx, caller, server, {
        ...actionWords.attachVolume, generation: null, finished: false,
      })
      const volume: ServerVolume = {
        id: uuid(), serverId, volumeId: info.id, attachmentId, device, tag: ask.tag ?? null,
        deleteOnTermination: ask.deleteOnTermination, state: 'attaching', prepared: null, use: useOf(info),
        readOnly: info.readOnly, actionId, fault: null, place: now, createdAt: now,
      }
      await serverVolumeInsert(tx, volume)
      await facades.workloads.volumes.ensure(tx, workloadAsk(volume))
      tx.emit(volumeOrdered, { id: serverId })
      return volume
    })
  }

  async keepOnTermination(server: Server, volumeId: string, deleteOnTermination: boolean): Promise<void> {
    const volume = await this.fetch(server, volumeId)
    await this.#parts.db.transaction((tx) => serverVolumeUpdate(tx, volume.id, { deleteOnTermination }))
  }

  /** A container's volume is a mount, and programs have its files open: there is no other volume to hand them. */
  async swap(server: Server, volumeId: string): Promise<never> {
    await this.fetch(server, volumeId)
    throw unsupported(
      `Volume ${volumeId} cannot be swapped under a running container. Attach the other volume, copy what is needed, `
      + 'and detach this one.',
    )
  }

  async detach(caller: RequestContext, { id: serverId }: Server, volumeId: string): Promise<void> {
    const { db, facades } = this.#parts
    await db.transaction(async (tx) => {
      const server = await serverFetch(tx, serverId)
      if (!server || server.deleted) throw serverMissing(serverId)
      const volume = await serverVolumeFetch(tx, serverId, volumeId)
      if (!volume || !isShown(volume)) throw notFound(`volume_id not found: ${volumeId}`)
      assertOrder('detachVolume', server, caller)
      if (volume.state !== 'attached') throw badRequest(
        `Invalid volume: Invalid input received: volume ${volumeId} must be attached in order to detach; it is `
        + `${volume.state}`,
      )
      await inVolumeWords(() => facades.cinder.detachBegin(tx, volume.attachmentId))
      const actionId = await this.#orders.record(tx, caller, server, {
        ...actionWords.detachVolume, generation: null, finished: false,
      })
      await serverVolumeUpdate(tx, volume.id, { state: 'detaching', actionId, fault: null })
      await facades.workloads.volumes.drop(tx, { workloadId: serverId, volumeId })
      tx.emit(volumeOrdered, { id: serverId })
    })
  }
}

/** One that could not be attached is on its way out, and is nobody's business any more. */
const isShown = ({ state, fault }: ServerVolume): boolean => state !== 'detaching' || fault === null

/** Nova calls it the request's fault when Cinder's state forbids it. */
const inVolumeWords = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work()
  } catch (error) {
    throw isRefusal(error) && error.kind === 'conflict' ? badRequest(error.message, error.details, error) : error
  }
}
