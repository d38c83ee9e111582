/** The steps of a volume to its server and away from it: each is one transaction over Cinder, workloads and Nova. */
import type { Tx } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Refusal } from '#platform/errors/errors.ts'
import { actionFinish } from '../store/actions.ts'
import { serverVolumeDelete, serverVolumeFetch, serverVolumeUpdate } from '../store/volume-attachments.ts'
import type { NovaParts } from './parts.ts'
import type { ServerVolume } from './model.ts'

export type VolumeMoveName =
  | 'make' | 'reserve' | 'move' | 'begin' | 'complete' | 'again' | 'giveUp' | 'abandon' | 'release' | 'keep' | 'bury'

type Move = (tx: Tx, volume: ServerVolume) => Promise<void>

export class VolumeSteps {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** What was seen may be old: in another state, it is another's step. */
  async take(name: VolumeMoveName, seen: ServerVolume): Promise<void> {
    try {
      await this.#parts.db.transaction(async (tx) => {
        const volume = await serverVolumeFetch(tx, seen.serverId, seen.volumeId)
        if (volume && volume.id === seen.id && volume.state === seen.state) await this.#moves[name](tx, volume)
      })
    } catch (error) {
      if (!isFinal(error) || !forward.has(name)) throw error
      await this.#parts.db.transaction((tx) => this.#undo(tx, seen, error.message))
    }
  }

  readonly #moves: Readonly<Record<VolumeMoveName, Move>> = {
    make: async (tx, { id, serverId, prepared }) => {
      const workload = await this.#parts.facades.workloads.fetch(serverId)
      await this.#cinder.volumeEnsure(tx, { ...prepared!, hostName: workload?.hostName ?? null })
      await serverVolumeUpdate(tx, id, { state: 'making' })
    },
    reserve: async (tx, { id, attachmentId, volumeId, serverId, readOnly, prepared }) => {
      const viewer = { projectId: prepared?.projectId ?? '', isAdmin: true }
      const attachment = { id: attachmentId, volumeId, serverId, mode: readOnly ? 'ro' : 'rw' } as const
      await this.#cinder.attachmentReserve(tx, attachment, viewer)
      await serverVolumeUpdate(tx, id, { state: 'attaching' })
      tx.emit('nova.volumes.ordered', { id: serverId })
    },
    move: async (tx, { volumeId, serverId }) => {
      const workload = await this.#parts.facades.workloads.fetch(serverId)
      if (workload?.hostName) await this.#cinder.volumeMove(tx, volumeId, workload.hostName)
    },
    begin: async (tx, volume) => {
      const workload = await this.#parts.facades.workloads.fetch(volume.serverId)
      const { device } = volume
      await this.#cinder.attachmentBegin(tx, volume.attachmentId, { hostName: workload!.hostName!, device })
      await this.#parts.facades.workloads.volumes.ready(tx, keyOf(volume))
      await serverVolumeUpdate(tx, volume.id, { state: 'plugging' })
    },
    complete: async (tx, volume) => {
      await this.#cinder.attachmentComplete(tx, volume.attachmentId)
      await serverVolumeUpdate(tx, volume.id, { state: 'attached', actionId: null })
      await this.#finish(tx, volume, null)
    },
    // Its container lost its host before it was ever started, and is placed anew.
    again: (tx, { id }) => serverVolumeUpdate(tx, id, { state: 'attaching' }),
    giveUp: async (tx, volume) => {
      const plugs = await this.#parts.facades.workloads.volumes.of(tx, [volume.serverId])
      const plug = plugs.get(volume.serverId)?.find(({ volumeId }) => volumeId === volume.volumeId)
      await this.#undo(tx, volume, plug?.fault?.message ?? 'the host could not plug it in')
    },
    abandon: (tx, volume) => this.#undo(tx, volume, 'it could not be made; its messages in the volume service say why'),
    release: async (tx, volume) => {
      await this.#cinder.attachmentRelease(tx, volume.attachmentId)
      await serverVolumeDelete(tx, volume.id)
      await this.#finish(tx, volume, volume.fault)
    },
    keep: async (tx, volume) => {
      const plugs = await this.#parts.facades.workloads.volumes.of(tx, [volume.serverId])
      const plug = plugs.get(volume.serverId)?.find(({ volumeId }) => volumeId === volume.volumeId)
      await this.#cinder.detachUndo(tx, volume.attachmentId)
      await serverVolumeUpdate(tx, volume.id, { state: 'attached', actionId: null })
      await this.#finish(tx, volume, plug?.fault?.message ?? 'The volume stays attached')
    },
    bury: async (tx, volume) => {
      if (volume.state !== 'creating' && volume.state !== 'making')
        await this.#cinder.attachmentRelease(tx, volume.attachmentId)
      if (volume.state !== 'creating' && volume.deleteOnTermination) await this.#deleteVolume(tx, volume)
      await serverVolumeDelete(tx, volume.id)
      await this.#finish(tx, volume, 'The server was deleted')
    },
  }

  get #cinder() { return this.#parts.facades.cinder }

  /** The host lets go first; a server that waits for it fails, and one that runs goes on without it. */
  async #undo(tx: Tx, seen: ServerVolume, reason: string): Promise<void> {
    const volume = await serverVolumeFetch(tx, seen.serverId, seen.volumeId)
    if (!volume || volume.id !== seen.id || volume.state === 'attached') return
    const fault = `Volume ${volume.volumeId} could not be attached: ${reason}`
    this.#parts.log.warn({ server: volume.serverId, volume: volume.volumeId, reason }, 'A volume could not be attached')
    await this.#parts.facades.workloads.volumes.drop(tx, keyOf(volume))
    await serverVolumeUpdate(tx, volume.id, { state: 'detaching', fault })
    if (volume.actionId === null) await this.#parts.facades.workloads.volumes.buildFail(tx, volume.serverId, fault)
    tx.emit('nova.volumes.ordered', { id: volume.serverId })
  }

  /** Others may hold it still, or keep snapshots of it: it then stays, as Cinder says. */
  async #deleteVolume(tx: Tx, { volumeId }: ServerVolume): Promise<void> {
    try {
      await this.#cinder.volumeDelete(tx, volumeId)
    } catch (error) {
      if (!isFinal(error)) throw error
      this.#parts.log.info({ volume: volumeId, reason: error.message }, 'A volume outlives its server')
    }
  }

  async #finish(tx: Tx, { actionId }: ServerVolume, details: string | null): Promise<void> {
    if (actionId === null) return
    await actionFinish(tx, actionId, {
      result: details === null ? 'Success' : 'Error', at: this.#parts.clock.now(), host: null, details,
    })
  }
}

/** Steps towards the server: what forbids them is told, and the volume is let go. */
const forward: ReadonlySet<VolumeMoveName> = new Set(['make', 'reserve', 'move', 'begin'])

const isFinal = (error: unknown): error is Refusal => isRefusal(error) && error.kind !== 'unavailable'

const keyOf = ({ serverId, volumeId }: ServerVolume) => ({ workloadId: serverId, volumeId })
