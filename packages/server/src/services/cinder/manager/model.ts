/** The things that Cinder keeps, as its rooms hand them around. Sizes in GiB, moments in milliseconds. */
import type { GlanceFacade } from '#services/glance/facade.ts'
import type { AttachmentInfo, VolumeStatus } from '../facade.ts'

/** What hosts are still to do for a volume. A step may be done twice, so each names all that it needs. */
export type VolumeTask =
  | { do: 'create' }
  | { do: 'extend'; sizeGiB: number }
  | { do: 'upload'; image: UploadedImage }
  | { do: 'revert'; snapshotId: string }
  /** `from` is set once the bytes are at `hostName`: what is left there is to be taken away. */
  | { do: 'move'; hostName: string; from?: string }
  /** Of the volume as it is now, or of a snapshot of it. */
  | { do: 'backup'; backupId: string; snapshotId: string | null }
  /** `emptied` is set once what the volume held is gone. */
  | { do: 'restore'; backupId: string; emptied?: boolean }
  | { do: 'delete' }

/** The record of the image that a volume becomes. */
export type UploadedImage = Parameters<GlanceFacade['snapshotEnsure']>[0]

/** One claim at quota that a volume holds. */
export interface Charge {
  subject: string
  amounts: Record<string, number>
}

export interface Volume {
  id: string
  projectId: string
  userId: string
  name: string
  description: string
  sizeGiB: number
  status: VolumeStatus
  task: VolumeTask | null
  /** How often the task was begun. */
  tries: number
  /** Where the status returns to when the task is done. */
  previousStatus: VolumeStatus
  typeId: string
  /** Where the bytes are; null: nowhere yet. */
  hostName: string | null
  zone: string
  bootable: boolean
  multiattach: boolean
  /** Null: nobody said. */
  readOnly: boolean | null
  snapshotId: string | null
  sourceId: string | null
  imageId: string | null
  metadata: Record<string, string>
  imageMetadata: Record<string, string> | null
  charges: Charge[]
  createdAt: number
  updatedAt: number
}

export type SnapshotStatus =
  'creating' | 'available' | 'restoring' | 'error' | 'deleting' | 'error_deleting' | 'backing-up' | 'deleted'

export interface Snapshot {
  id: string
  volumeId: string
  projectId: string
  userId: string
  name: string
  description: string
  sizeGiB: number
  status: SnapshotStatus
  task: 'create' | 'delete' | null
  tries: number
  /** `100%` when it is taken. */
  progress: string
  typeId: string
  hostName: string | null
  metadata: Record<string, string>
  createdAt: number
  updatedAt: number
}

export type BackupStatus =
  'creating' | 'available' | 'restoring' | 'deleting' | 'error' | 'error_deleting' | 'deleted'

/** A volume's bytes at one moment, kept apart from its host. */
export interface Backup {
  id: string
  volumeId: string
  snapshotId: string | null
  projectId: string
  userId: string
  name: string
  description: string
  container: string
  sizeGiB: number
  status: BackupStatus
  task: 'delete' | null
  tries: number
  failReason: string | null
  /** What the volume was besides its bytes: a volume made of the backup is so too. */
  volume: Pick<Volume, 'name' | 'description' | 'metadata' | 'imageMetadata' | 'bootable'>
  metadata: Record<string, string>
  /** The moment that it shows. */
  dataAt: number
  createdAt: number
  updatedAt: number
}

export interface Attachment extends AttachmentInfo {
  projectId: string
  /** What the attaching side said of itself; null until it did. */
  connector: Record<string, unknown> | null
  /** Nova holds it: only Nova ends it. */
  byCompute: boolean
  createdAt: number
  updatedAt: number
}

export interface VolumeType {
  id: string
  name: string
  description: string
  isPublic: boolean
  extraSpecs: Record<string, string>
  qosId: string | null
  createdAt: number
  updatedAt: number
}

export interface Qos {
  id: string
  name: string
  consumer: 'front-end' | 'back-end' | 'both'
  specs: Record<string, string>
  createdAt: number
  updatedAt: number
}

export interface Transfer {
  id: string
  volumeId: string
  projectId: string
  name: string
  salt: string
  keyHash: string
  noSnapshots: boolean
  destinationProjectId: string | null
  accepted: boolean
  createdAt: number
}

/** What went wrong with something, told to its owner. */
export interface Message {
  id: string
  projectId: string
  requestId: string
  resourceType: string
  resourceId: string
  eventId: string
  text: string
  level: 'ERROR'
  createdAt: number
  expiresAt: number
}

export const bytesPerGiB = 1024 ** 3
export const zone = 'nova'

export const timeOperators = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=', neq: '!=' } as const

export type TimeOperator = keyof typeof timeOperators
/** Moments in milliseconds; whole seconds are meant, since that is what clients see. */
export type TimeRange = Partial<Record<TimeOperator, number>>

export const isTimeOperator = (text: string): text is TimeOperator => Object.hasOwn(timeOperators, text)
