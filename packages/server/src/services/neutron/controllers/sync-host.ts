/** Keeps every host's network stack as the rows want it: whatever changed, and every half minute. */
import { createHash } from 'node:crypto'
import { defineController, type Controller } from '#platform/controllers/controller.ts'
import type { Bus } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { HostNetworkReport, HostNetworkState } from '../ports.ts'
import { hostState } from '../manager/host-state.ts'
import { portStatusSet } from '../manager/neutron-facade.ts'
import type { NeutronParts } from '../manager/parts.ts'

export const hostDisturbed = 'neutron.host.disturbed'
/** A host is compared with its rows this often, whether or not anybody rang. */
const resyncMs = 30_000

interface Wanted { host: string; state: HostNetworkState; fingerprint: string }

/** What each host was last brought in line with. A host that is forgotten is synced anew. */
export class SyncMemory {
  readonly #clock: Clock
  readonly #last = new Map<string, { fingerprint: string; at: number }>()
  constructor(clock: Clock) { this.#clock = clock }

  isDue({ host, fingerprint }: Wanted): boolean {
    const last = this.#last.get(host)
    return last === undefined || last.fingerprint !== fingerprint || this.#clock.now() - last.at >= resyncMs
  }
  done({ host, fingerprint }: Wanted): void { this.#last.set(host, { fingerprint, at: this.#clock.now() }) }
  forget(host: string): void { this.#last.delete(host) }
}

export const syncHost = (parts: NeutronParts, memory: SyncMemory): Controller<Wanted[], Wanted> => defineController<Wanted[], Wanted>({
  name: 'neutron.sync-host', about: 'Keeps bridges, filters, routers and addresses of each host as the API wants them',
  wakesOn: ['neutron.wanted.changed', hostDisturbed], everySeconds: 30, perPass: 10_000, concurrency: 8,
  observe: () => Promise.all(parts.hosts.list().map(async ({ name }) => {
    const state = await hostState(parts, name)
    return { host: name, state, fingerprint: createHash('sha256').update(JSON.stringify(state)).digest('base64') }
  })),
  plan: (hosts) => hosts.filter((wanted) => memory.isDue(wanted)),
  key: ({ host }) => host,
  act: async (wanted) => {
    const host = parts.hosts.find(wanted.host)
    if (!host) return
    memory.forget(wanted.host)
    const report = await host.network.sync(wanted.state)
    await record(parts, wanted.host, report)
    memory.done(wanted)
  },
})

const record = async (parts: NeutronParts, host: string, { portsUp, portsFailed, problems }: HostNetworkReport): Promise<void> => {
  for (const { kind, id, reason } of problems) parts.log.warn({ host, kind, id, reason }, 'The host could not make a network whole')
  for (const { portId, reason } of portsFailed) parts.log.warn({ host, portId, reason }, 'The host could not make a port whole')
  if (portsUp.length === 0 && portsFailed.length === 0) return
  await parts.db.transaction(async (tx) => {
    for (const id of portsUp) await portStatusSet(parts, tx, id, 'ACTIVE')
    for (const { portId } of portsFailed) await portStatusSet(parts, tx, portId, 'ERROR')
  })
}

/** Rings when somebody else meddles with a host's links or rules. Ends with the signal. */
export const watchHosts = (parts: NeutronParts, { bus, memory }: { bus: Bus; memory: SyncMemory }, signal: AbortSignal): void => {
  for (const { name, network } of parts.hosts.list()) {
    const ring = () => { memory.forget(name); bus.publish(hostDisturbed, { host: name }) }
    network.watch(ring, signal).catch((error: unknown) => {
      if (!signal.aborted) parts.log.warn({ err: error, host: name }, 'The host is not watched; the periodic sync goes on')
    })
  }
}
