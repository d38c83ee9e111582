/** What other services may ask of Cinder: volumes by id, and the steps of attaching one to a server. */
import type { Executor, Tx } from '#platform/db/database.ts'

export { volumesMountPoint } from './ports.ts'
export type { VolumeStore } from './ports.ts'

/** Of the caller who asks; another project's volume is as good as absent, except to an admin. */
export interface VolumeViewer {
  projectId: string
  isAdmin: boolean
}

export type VolumeStatus =
  | 'creating'
  | 'downloading'
  | 'available'
  | 'reserved'
  | 'attaching'
  | 'in-use'
  | 'detaching'
  | 'extending'
  | 'uploading'
  | 'reverting'
  | 'retyping'
  | 'maintenance'
  | 'awaiting-transfer'
  | 'backing-up'
  | 'restoring-backup'
  | 'deleting'
  | 'deleted'
  | 'error'
  | 'error_extending'
  | 'error_deleting'
  | 'error_backing-up'
  | 'error_restoring'

/** A volume's tie to one server. */
export interface AttachmentInfo {
  id: string
  volumeId: string
  /** The server, or null for a tie that a client made without one. */
  serverId: string | null
  status: 'reserved' | 'attaching' | 'attached' | 'detaching' | 'detached' | 'error_attaching' | 'error_detaching'
  hostName: string | null
  /** The device's name in the server, such as `/dev/vdb`. */
  device: string | null
  mode: 'rw' | 'ro'
  attachedAt: number | null
  detachedAt: number | null
}

export interface VolumeInfo {
  id: string
  projectId: string
  userId: string
  name: string
  description: string
  status: VolumeStatus
  sizeGiB: number
  /** Where its bytes are; null until it is placed. While `movingTo` is set they are on the way. */
  hostName: string | null
  movingTo: string | null
  availabilityZone: string
  typeName: string
  bootable: boolean
  multiattach: boolean
  readOnly: boolean
  metadata: Record<string, string>
  attachments: AttachmentInfo[]
}

export interface SnapshotInfo {
  id: string
  volumeId: string
  projectId: string
  name: string
  status: string
  sizeGiB: number
}

/** A volume to be made for a server; the same checks and the same quota as for one that its user asks for. */
export interface VolumeOrder {
  /** The idempotency key: a volume's uuid, chosen by who orders. */
  id: string
  projectId: string
  userId: string
  name: string
  description?: string
  /** GiB; may be left out with a source, whose size it takes then. */
  sizeGiB?: number
  source?:
    | { kind: 'snapshot'; snapshotId: string }
    | { kind: 'volume'; volumeId: string }
    | { kind: 'image'; imageId: string }
  typeName?: string
  availabilityZone?: string
  /** Where its bytes are to be from the start; left out, Cinder chooses. */
  hostName?: string
  metadata?: Record<string, string>
}

/**
 * The life of an attachment, each step idempotent and in the caller's transaction, so that it is true exactly when the
 * caller's own row is:
 *
 *     reserve (volume `reserved`) → begin (`attaching`; device and host are known) → complete (`in-use`)
 *     detachBegin (`detaching`) → release (`available`, or `in-use` while others hold it)
 *     detachUndo (back to `in-use`); release also ends an attachment at any earlier step
 *
 * Cinder publishes `cinder.volume.changed` (payload `{ id }`: look again) after each change of a volume.
 */
export interface CinderFacade {
  volumeFetch(executor: Executor, id: string, viewer?: VolumeViewer): Promise<VolumeInfo | undefined>
  /** Volumes of any project by id; unknown ids are left out. */
  volumesFetchMany(executor: Executor, ids: readonly string[]): Promise<Map<string, VolumeInfo>>
  snapshotFetch(executor: Executor, id: string, viewer: VolumeViewer): Promise<SnapshotInfo | undefined>
  /**
   * Checks an order before the transaction that makes it: sources, size, type, zone. Throws `badRequest`, `notFound`,
   * `forbidden`. What it returns goes into `volumeEnsure`.
   */
  volumePrepare(order: VolumeOrder, viewer: VolumeViewer): Promise<PreparedVolume>
  /** Makes the volume (`creating`) with its quota. Idempotent by id. Throws `overLimit`. Ready when `available`. */
  volumeEnsure(tx: Tx, prepared: PreparedVolume): Promise<VolumeInfo>
  /** Deletes a volume nobody holds; idempotent. Throws `conflict` while it is attached. */
  volumeDelete(tx: Tx, id: string): Promise<void>
  /**
   * Ties an available (or multiattach, in-use) volume to a server. Throws `notFound` and `badRequest` in the words of
   * upstream ("Invalid volume: … status must be available …"), which Nova passes on as 400.
   */
  attachmentReserve(
    tx: Tx,
    attachment: { id: string; volumeId: string; serverId: string; mode?: 'rw' | 'ro' },
    viewer: VolumeViewer,
  ): Promise<AttachmentInfo>
  attachmentFetch(executor: Executor, id: string): Promise<AttachmentInfo | undefined>
  /** The attachments of a server in the order in which they were made. */
  attachmentsOf(executor: Executor, serverId: string): Promise<AttachmentInfo[]>
  /** Where and as what it is being plugged in. Throws `conflict` when the volume is not on that host. */
  attachmentBegin(tx: Tx, id: string, at: { hostName: string; device: string }): Promise<AttachmentInfo>
  attachmentComplete(tx: Tx, id: string): Promise<void>
  /** Throws `badRequest` when the attachment's volume is not in use. */
  detachBegin(tx: Tx, id: string): Promise<void>
  detachUndo(tx: Tx, id: string): Promise<void>
  /** The server holds it no more. Idempotent; the volume's hosts must have let go of it before. */
  attachmentRelease(tx: Tx, id: string): Promise<void>
  /**
   * The volume's bytes are wanted on another host; it must be `available` or `reserved`, and have no snapshots. Cinder
   * copies them through the control plane and publishes `cinder.volume.changed`; done when `hostName` is the one asked
   * for and `movingTo` is null. Idempotent. Throws `conflict` with the reason when it cannot move.
   */
  volumeMove(tx: Tx, id: string, hostName: string): Promise<void>
  /** What hosts hold for this cloud that no row wants, and the hosts that did not answer. */
  volumeLeaks(): Promise<{ leaks: VolumeLeak[]; silent: string[] }>
  /** Takes such things away. */
  volumeLeaksReap(): Promise<void>
}

export interface VolumeLeak {
  host: string
  kind: 'volume' | 'snapshot'
  id: string
  explanation: string
}

/** An order with everything looked up: plain data, to be handed to `volumeEnsure` as it is. */
export interface PreparedVolume {
  id: string
  projectId: string
  userId: string
  name: string
  description: string
  sizeGiB: number
  typeId: string
  typeName: string
  availabilityZone: string
  /** Where it is made; null: wherever there is room. */
  hostName: string | null
  snapshotId: string | null
  sourceVolumeId: string | null
  imageId: string | null
  imageMetadata: Record<string, string> | null
  bootable: boolean
  multiattach: boolean
  metadata: Record<string, string>
}
