/** Keeps every host's network stack as the rows want it: whatever changed, and every half minute. */
import { defineController, type Controller } from '#platform/controllers/controller.ts'
import type { Bus } from '#platform/bus/bus.ts'
import type { Host } from '#services/deps.ts'
import type { HostNetworkReport } from '../ports.ts'
import { hostState } from '../manager/host-state.ts'
import { portStatusSet } from '../manager/neutron-facade.ts'
import type { NeutronParts } from '../manager/parts.ts'

export const hostDisturbed = 'neutron.host.disturbed'
/** Changes that come in a burst are one sync. */
const gatherMs = 100

export const syncHost = (parts: NeutronParts): Controller<string[], { host: string }> => defineController<string[], { host: string }>({
  name: 'neutron.sync-host', about: 'Keeps bridges, filters, routers and addresses of each host as the API wants them',
  wakesOn: ['neutron.wanted.changed', hostDisturbed], everySeconds: 30, perPass: 10_000, concurrency: 8,
  observe: async () => {
    await parts.clock.sleep(gatherMs)
    return parts.hosts.list().map(({ name }) => name)
  },
  plan: (names) => names.map((host) => ({ host })),
  key: ({ host }) => host,
  act: async ({ host }) => {
    const found = parts.hosts.find(host)
    if (found) await syncOne(parts, found)
  },
})

const syncOne = async (parts: NeutronParts, host: Host): Promise<void> => {
  const state = await hostState(parts, host.name)
  const report = await host.network.sync(state)
  for (const { kind, id, reason } of report.problems) parts.log.warn({ host: host.name, kind, id, reason }, 'The host could not make a network whole')
  await record(parts, report)
}

const record = async (parts: NeutronParts, { portsUp, portsFailed }: HostNetworkReport): Promise<void> => {
  for (const { portId, reason } of portsFailed) parts.log.warn({ portId, reason }, 'The host could not make a port whole')
  if (portsUp.length === 0 && portsFailed.length === 0) return
  await parts.db.transaction(async (tx) => {
    for (const id of portsUp) await portStatusSet(parts, tx, id, 'ACTIVE')
    for (const { portId } of portsFailed) await portStatusSet(parts, tx, portId, 'ERROR')
  })
}

/** Rings when somebody else meddles with a host's links or rules. Ends with the signal. */
export const watchHosts = (parts: NeutronParts, bus: Bus, signal: AbortSignal): void => {
  for (const { name, network } of parts.hosts.list()) {
    network.watch(() => bus.publish(hostDisturbed, { host: name }), signal).catch((error: unknown) => {
      if (!signal.aborted) parts.log.warn({ err: error, host: name }, 'The host is not watched; the periodic sync goes on')
    })
  }
}
