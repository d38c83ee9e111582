/** Looks for what bears our mark and belongs to nobody, and for work that does not get on. Changes nothing. */
import type { ContainerStatus } from '../ports.ts'
import type { DoctorReport } from '../facade.ts'
import type { Host } from '#services/deps.ts'
import { hostsList } from '../store/hosts.ts'
import { deletedIds, liveIds, workloadsFetch, workloadsStuck } from '../store/workloads.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import type { Parts } from './parts.ts'

type Leak = DoctorReport['leaks'][number]
/** Deletions looked back upon. */
const deletedMax = 2000
const stuckAfterMs = 10 * 60_000

export async function doctorReport(parts: Parts): Promise<DoctorReport> {
  const hostsSilent: string[] = []
  const leaks: Leak[] = []
  for (const host of parts.hosts.list()) {
    const containers = await host.runtime.list().catch(() => undefined)
    if (containers === undefined) hostsSilent.push(host.name)
    else leaks.push(...(await strayContainers(parts, host, containers)).map((stray) => leakOf(host, stray)))
  }
  leaks.push(...(await claimLeaks(parts)), ...(await addressLeaks(parts)))
  const now = parts.clock.now()
  const stuck = (await workloadsStuck(parts.db, now - stuckAfterMs)).map(({ id, state, step, updatedAt }) => ({
    workloadId: id,
    state,
    step,
    sinceMs: now - updatedAt,
  }))
  return { leaks, stuck, hostsSilent }
}

export interface Stray {
  container: ContainerStatus
  why: 'unknown' | 'deleted' | 'elsewhere' | 'replaced'
}

/** Containers of this cloud that no workload of this host owns. */
export async function strayContainers(parts: Parts, host: Host, containers: ContainerStatus[]): Promise<Stray[]> {
  const ids = containers.flatMap(({ workloadId }) => workloadId ?? [])
  const records = new Map((await workloadsFetch(parts.db, [...new Set(ids)])).map((record) => [record.id, record]))
  return containers.flatMap((container) => {
    const why = whyStray(host, container, records.get(container.workloadId ?? ''))
    return why === undefined ? [] : [{ container, why }]
  })
}

function whyStray(
  host: Host,
  container: ContainerStatus,
  record: WorkloadRecord | undefined,
): Stray['why'] | undefined {
  if (record === undefined) return 'unknown'
  if (record.state === 'deleted') return 'deleted'
  if (record.todo) return undefined
  if (record.hostName !== host.name) return 'elsewhere'
  return record.containerId !== null && record.containerId !== container.id ? 'replaced' : undefined
}

const reasons: Readonly<Record<Stray['why'], string>> = {
  unknown: 'no workload has its label',
  deleted: 'its workload was deleted',
  elsewhere: 'its workload is on another host, or on none',
  replaced: 'its workload has another container',
}

const leakOf = (host: Host, { container, why }: Stray): Leak => ({
  kind: 'container',
  host: host.name,
  id: container.id,
  explanation: `Container ${container.name}: ${reasons[why]}`,
})

/** Claims on our hosts whose consumer is no workload that lives. Claims on others' providers are their business. */
async function claimLeaks(parts: Parts): Promise<Leak[]> {
  const [consumers, live, hosts] = await Promise.all([
    parts.placement.consumers(),
    liveIds(parts.db),
    hostsList(parts.db),
  ])
  const names = new Map(hosts.map(({ id, name }) => [id, name]))
  return consumers
    .filter(({ consumerId, providerId }) => names.has(providerId) && !live.has(consumerId))
    .map(({ consumerId, providerId }) => ({
      kind: 'claim',
      host: names.get(providerId)!,
      id: consumerId,
      explanation: `Consumer ${consumerId} holds resources of ${names.get(providerId)}, but there is no such workload`,
    }))
}

/** Ports, and with them addresses, that a deleted workload still holds. */
async function addressLeaks(parts: Parts): Promise<Leak[]> {
  const ids = await deletedIds(parts.db, deletedMax)
  if (ids.length === 0) return []
  const held = await parts.neutron.portsOfMany(ids)
  return [...held.values()].flat().map(({ id, deviceId, hostName, fixedIps }) => ({
    kind: 'address',
    host: hostName || null,
    id,
    explanation: `Port ${id} (${fixedIps.map(({ ip }) => ip).join(', ')}) is held by deleted workload ${deviceId}`,
  }))
}
