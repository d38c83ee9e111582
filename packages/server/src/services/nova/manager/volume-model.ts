/** A server's volume: what Nova keeps of it, and what a create asks for. Plain data. */
import type { PreparedVolume } from '#services/cinder/facade.ts'

/**
 * `creating`: to be made where the server is · `making`: Cinder makes it · `attaching`: it is the server's, its bytes
 * are on the way to the server's host · `plugging`: the host is at it · `attached` · `detaching`: with a `fault` it was
 * never attached, and goes.
 */
export type ServerVolumeState = 'creating' | 'making' | 'attaching' | 'plugging' | 'attached' | 'detaching'

export interface ServerVolume {
  /** The block device mapping's uuid. */
  id: string
  serverId: string
  volumeId: string
  /** Cinder's attachment. */
  attachmentId: string
  device: string
  tag: string | null
  deleteOnTermination: boolean
  state: ServerVolumeState
  prepared: PreparedVolume | null
  use: 'auto' | 'device'
  readOnly: boolean
  /** The instance action that ends with the step under way. */
  actionId: number | null
  fault: string | null
  place: number
  createdAt: number
}

/** A data volume in the body of a create: an existing one, or one to be made. */
export interface VolumeAsk {
  source: 'volume' | 'snapshot' | 'image' | 'blank'
  sourceId?: string
  sizeGiB?: number
  device?: string
  tag?: string
  deleteOnTermination: boolean
  typeName?: string
}

/** The same, looked up and found good. A new one gets an id for each server. */
export interface VolumePlan {
  volume: { kind: 'existing'; id: string } | { kind: 'new'; prepared: PreparedVolume }
  device: string
  tag: string | null
  deleteOnTermination: boolean
  use: 'auto' | 'device'
  readOnly: boolean
}
