/** What workloads need from a container engine. Implemented by `drivers/docker` and `drivers/fakes`. */
import type { Readable } from 'node:stream'

/** Every object Quaystone makes on an engine carries these labels, so that leaks are findable. */
export const labels = {
  owner: 'org.quaystone.owner', // 'quaystone'
  cloud: 'org.quaystone.cloud', // the data directory's own id
  workload: 'org.quaystone.workload', // workload uuid
  image: 'org.quaystone.image', // Glance image id
} as const

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead' | 'removing'

/** `workloadId` is the idempotency key: `create` with the same id returns the container that exists. */
export interface ContainerSpec {
  workloadId: string
  name: string
  image: string
  hostname: string
  domainname?: string
  command?: string[]
  entrypoint?: string[]
  env: Record<string, string>
  user?: string
  workingDir?: string
  tty?: boolean
  stdinOpen?: boolean
  labels: Record<string, string>
  resources: { vcpus: number; ramMiB: number; pids?: number; cpuShares?: number; cpuset?: string }
  mounts: ContainerMount[]
  /** `none`: the container starts in an empty network namespace that Quaystone fills before the command runs. */
  networkMode: 'none' | 'bridge' | 'host' | `container:${string}`
  publishedPorts?: { containerPort: number; protocol: 'tcp' | 'udp'; hostIp?: string; hostPort?: number }[]
  dns?: string[]
  /** Domains in which short names are looked for; empty: none. Absent: the engine's choice. */
  dnsSearch?: string[]
  extraHosts?: Record<string, string>
  healthCheck?: { test: string[]; intervalMs?: number; timeoutMs?: number; retries?: number }
  restartPolicy?: { name: 'no' | 'always' | 'on-failure' | 'unless-stopped'; maximumRetries?: number }
  capAdd?: string[]
  capDrop?: string[]
  devices?: { hostPath: string; containerPath: string; permissions: string }[]
  privileged?: boolean
  readOnly?: boolean
  stopSignal?: string
  /** Hold the command back until the gate opens (see `openGate`). Default: exactly when `networkMode` is `none`. */
  gated?: boolean
}

export type ContainerMount =
  | { type: 'bind'; source: string; target: string; readOnly?: boolean; propagation?: 'rprivate' | 'rslave' }
  | { type: 'volume'; source: string; target: string; readOnly?: boolean }
  | { type: 'tmpfs'; target: string; sizeBytes?: number }

export interface ContainerStatus {
  id: string
  workloadId?: string
  name: string
  state: ContainerState
  /** PID of the container's first process on the host; 0 when it does not run. */
  pid: number
  exitCode: number
  oomKilled: boolean
  restartCount: number
  error: string
  startedAt?: string
  finishedAt?: string
  privileged: boolean
  labels: Record<string, string>
  image: string
  /** ENTRYPOINT and CMD as the user gave them (or the image), never the engine-side wrapper. */
  command: string[]
  networkMode: string
  /** True when the container was made with a gate: after each (re)start its command waits for `openGate`. */
  gated: boolean
}

/** A running container's network namespace: the PID of a process in it and the path of the namespace. */
export interface Sandbox {
  pid: number
  netns: string
}
/** Fills the network namespace. It may run again for the same container, after each restart. */
export type BeforeCommand = (sandbox: Sandbox) => Promise<void>

/** Facts read from an image in the engine. `hasCommand` false means: no ENTRYPOINT and no CMD. */
export interface EngineImage {
  id: string
  tags: string[]
  sizeBytes: number
  hasCommand: boolean
  entrypoint: string[]
  command: string[]
  architecture: string
}

export interface EngineInfo {
  name: string
  apiVersion: string
  engineVersion: string
  storeKind: 'graphdriver' | 'containerd'
  vcpus: number
  ramMiB: number
  diskGiB: number
  diskFreeGiB: number
  architecture: string
  kernel: string
  runningContainers: number
}

export interface ExecResult {
  exitCode: number
  output: Buffer
}
export interface ContainerStats {
  cpuTimeNs: number
  memoryBytes: number
  memoryMaxBytes: number
  pids: number
  blkReadBytes: number
  blkWriteBytes: number
}
/**
 * `action` is the engine's own word (`start`, `die`, `oom`, `pause`, `destroy`…). A `daemon` event with action
 * `resync` comes at each (re)connection: events may have been missed, so compare everything.
 */
export interface EngineEvent {
  kind: 'container' | 'image' | 'daemon'
  action: string
  containerId?: string
  workloadId?: string
  exitCode?: number
  atMs: number
}

/**
 * One container engine. Every method is idempotent (by label or id) unless it says otherwise, and throws
 * `Refusal` kinds: `notFound` (no such container/image), `conflict` (state forbids), `badRequest` (the engine
 * refused the spec: its sentence is passed on), `unavailable` (engine unreachable or full; retry
 * later), `internal` (the engine itself failed: its sentence is passed on).
 */
export interface ContainerRuntime {
  info(signal?: AbortSignal): Promise<EngineInfo>
  ping(): Promise<boolean>

  /**
   * Creates (does not start). The command will not run before `start` returns from `beforeCommand`:
   * see `start`.
   */
  create(spec: ContainerSpec): Promise<{ id: string }>
  /**
   * Starts the container. With `beforeCommand`, the network namespace exists and is handed over
   * (`pid` of a process in it, `netns` path) and is filled before the container's own command runs.
   * If `beforeCommand` throws, the container does not run its command and is stopped. On a container that
   * runs already, it finishes what a dead caller left: a waiting gate is opened, an open one is left alone.
   */
  start(id: string, beforeCommand?: BeforeCommand): Promise<ContainerStatus>
  /**
   * For restarts that the engine made by itself (restart policy, daemon restart): fills the new, empty network
   * namespace and lets the command run. Returns false, without calling `beforeCommand`, when nothing waits
   * (not gated, not running, already open). Fails as `start` does.
   */
  openGate(id: string, beforeCommand?: BeforeCommand): Promise<boolean>
  /** True while a gated container runs and its command has not begun. */
  gateWaiting(id: string): Promise<boolean>
  stop(id: string, graceSeconds: number): Promise<void>
  kill(id: string, signal?: string): Promise<void>
  pause(id: string): Promise<void>
  unpause(id: string): Promise<void>
  rename(id: string, name: string): Promise<void>
  update(id: string, resources: Partial<ContainerSpec['resources']>): Promise<void>
  remove(id: string): Promise<void>
  inspect(id: string): Promise<ContainerStatus>
  /** Only containers that carry `labels.cloud` = this cloud; foreign containers are never seen. */
  list(): Promise<ContainerStatus[]>
  stats(id: string): Promise<ContainerStats>
  /** Merged stdout and stderr, without the engine's framing. `tail` in lines. */
  logs(id: string, options: { tail?: number; timestamps?: boolean }): Promise<Buffer>
  followLogs(id: string, signal: AbortSignal): Promise<Readable>
  exec(
    id: string,
    command: string[],
    options?: { env?: Record<string, string>; user?: string; stdin?: string | Buffer },
  ): Promise<ExecResult>
  /** A TTY session, full duplex. */
  attachTerminal(
    id: string,
    command: string[],
    size: { columns: number; rows: number },
  ): Promise<{ stream: import('node:stream').Duplex; resize(size: { columns: number; rows: number }): Promise<void> }>
  putArchive(id: string, path: string, tar: Buffer | Readable): Promise<void>
  getArchive(id: string, path: string): Promise<Readable>

  imageInspect(reference: string): Promise<EngineImage | undefined>
  /**
   * Loads a `docker save` tar (or OCI layout tar); returns what it held. Names inside the tar are ignored, since
   * they could take another tenant's: pass `reference` to name the (single) image, or use `imageTag`.
   */
  imageLoad(tar: Readable, reference?: string): Promise<EngineImage[]>
  /** Makes an image from a root file system tar. */
  imageImport(tar: Readable, reference: string, changes: string[]): Promise<EngineImage>
  imageTag(id: string, reference: string): Promise<void>
  imageList(): Promise<EngineImage[]>
  imageRemove(reference: string): Promise<void>
  /** Commits a container to an image under `reference`. */
  commit(id: string, reference: string, labels: Record<string, string>): Promise<EngineImage>
  /** `docker save` of one reference. */
  imageSave(reference: string): Promise<Readable>

  /** Calls `listener` for each engine event until the signal aborts; reconnects by itself. */
  watch(listener: (event: EngineEvent) => void, signal: AbortSignal): Promise<void>
}
