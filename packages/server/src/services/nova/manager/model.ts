/** Nova's nouns as managers, stores and views pass them around. Times are milliseconds since the epoch. */
import type { PreparedVolume } from '#services/cinder/facade.ts'
import type { PowerState, TaskState, VmState } from '../states/server-state.ts'

export interface Flavor {
  /** The `flavorid` of the API: any string. */
  id: string
  name: string
  description: string | null
  vcpus: number
  ramMiB: number
  diskGiB: number
  ephemeralGiB: number
  swapMiB: number
  rxtxFactor: number
  isPublic: boolean
  extraSpecs: Record<string, string>
}

export interface Fault { code: number; message: string; details: string; at: number }

export interface SecurityGroupRef { id: string; name: string }

export interface Server {
  id: string
  projectId: string
  userId: string
  name: string
  description: string | null
  hostname: string
  imageId: string | null
  flavor: Flavor
  oldFlavor: Flavor | null
  keyName: string | null
  keyData: string | null
  metadata: Record<string, string>
  tags: string[]
  userData: string | null
  configDrive: boolean
  diskConfig: 'AUTO' | 'MANUAL'
  accessIpV4: string | null
  accessIpV6: string | null
  pinnedZone: string | null
  zone: string | null
  launchIndex: number
  reservationId: string
  lockedBy: 'owner' | 'admin' | null
  lockedReason: string | null
  groupId: string | null
  hints: Record<string, unknown>
  securityGroups: SecurityGroupRef[]
  trustedCerts: string[] | null
  vmState: VmState
  taskState: TaskState | null
  powerState: PowerState
  forcedState: 'error' | null
  progress: number
  host: string | null
  fault: Fault | null
  awaited: number
  createdAt: number
  updatedAt: number
  launchedAt: number | null
  terminatedAt: number | null
  deletedAt: number | null
  deleted: boolean
}

export interface InstanceAction {
  id: number
  serverId: string
  action: string
  event: string
  requestId: string
  userId: string
  projectId: string
  generation: number | null
  host: string | null
  message: string | null
  result: 'Success' | 'Error' | null
  details: string | null
  startedAt: number
  finishedAt: number | null
  updatedAt: number
}

export interface Keypair {
  number: number
  userId: string
  name: string
  type: 'ssh' | 'x509'
  fingerprint: string
  publicKey: string
  createdAt: number
}

/** A file that the client puts into its server; the contents are base64. */
export interface Personality { path: string; contents: string }

/** One port to be made or adopted, before its id is known. */
export interface PortPlan { networkId: string; adoptedId?: string; fixedIp?: string; tag?: string }

/** What a create found out and asked for that the server's own row does not say. Plain data: it may have to wait. */
export interface BuildPlan {
  ports: PortPlan[]
  /** Ids of the servers that settings refer to, by the name they use. */
  referred: Record<string, string>
  forcedHost?: string
  personality: Personality[]
  volumes?: VolumePlan[]
}

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

export type GroupPolicy = 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity'

export interface ServerGroup {
  id: string
  projectId: string
  userId: string
  name: string
  policy: GroupPolicy
  rules: Record<string, number>
  members: string[]
  createdAt: number
}

export interface Aggregate {
  number: number
  uuid: string
  name: string
  zone: string | null
  metadata: Record<string, string>
  hosts: string[]
  createdAt: number
  updatedAt: number | null
}

export interface Migration {
  number: number
  uuid: string
  serverId: string
  projectId: string
  userId: string
  type: 'resize' | 'migration'
  status: string
  host: string
  oldFlavorId: string
  newFlavorId: string
  createdAt: number
  updatedAt: number
}

/** Who gave an order, for the action record. */
export interface Orderer { requestId: string; userId: string; projectId: string; isAdmin: boolean }
