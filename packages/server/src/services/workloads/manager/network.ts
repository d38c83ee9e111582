/** Fills a workload's network namespace with its ports, and empties it; keeps Neutron's view of the ports true. */
import type { Host } from '#services/deps.ts'
import type { BeforeCommand, Sandbox } from '../ports.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import type { Parts } from './parts.ts'
import { plugVolumes } from './volumes.ts'

/** The gate of a workload: all is plugged in before the command runs. Undefined: it has no network of ours. */
export function gateOf(parts: Parts, host: Host, record: WorkloadRecord): BeforeCommand | undefined {
  if (record.spec.networkMode !== 'tenant') return undefined
  return async (sandbox) => {
    await Promise.all([
      plugAll(parts, host, record.id, sandbox),
      plugVolumes(parts, host, record.id, sandbox.pid),
    ])
  }
}

export async function plugAll(parts: Parts, host: Host, workloadId: string, sandbox: Sandbox): Promise<void> {
  const plans = await parts.neutron.plugPlans(workloadId, { workloadId, ...sandbox })
  await Promise.all(
    plans.map(async ({ network, port, securityGroups }) => {
      await host.network.plug(network, port, securityGroups)
      await parts.neutron.portStatus(port.id, 'ACTIVE')
    }),
  )
}

/** Removes the host's side of all ports. They stay the workload's, with their addresses. */
export async function unplugAll(parts: Parts, host: Host, workloadId: string): Promise<void> {
  const ports = await parts.neutron.portsOf(workloadId)
  await Promise.all(ports.map((port) => host.network.unplug(port.id)))
}

/** The ports are in no sandbox any more; said also of those that never came up, whose plug may have failed half-way. */
export async function portsDown(parts: Parts, record: WorkloadRecord): Promise<void> {
  if (record.spec.networkMode !== 'tenant') return
  const ports = await parts.neutron.portsOf(record.id)
  await Promise.all(ports.map((port) => parts.neutron.portStatus(port.id, 'DOWN')))
}
