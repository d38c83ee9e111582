/** The scheduler's words: what is asked, what a host offers, and how an answer explains itself. Plain data, no I/O. */

/** Resource class → whole units: `VCPU`, `MEMORY_MB`, `DISK_GB`, `CUSTOM_…`. */
export type Amounts = Readonly<Record<string, number>>

/** What one host can hold of one class; `capacity` is after reservation and allocation ratio. */
export interface Stock {
  capacity: number
  minUnit: number
  maxUnit: number
  stepSize: number
}

export type GroupPolicy = 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity'
export interface GroupRule {
  id: string
  policy: GroupPolicy
  /** For `anti-affinity`: members allowed on one host. */ maxPerHost?: number
}

export interface HostSnapshot {
  name: string
  up: boolean
  enabled: boolean
  disabledReason: string | null
  availabilityZone: string
  architecture: string
  stock: Readonly<Record<string, Stock>>
  used: Amounts
  traits: ReadonlySet<string>
  /** Group id → members that are on this host. Groups nobody asks about may be left out. */
  groups: ReadonlyMap<string, number>
  /** Images that need no loading here. */
  images: ReadonlySet<string>
}

export interface PlacementRequest {
  resources: Amounts
  availabilityZone?: string
  /** The one host that is asked for. */
  host?: string
  requiredTraits: readonly string[]
  forbiddenTraits: readonly string[]
  /** The image's `hw_architecture` or the engine's word for it (`amd64`). */
  architecture?: string
  group?: GroupRule
  /** Any member of the group has a host already, somewhere: then an affinity group is bound to it. */
  groupPlaced?: boolean
  /** Hosts of the workloads named by the `different_host` hint, and by `same_host`. */
  differentHosts: readonly string[]
  sameHosts?: readonly string[]
  imageId?: string
}

/** One filter's part in a "no": how many hosts it turned away, and why, as a sentence. */
export interface Rejection {
  filter: string
  hosts: number
  explanation: string
}

export type Placement =
  { host: string; score: number } | { host: undefined; considered: number; rejections: Rejection[] }

/** Multipliers: positive spreads (most free first), negative stacks (fullest first), zero ignores. */
export interface Weights {
  ram: number
  cpu: number
  disk: number
  imageLocality: number
  softGroup: number
}
export const spread: Weights = { ram: 1, cpu: 1, disk: 1, imageLocality: 0, softGroup: 1 }
export const stack: Weights = { ram: -1, cpu: -1, disk: -1, imageLocality: 0, softGroup: 1 }
