/** The one container model: what Nova, Zun, Heat, Magnum and Murano ask of workloads. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { ContainerMount, ContainerStats, ExecResult } from './ports.ts'

export type { ContainerMount, ContainerStats, ExecResult } from './ports.ts'

/** The versioned container spec. Amounts: vCPUs, MiB, GiB, pids. */
export interface WorkloadSpec {
  version: 1
  /** Glance image id. */
  imageId: string
  hostname: string
  command?: string[]
  entrypoint?: string[]
  env: Record<string, string>
  user?: string
  workingDir?: string
  tty?: boolean
  stdinOpen?: boolean
  resources: { vcpus: number; ramMiB: number; diskGiB: number; pids?: number }
  /** Placement's resources when they differ from the above (flavor `resources:` extra specs). */
  claim: Record<string, number>
  mounts: ContainerMount[]
  /** Files written before the command runs: keys, user data, config drive. Content is base64. */
  files: { path: string; mode: number; content: string }[]
  networkMode: 'tenant' | 'bridge' | 'host' | 'none' | `container:${string}`
  publishedPorts?: { containerPort: number; protocol: 'tcp' | 'udp'; hostIp?: string; hostPort?: number }[]
  /** Names that everybody on the workload's networks may ask for; several workloads may share one. */
  aliases?: string[]
  /** Names of other workloads that this one alone may ask for; they follow the other's address. */
  links?: { workloadId: string; alias: string }[]
  healthCheck?: { test: string[]; intervalMs?: number; timeoutMs?: number; retries?: number }
  restartPolicy: { name: 'no' | 'always' | 'on-failure' | 'unless-stopped'; maximumRetries?: number }
  capAdd?: string[]
  capDrop?: string[]
  devices?: { hostPath: string; containerPath: string; permissions: string }[]
  privileged?: boolean
  readOnly?: boolean
  /** Where it may land. */
  scheduling: WorkloadScheduling
  /** Labels shown on the container besides Quaystone's own. */
  labels: Record<string, string>
}

export interface WorkloadScheduling {
  availabilityZone?: string
  host?: string
  /** `different_host`, `same_host`: a workload id or a list of them. Others are kept and mean nothing. */
  hints?: Record<string, unknown>
  /** The server group it belongs to: members are found by this id. */
  group?: {
    id: string
    policy: 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity'
    maxPerHost?: number
  }
  requiredTraits?: string[]
  forbiddenTraits?: string[]
  /** Image properties that bind it to a kind of host: `hw_architecture` (or `architecture`). */
  properties?: Record<string, string>
}

/** The owner's wish. `suspended` is a stop that keeps memory when the engine can, else a pause. */
export type Desired = 'running' | 'stopped' | 'paused' | 'suspended' | 'deleted'

/** What is, as last seen or done. */
export type WorkloadState =
  'scheduling' | 'building' | 'running' | 'stopped' | 'paused' | 'suspended' | 'error' | 'deleting' | 'deleted'

export interface Workload {
  id: string
  ownerService: string
  projectId: string
  userId: string
  name: string
  spec: WorkloadSpec
  desired: Desired
  state: WorkloadState
  /** The step under way, as Nova's `OS-EXT-STS:task_state` says it: `scheduling`, `networking`, `spawning`, … */
  step: string | null
  hostName: string | null
  containerId: string | null
  pid: number
  exitCode: number | null
  oomKilled: boolean
  /** Set in `error`, and on a stop that nobody asked for: code, sentence, explained details. */
  fault: { code: number; message: string; details: string; at: number } | null
  /** Grows with each order (start, reboot, rebuild …): an order is done when `doneGeneration` has reached it. */
  generation: number
  doneGeneration: number
  launchedAt: number | null
  terminatedAt: number | null
  createdAt: number
  updatedAt: number
}

export type WorkloadOrder =
  | { do: 'start' }
  | { do: 'stop'; graceSeconds?: number }
  | { do: 'pause' }
  | { do: 'unpause' }
  | { do: 'suspend' }
  | { do: 'resume' }
  | { do: 'reboot'; hard: boolean; graceSeconds?: number }
  | { do: 'rebuild'; spec: WorkloadSpec }
  | { do: 'resize'; spec: WorkloadSpec }
  | { do: 'replug' }
  | { do: 'delete' }

export interface HostInfo {
  name: string
  id: string
  up: boolean
  enabled: boolean
  disabledReason: string | null
  availabilityZone: string
  vcpus: number
  ramMiB: number
  diskGiB: number
  diskFreeGiB: number
  runningWorkloads: number
  engineVersion: string
  apiVersion: string
  architecture: string
  kernel: string
  address: string
  startedAt: number
  seenAt: number
}

/** Empty lists mean health. `hostsSilent` could not be asked, so nothing is known about them. */
export interface DoctorReport {
  leaks: {
    kind: 'container' | 'link' | 'claim' | 'address' | 'image'
    host: string | null
    id: string
    explanation: string
  }[]
  stuck: { workloadId: string; state: WorkloadState; step: string | null; sinceMs: number }[]
  hostsSilent: string[]
}

/**
 * `waiting`: its bytes are not on the workload's host yet; a container that is to be built waits for them.
 * `attaching` and `detaching`: the host is at it. `failed`: it could not be plugged in; `fault` says why.
 * A volume that its container uses goes from `detaching` back to `attached` with the fault.
 */
export type WorkloadVolumeState = 'waiting' | 'attaching' | 'attached' | 'detaching' | 'failed'

export interface WorkloadVolumeAsk {
  workloadId: string
  volumeId: string
  /** Such as `/dev/vdb`. */
  device: string
  /** `auto`: mounted where it can be; `device`: as a raw device. */
  use: 'auto' | 'device'
  readOnly: boolean
}

export interface WorkloadVolume extends WorkloadVolumeAsk {
  state: WorkloadVolumeState
  /** Where the container sees its files; null: it is a raw device there, or not plugged in yet. */
  mountPath: string | null
  fault: { message: string; at: number } | null
}

/** Each change publishes `workloads.changed` (payload `{ id }` of the workload: look again). */
export interface WorkloadVolumes {
  /** Makes it known, `waiting`. Idempotent. */
  ensure(tx: Tx, volume: WorkloadVolumeAsk): Promise<void>
  /** Its bytes are on the workload's host: it may be plugged in. Does nothing unless it is `waiting`. */
  ready(tx: Tx, volume: Pick<WorkloadVolumeAsk, 'workloadId' | 'volumeId'>): Promise<void>
  /** It is to be taken out; it is gone from `of` once it is. Idempotent. */
  drop(tx: Tx, volume: Pick<WorkloadVolumeAsk, 'workloadId' | 'volumeId'>): Promise<void>
  of(executor: Executor, workloadIds: readonly string[]): Promise<Map<string, WorkloadVolume[]>>
  /** A workload that waits for a volume which will never be there fails with this sentence. */
  buildFail(tx: Tx, workloadId: string, message: string): Promise<void>
}

/** Publishes `workloads.changed` (payload `{ id }`: look again) after each change. */
export interface WorkloadsFacade {
  /** Throws what `ensure` would refuse of a spec, for whoever makes the workload later. */
  check(spec: WorkloadSpec): void
  /**
   * Makes a workload in the caller's transaction, of which nobody else is told. Idempotent by id. Its ports must exist
   * (`neutron.portEnsure`).
   */
  ensure(
    tx: Tx,
    workload: { id: string; ownerService: string; projectId: string; userId: string; name: string; spec: WorkloadSpec },
  ): Promise<Workload>
  /** Records an order and returns its generation; throws `conflict` when the state forbids it. */
  order(tx: Tx, id: string, order: WorkloadOrder): Promise<number>
  rename(tx: Tx, id: string, name: string): Promise<void>
  fetch(id: string): Promise<Workload | undefined>
  fetchMany(ids: string[]): Promise<Map<string, Workload>>
  logs(id: string, tail?: number): Promise<Buffer>
  exec(
    id: string,
    command: string[],
    options?: { user?: string; env?: Record<string, string>; stdin?: string },
  ): Promise<ExecResult>
  stats(id: string): Promise<ContainerStats>
  /** Commits and exports the container into image `imageId` (made by `glance.snapshotEnsure`). Long; idempotent. */
  snapshot(id: string, imageId: string): Promise<void>
  hosts(): Promise<HostInfo[]>
  volumes: WorkloadVolumes
  /** What bears this cloud's mark and belongs to nobody, on hosts and in the books: for `quaystone doctor`. */
  doctor(): Promise<DoctorReport>
  hostUpdate(
    name: string,
    change: { enabled?: boolean; disabledReason?: string | null; availabilityZone?: string },
  ): Promise<HostInfo>
}
