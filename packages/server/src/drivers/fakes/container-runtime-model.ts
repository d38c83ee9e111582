/** What the fake engine remembers of a container. */
import type { PassThrough } from 'node:stream'
import type { Clock } from '#platform/clock/clock.ts'
import { labels, type ContainerSpec, type ContainerStatus } from '#services/workloads/ports.ts'

export interface FakeRuntimeOptions {
  clock?: Clock
  cloudId?: string
  /** Added to every call, to see what waits for the engine. */
  latencyMs?: number
  vcpus?: number
  ramMiB?: number
  diskGiB?: number
  name?: string
}

export interface Container {
  status: ContainerStatus
  spec: ContainerSpec
  gate: 'open' | 'waiting'
  /** Settles when nobody is at the gate. */
  atGate: Promise<unknown>
  logs: string
  followers: Set<PassThrough>
  files: Map<string, Buffer>
}

export function newStatus({
  id,
  spec,
  command,
  cloudId,
}: {
  id: string
  spec: ContainerSpec
  command: string[]
  cloudId: string
}): ContainerStatus {
  const own = { [labels.owner]: 'quaystone', [labels.cloud]: cloudId, [labels.workload]: spec.workloadId }
  return {
    id,
    workloadId: spec.workloadId,
    name: spec.name,
    state: 'created',
    pid: 0,
    exitCode: 0,
    oomKilled: false,
    restartCount: 0,
    error: '',
    privileged: spec.privileged ?? false,
    labels: { ...spec.labels, ...own },
    image: spec.image,
    command,
    networkMode: spec.networkMode,
    gated: spec.gated ?? spec.networkMode === 'none',
  }
}
