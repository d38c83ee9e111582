/** A host's network stack in memory: it keeps what the real one would make, and fails when a test says so. */
import { parseAddress } from '#engines/cidr/address.ts'
import { isMac } from '#engines/cidr/mac.ts'
import type {
  HostLeak,
  HostNetwork,
  HostNetworkReport,
  HostNetworkState,
  WantedNetwork,
  WantedPort,
  WantedSecurityGroup,
} from '#services/neutron/ports.ts'

/** What exists on the pretended host, and the handles by which a test meddles with it. */
export interface FakeHostNetwork extends HostNetwork {
  readonly networks: ReadonlyMap<string, WantedNetwork>
  readonly ports: ReadonlyMap<string, WantedPort>
  readonly routers: ReadonlyMap<string, HostNetworkState['routers'][number]>
  readonly securityGroups: ReadonlyMap<string, WantedSecurityGroup>
  /** Every call in order: `plug <port>`, `unplug <port>`, `sync`. */
  readonly calls: readonly string[]
  /** The next `times` calls about this port fail with `reason`; `Infinity` for all. */
  failPort(portId: string, reason: string, times?: number): void
  /** The container's namespace is gone, as after `docker restart`: its ports vanish and watchers are told. */
  loseSandbox(workloadId: string): void
  /** Somebody deletes the network's bridge by hand. */
  loseNetwork(networkId: string): void
}

/** @param cloud the mark that `leaks` reports. */
export function createFakeHostNetwork(cloud = 'fake'): FakeHostNetwork {
  return new MemoryHostNetwork(cloud)
}

class MemoryHostNetwork implements FakeHostNetwork {
  readonly networks = new Map<string, WantedNetwork>()
  readonly ports = new Map<string, WantedPort>()
  readonly routers = new Map<string, HostNetworkState['routers'][number]>()
  readonly securityGroups = new Map<string, WantedSecurityGroup>()
  readonly calls: string[] = []
  readonly #failures = new Map<string, { reason: string; left: number }>()
  readonly #listeners = new Set<() => void>()
  readonly #cloud: string

  constructor(cloud: string) {
    this.#cloud = cloud
  }

  async plug(network: WantedNetwork, port: WantedPort, securityGroups: WantedSecurityGroup[]): Promise<void> {
    this.calls.push(`plug ${port.id}`)
    this.#throwIfTold(port.id)
    const reason = refusalOf(port, [network], securityGroups)
    if (reason) throw new Error(reason)
    this.networks.set(network.id, structuredClone(network))
    for (const group of securityGroups) this.securityGroups.set(group.id, structuredClone(group))
    this.ports.set(port.id, structuredClone(port))
  }

  async unplug(portId: string): Promise<void> {
    this.calls.push(`unplug ${portId}`)
    this.#throwIfTold(portId)
    this.ports.delete(portId)
  }

  async sync(wanted: HostNetworkState): Promise<HostNetworkReport> {
    this.calls.push('sync')
    const report: HostNetworkReport = { portsUp: [], portsFailed: [], problems: [], commands: 0, tookMs: 0 }
    const reachable: WantedPort[] = []
    for (const port of wanted.ports) {
      const reason = this.#failure(port.id) ?? refusalOf(port, wanted.networks, wanted.securityGroups)
      if (reason) report.portsFailed.push({ portId: port.id, reason })
      else reachable.push(port)
    }
    report.portsUp = reachable.filter((port) => port.sandbox && port.adminUp).map((port) => port.id)
    report.commands += replace(this.networks, wanted.networks) + replace(this.securityGroups, wanted.securityGroups)
    report.commands += replace(this.ports, reachable) + replace(this.routers, wanted.routers)
    return report
  }

  async leaks(wanted: HostNetworkState): Promise<HostLeak[]> {
    const strangers = (kind: HostLeak['kind'], have: Iterable<string>, want: { id: string }[]): HostLeak[] =>
      [...have].filter((id) => !want.some((item) => item.id === id)).map((name) => ({ kind, name, mark: this.#cloud }))
    return [
      ...strangers('bridge', this.networks.keys(), wanted.networks),
      ...strangers('link', this.ports.keys(), wanted.ports),
      ...strangers('netns', this.routers.keys(), wanted.routers),
      ...strangers('nft', this.securityGroups.keys(), wanted.securityGroups),
    ]
  }

  watch(listener: () => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    this.#listeners.add(listener)
    return new Promise((resolve) =>
      signal.addEventListener(
        'abort',
        () => {
          this.#listeners.delete(listener)
          resolve()
        },
        { once: true },
      ),
    )
  }

  namespaceOf(networkId: string): string {
    return `/run/netns/qnt-${this.#cloud}-${networkId}`
  }

  failPort(portId: string, reason: string, times = 1): void {
    this.#failures.set(portId, { reason, left: times })
  }

  loseSandbox(workloadId: string): void {
    for (const port of this.ports.values()) if (port.sandbox?.workloadId === workloadId) this.ports.delete(port.id)
    this.#tell()
  }

  loseNetwork(networkId: string): void {
    this.networks.delete(networkId)
    for (const port of this.ports.values()) if (port.networkId === networkId) this.ports.delete(port.id)
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #throwIfTold(portId: string): void {
    const reason = this.#failure(portId)
    if (reason) throw new Error(reason)
  }

  #failure(portId: string): string | undefined {
    const failure = this.#failures.get(portId)
    if (!failure || failure.left <= 0) return undefined
    failure.left--
    return failure.reason
  }
}

/** The refusals of the real driver that need no packets: the same words, so that callers may test on them. */
function refusalOf(port: WantedPort, networks: WantedNetwork[], groups: WantedSecurityGroup[]): string | undefined {
  if (!networks.some((network) => network.id === port.networkId))
    return `port ${port.id}: network ${port.networkId} is not given`
  if (!isMac(port.mac)) return `port ${port.id}: ${port.mac} is not a MAC address`
  const address = port.addresses.find((given) => !parseAddress(given.ip))
  if (address) return `port ${port.id}: ${address.ip} is not an IP address`
  const missing = port.securityGroupIds.find((id) => !groups.some((group) => group.id === id))
  return missing && `port ${port.id}: security group ${missing} is not given`
}

/** Makes `have` equal to `want`; returns the number of things that changed. */
function replace<T extends { id: string }>(have: Map<string, T>, want: T[]): number {
  const ids = new Set(want.map((item) => item.id))
  const gone = [...have.keys()].filter((id) => !ids.has(id))
  const changed = want.filter((item) => JSON.stringify(have.get(item.id)) !== JSON.stringify(item))
  for (const id of gone) have.delete(id)
  for (const item of changed) have.set(item.id, structuredClone(item))
  return gone.length + changed.length
}
