/** What other services ask of Cinder: reads, volumes to be made, and the steps of attaching. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { conflict } from '#platform/errors/errors.ts'
import type {
  AttachmentInfo,
  CinderFacade,
  PreparedVolume,
  SnapshotInfo,
  VolumeInfo,
  VolumeLeak,
  VolumeOrder,
  VolumeViewer,
} from '../facade.ts'
import { attachmentFetch, attachmentsOfServer } from '../store/attachments.ts'
import { snapshotFetch } from '../store/snapshots.ts'
import { volumeFetch, volumesFetchMany } from '../store/volumes.ts'
import type { Attachments } from './attachments.ts'
import type { Leaks } from './leaks.ts'
import type { Attachment, Volume } from './model.ts'
import { noAttachment, noVolume } from './refusals.ts'
import { attachmentInfo, seen, seenMany, volumeInfo } from './seen.ts'
import type { VolumeActions } from './volume-actions.ts'
import type { VolumeCreate } from './volume-create.ts'
import type { Volumes } from './volumes.ts'

export interface FrontParts {
  volumes: Volumes
  create: VolumeCreate
  actions: VolumeActions
  attachments: Attachments
  leaks: Leaks
}

export class CinderFront implements CinderFacade {
  readonly #parts: FrontParts
  constructor(parts: FrontParts) {
    this.#parts = parts
  }

  async volumeFetch(executor: Executor, id: string, viewer?: VolumeViewer): Promise<VolumeInfo | undefined> {
    const volume = await volumeFetch(executor, id)
    if (!volume || !isSeen(volume, viewer)) return undefined
    return volumeInfo(await seen(executor, volume))
  }

  async volumesFetchMany(executor: Executor, ids: readonly string[]): Promise<Map<string, VolumeInfo>> {
    const volumes = await seenMany(executor, await volumesFetchMany(executor, ids))
    return new Map(volumes.map((one) => [one.volume.id, volumeInfo(one)]))
  }

  async snapshotFetch(executor: Executor, id: string, viewer: VolumeViewer): Promise<SnapshotInfo | undefined> {
    const snapshot = await snapshotFetch(executor, id)
    if (!snapshot || !isSeen(snapshot, viewer)) return undefined
    const { volumeId, projectId, name, status, sizeGiB } = snapshot
    return { id, volumeId, projectId, name, status, sizeGiB }
  }

  volumePrepare(order: VolumeOrder, viewer: VolumeViewer): Promise<PreparedVolume> {
    return this.#parts.create.prepare(order, viewer)
  }

  async volumeEnsure(tx: Tx, prepared: PreparedVolume): Promise<VolumeInfo> {
    return volumeInfo(await seen(tx, await this.#parts.create.ensure(tx, prepared)))
  }

  async volumeDelete(tx: Tx, id: string): Promise<void> {
    const volume = await volumeFetch(tx, id)
    if (!volume || volume.task?.do === 'delete') return
    await this.#parts.volumes.deleteIn(tx, volume, { cascade: false, force: false })
  }

  async attachmentReserve(
    tx: Tx,
    asked: { id: string; volumeId: string; serverId: string; mode?: 'rw' | 'ro' },
    viewer: VolumeViewer,
  ): Promise<AttachmentInfo> {
    const volume = await volumeFetch(tx, asked.volumeId)
    if (!volume || !isSeen(volume, viewer)) throw noVolume(asked.volumeId)
    const ask = { ...asked, mode: asked.mode ?? null, byCompute: true }
    return attachmentInfo(await this.#parts.attachments.reserveIn(tx, volume, ask))
  }

  async attachmentFetch(executor: Executor, id: string): Promise<AttachmentInfo | undefined> {
    const attachment = await attachmentFetch(executor, id)
    return attachment && attachmentInfo(attachment)
  }

  async attachmentsOf(executor: Executor, serverId: string): Promise<AttachmentInfo[]> {
    return (await attachmentsOfServer(executor, serverId)).map(attachmentInfo)
  }

  async attachmentBegin(tx: Tx, id: string, at: { hostName: string; device: string }): Promise<AttachmentInfo> {
    const attachment = await existing(tx, id)
    const volume = await volumeFetch(tx, attachment.volumeId)
    if (volume?.hostName !== at.hostName || volume.task?.do === 'move') {
      throw conflict(
        `Volume ${attachment.volumeId} is on ${volume?.hostName ?? 'no host'}, not on ${at.hostName}: move it first.`,
        { reason: 'host', hostName: volume?.hostName ?? null },
      )
    }
    await this.#parts.attachments.beginIn(tx, attachment, at)
    return attachmentInfo(await existing(tx, id))
  }

  async attachmentComplete(tx: Tx, id: string): Promise<void> {
    await this.#parts.attachments.completeIn(tx, await existing(tx, id))
  }

  async detachBegin(tx: Tx, id: string): Promise<void> {
    await this.#parts.attachments.detachBeginIn(tx, await existing(tx, id))
  }

  async detachUndo(tx: Tx, id: string): Promise<void> {
    await this.#parts.attachments.detachUndoIn(tx, await existing(tx, id))
  }

  async attachmentRelease(tx: Tx, id: string): Promise<void> {
    const attachment = await attachmentFetch(tx, id)
    if (attachment) await this.#parts.attachments.releaseIn(tx, attachment)
  }

  async volumeMove(tx: Tx, id: string, hostName: string): Promise<void> {
    const volume = await volumeFetch(tx, id)
    if (!volume) throw noVolume(id)
    await this.#parts.actions.moveIn(tx, volume, hostName)
  }

  volumeLeaks(): Promise<{ leaks: VolumeLeak[]; silent: string[] }> {
    return this.#parts.leaks.find()
  }

  volumeLeaksReap(): Promise<void> {
    return this.#parts.leaks.reap()
  }
}

const isSeen = ({ projectId }: Pick<Volume, 'projectId'>, viewer: VolumeViewer | undefined): boolean =>
  viewer === undefined || viewer.isAdmin || viewer.projectId === projectId

const existing = async (tx: Tx, id: string): Promise<Attachment> => {
  const attachment = await attachmentFetch(tx, id)
  if (!attachment) throw noAttachment(id)
  return attachment
}
