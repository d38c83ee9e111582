/** Containers in another's network namespace: it ends with the other's process, and they stay without a network. */
import type { Host } from '#services/deps.ts'
import type { ContainerStatus } from '../ports.ts'
import { workloadFetch, type WorkloadRecord } from '../store/workloads.ts'
import type { Parts } from './parts.ts'
import { sharedNetworkOf } from './spec.ts'

/** It was started before the other was, so what it is in is the namespace of a process that is no more. */
export const isStranded = (status: ContainerStatus, other: ContainerStatus): boolean =>
  status.networkMode !== modeOf(other.id) || Date.parse(other.startedAt ?? '') > Date.parse(status.startedAt ?? '')

const modeOf = (containerId: string | null | undefined): string => `container:${containerId}`

/**
 * A container is bound for life to the one whose namespace it shares. When that was made anew, this one has to be
 * too, before it can start again: it is removed, and undefined is the answer. What it wrote to its disk goes with it.
 */
export async function withoutLostShare(
  parts: Parts,
  host: Host,
  record: WorkloadRecord,
  status: ContainerStatus | undefined,
): Promise<ContainerStatus | undefined> {
  const otherId = sharedNetworkOf(record.spec)
  if (otherId === undefined || status === undefined) return status
  const other = await workloadFetch(parts.db, otherId)
  if (!other?.containerId || status.networkMode === modeOf(other.containerId)) return status
  parts.log.info(
    { workload: record.id, other: otherId },
    'The container whose network is shared was made anew: so is this',
  )
  await host.runtime.remove(status.id)
  return undefined
}
