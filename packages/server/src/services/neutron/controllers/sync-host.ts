/** Keeps every host's network stack as the rows want it: whatever changed, and every half minute. */
import { createHash } from 'node:crypto'
import { defineController, type Controller } from '#platform/controllers/controller.ts'
import type { Bus } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { hostsChanged, type Host } from '#services/deps.ts'
import type { HostNetworkReport, HostNetworkState } from '../ports.ts'
import { floatingStatusesSet, hasUnreported } from '../manager/routing/floating-ip-status.ts'
import { hostState } from '../manager/host-state.ts'
import { portStatusSet } from '../manager/neutron-facade.ts'
import type { NeutronParts } from '../manager/parts.ts'

export const hostDisturbed = 'neutron.host.disturbed'
/** A host is compared with its rows this often, whether or not anybody rang. */
const resyncMs = 30_000
/** What a plug or unplug has done already is compared this long after the last sync, and not for each port. */
const calmMs = 3_000

interface Wanted {
  host: string
  state: HostNetworkState
  fingerprint: Fingerprint
  /** A floating IP waits to hear whether its router carries it. */
  isAwaited: boolean
}

/** `frame`: all that only a sync brings about. `ports`: by id, without their sandboxes. `whole`: everything. */
interface Fingerprint {
  frame: string
  ports: ReadonlyMap<string, string>
  whole: string
}

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('base64')

export const fingerprintOf = (state: HostNetworkState): Fingerprint => {
  const frame = {
    routers: state.routers,
    networks: state.networks.map((network) => ({ ...network, names: [] })),
    groups: state.securityGroups.map((group) => ({ ...group, memberIps: [] })),
  }
  const ports = new Map(state.ports.map((port) => [port.id, JSON.stringify({ ...port, sandbox: undefined })]))
  return { frame: hashOf(frame), ports, whole: hashOf(state) }
}

/** Ports that come, go or are plugged are their plug's own business; one that was changed is not. */
const isOnlyTraffic = (before: Fingerprint, now: Fingerprint): boolean =>
  before.frame === now.frame && [...now.ports].every(([id, port]) => (before.ports.get(id) ?? port) === port)

/** What each host was last brought in line with. A host that is forgotten is synced anew. */
export class SyncMemory {
  readonly #clock: Clock
  readonly #last = new Map<string, { fingerprint: Fingerprint; at: number }>()
  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds until the host is to be synced; 0: now. Undefined: there is nothing to do. */
  dueIn({ host, fingerprint }: Pick<Wanted, 'host' | 'fingerprint'>): number | undefined {
    const last = this.#last.get(host)
    const ageMs = last === undefined ? Infinity : this.#clock.now() - last.at
    if (last === undefined || ageMs >= resyncMs) return 0
    if (last.fingerprint.whole === fingerprint.whole) return undefined
    return isOnlyTraffic(last.fingerprint, fingerprint) ? Math.max(0, calmMs - ageMs) : 0
  }
  done({ host, fingerprint }: Pick<Wanted, 'host' | 'fingerprint'>): void {
    this.#last.set(host, { fingerprint, at: this.#clock.now() })
  }
  forget(host: string): void {
    this.#last.delete(host)
  }
}

/** Rings once when the earliest of the hosts that can wait is due. */
class LaterBell {
  readonly #bus: Bus
  readonly #clock: Clock
  #isSet = false
  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus
    this.#clock = clock
  }
  set(inMs: number, signal: AbortSignal): void {
    if (this.#isSet || inMs === Infinity || inMs === 0) return
    this.#isSet = true
    void this.#clock.sleep(inMs, signal).then(() => {
      this.#isSet = false
      if (!signal.aborted) this.#bus.publish(hostDisturbed, {})
    })
  }
}

export interface SyncSurroundings {
  memory: SyncMemory
  bus: Bus
  signal: AbortSignal
}

export const syncHost = (
  parts: NeutronParts,
  { memory, bus, signal }: SyncSurroundings,
): Controller<Wanted[], Wanted> => {
  const later = new LaterBell(bus, parts.clock)
  return defineController<Wanted[], Wanted>({
    name: 'neutron.sync-host',
    about: 'Keeps bridges, filters, routers and addresses of each host as the API wants them',
    wakesOn: ['neutron.wanted.changed', hostDisturbed, hostsChanged],
    everySeconds: 30,
    perPass: 10_000,
    concurrency: 8,
    restMs: 500,
    observe: async () => {
      const all = await Promise.all(
        parts.hosts.list().map(async ({ name }) => {
          const state = await hostState(parts, name)
          const isAwaited = await hasUnreported(parts, state.routers)
          return { host: name, state, fingerprint: fingerprintOf(state), isAwaited }
        }),
      )
      later.set(Math.min(...all.map((wanted) => memory.dueIn(wanted) ?? Infinity)), signal)
      return all
    },
    plan: (hosts) => hosts.filter((wanted) => wanted.isAwaited || memory.dueIn(wanted) === 0),
    key: ({ host }) => host,
    act: (wanted) => syncOne(parts, memory, wanted),
  })
}

const syncOne = async (parts: NeutronParts, memory: SyncMemory, wanted: Wanted): Promise<void> => {
  const host = parts.hosts.find(wanted.host)
  if (!host) return
  memory.forget(wanted.host)
  // Read again: another process may have brought the host in line with something newer since the look.
  const state = await hostState(parts, wanted.host)
  const report = await host.network.sync(state)
  await record(parts, wanted.host, report)
  await floatingStatusesSet(parts, state.routers, report)
  memory.done({ host: wanted.host, fingerprint: fingerprintOf(state) })
}

const record = async (
  parts: NeutronParts,
  host: string,
  { portsUp, portsFailed, problems }: HostNetworkReport,
): Promise<void> => {
  for (const { kind, id, reason } of problems)
    parts.log.warn({ host, kind, id, reason }, 'The host could not make a network whole')
  for (const { portId, reason } of portsFailed)
    parts.log.warn({ host, portId, reason }, 'The host could not make a port whole')
  if (portsUp.length === 0 && portsFailed.length === 0) return
  const active = await activeOf(parts, host)
  await parts.db.transaction(async (tx) => {
    for (const id of portsUp) if (!active.has(id)) await portStatusSet(parts, tx, id, 'ACTIVE')
    for (const { portId } of portsFailed) await portStatusSet(parts, tx, portId, 'ERROR')
  })
}

/** Most ports are up and stay up: only the others are read one by one. */
const activeOf = async ({ db }: NeutronParts, host: string): Promise<Set<string>> => {
  const rows = await db
    .as<{ neutron_port: { id: string; host: string; status: string } }>()
    .selectFrom('neutron_port')
    .select('id')
    .where('host', '=', host)
    .where('status', '=', 'ACTIVE')
    .execute()
  return new Set(rows.map(({ id }) => id))
}

/**
 * Rings when somebody else meddles with a host's links or rules, and when a host comes back, of which nobody knows
 * what happened to it meanwhile. Ends with the signal.
 */
export const watchHosts = (
  parts: NeutronParts,
  { bus, memory }: { bus: Bus; memory: SyncMemory },
  signal: AbortSignal,
): void => {
  const watched = new Set<string>()
  const watch = ({ name, network }: Host): void => {
    if (watched.has(name)) return
    watched.add(name)
    const ring = () => {
      memory.forget(name)
      bus.publish(hostDisturbed, { host: name })
    }
    ring()
    network
      .watch(ring, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          parts.log.warn({ err: error, host: name }, 'The host is not watched; the periodic sync goes on')
      })
      .finally(() => watched.delete(name))
  }
  const watchAll = () => parts.hosts.list().forEach(watch)
  const subscription = bus.subscribe(hostsChanged, watchAll)
  signal.addEventListener('abort', () => subscription.unsubscribe())
  watchAll()
}
