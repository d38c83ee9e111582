/** The real host network: namespaces, bridges, veths and nft rules of this machine, kept by `ip`, `nft` and `nsenter`. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type {
  HostLeak, HostNetwork, HostNetworkReport, HostNetworkState, WantedNetwork, WantedPort, WantedSecurityGroup,
} from '#services/neutron/ports.ts'
import { HostKeeper } from './host-keeper.ts'
import { leaksOf } from './leaks.ts'
import { Locks } from './locks.ts'
import { legDevice, namesOf, namespacePath, type Names } from './names.ts'
import { NetworkKeeper } from './network-keeper.ts'
import type { FoundNetwork, NetworkGoal } from './network-plan.ts'
import { observeNetworks } from './observe.ts'
import { checkPort, type PlacedPort } from './port-plan.ts'
import { checkRights } from './rights.ts'
import { placePort } from './sandboxes.ts'
import { createShell, type Shell } from './shell.ts'

export interface LinuxNetOptions {
  /** The cloud's own id: the mark of everything that is made. */
  cloudId: string
  /** Tells hosts apart that share one machine's `/run/netns`, as in a lab. */
  hostId?: string
  log: Log
  clock: Clock
  /** Path of the namespace that stands for the host's; default: the one of this process. */
  hostNamespace?: string
}

export function createLinuxNet(options: LinuxNetOptions): HostNetwork { return new LinuxNet(options) }

class LinuxNet implements HostNetwork {
  readonly #options: LinuxNetOptions
  readonly #names: Names
  readonly #shell: Shell
  readonly #networks: NetworkKeeper
  readonly #hostSide: HostKeeper
  /** Networks whose leg was made or refused already, by id and subnets. */
  readonly #reached = new Set<string>()
  readonly #syncs = new Locks()
  readonly #recent = new RecentPorts()
  #ready: Promise<void> | undefined

  constructor(options: LinuxNetOptions) {
    this.#options = options
    this.#names = namesOf({ cloud: options.cloudId, ...(options.hostId ? { host: options.hostId } : {}) })
    this.#shell = createShell(options.hostNamespace)
    this.#networks = new NetworkKeeper(this.#shell, this.#names)
    this.#hostSide = new HostKeeper(this.#shell, this.#names, options.log)
  }

  async plug(network: WantedNetwork, port: WantedPort, securityGroups: WantedSecurityGroup[]): Promise<void> {
    await this.#prepare()
    checkPort(port, port.networkId === network.id ? network : undefined, new Set(securityGroups.map((group) => group.id)))
    const placed = await placePort(network, port)
    this.#recent.plugged(placed)
    const isNew = await this.#networks.plug(placed, securityGroups)
    await this.#reach(network, isNew)
  }

  async unplug(portId: string, networkId?: string): Promise<void> {
    await this.#prepare()
    this.#recent.unplugged(portId)
    await this.#networks.unplug(portId, networkId)
  }

  async sync(wanted: HostNetworkState): Promise<HostNetworkReport> {
    await this.#prepare()
    return await this.#syncs.run('sync', async () => {
      const startedMs = this.#options.clock.now()
      const report: HostNetworkReport = { portsUp: [], portsFailed: [], problems: [], commands: 0, tookMs: 0 }
      await this.#syncNetworks(wanted, report)
      report.tookMs = this.#options.clock.now() - startedMs
      if (report.commands > 0) this.#options.log.info({ commands: report.commands, tookMs: report.tookMs }, 'the host network was repaired')
      return report
    })
  }

  async leaks(wanted: HostNetworkState): Promise<HostLeak[]> {
    await this.#prepare()
    const [networks, hostSide] = [await observeNetworks(this.#shell, this.#names), await this.#hostSide.observe()]
    return leaksOf(this.#names, { networks, hostSide }, wanted)
  }

  async watch(_listener: () => void, _signal: AbortSignal): Promise<void> {}

  namespaceOf(networkId: string): string { return namespacePath(this.#names.networkNamespace(networkId)) }

  async #syncNetworks(wanted: HostNetworkState, report: HostNetworkReport): Promise<void> {
    this.#recent.syncStarts()
    const found = await observeNetworks(this.#shell, this.#names)
    const placed = await this.#placeAll(wanted, report)
    const networks = new Map([...this.#recent.networksBeside(wanted), ...wanted.networks].map((network) => [network.id, network]))
    const groups = new Map(wanted.securityGroups.map((group) => [group.id, group]))
    const suspects = new Set<string>()
    for (const network of networks.values()) {
      const ports = this.#recent.correct(network.id, placed.filter((each) => each.port.networkId === network.id))
      const namespace = found.get(this.#names.networkNamespace(network.id))
      const isNew = await this.#syncNetwork({ network, ports, neighbours: [], groups, reap: true }, namespace, report)
      if (isNew || !namespace?.links.get(legDevice)?.up) suspects.add(network.id)
    }
    const kept = new Set([...networks.keys()].map((id) => this.#names.networkNamespace(id)))
    for (const name of found.keys()) if (!kept.has(name)) { await this.#networks.remove(name); report.commands++ }
    await this.#syncHostSide([...networks.values()], suspects, report)
  }

  async #syncHostSide(networks: WantedNetwork[], suspects: Set<string>, report: HostNetworkReport): Promise<void> {
    const alive = networks.filter((network) => !report.problems.some((problem) => problem.id === network.id))
    try {
      report.commands += await this.#hostSide.keep(alive, true, suspects)
      this.#reached.clear()
      for (const network of alive) this.#reached.add(reachKey(network))
    } catch (error) {
      const reason = (error as Error).message
      for (const network of alive) report.problems.push({ kind: 'network', id: network.id, reason })
    }
  }

  /** The host's way to a network is made with its first port, and by every sync. */
  async #reach(network: WantedNetwork, isNew: boolean): Promise<void> {
    if (!isNew && this.#reached.has(reachKey(network))) return
    await this.#hostSide.keep([network], false, new Set(isNew ? [network.id] : []))
    this.#reached.add(reachKey(network))
  }

  /** True: the namespace had to be made. One network's failure is its own. */
  async #syncNetwork(goal: NetworkGoal, found: FoundNetwork | undefined, report: HostNetworkReport): Promise<boolean> {
    try {
      const outcome = await this.#networks.sync(goal, found)
      report.commands += outcome.commands
      for (const { port } of goal.ports) {
        const reason = outcome.failed.get(port.id)
        if (reason !== undefined) report.portsFailed.push({ portId: port.id, reason })
        else if (port.adminUp) report.portsUp.push(port.id)
      }
      return outcome.isNew
    } catch (error) {
      const reason = (error as Error).message
      report.problems.push({ kind: 'network', id: goal.network.id, reason })
      for (const { port } of goal.ports) report.portsFailed.push({ portId: port.id, reason })
      return false
    }
  }

  async #placeAll(wanted: HostNetworkState, report: HostNetworkReport): Promise<PlacedPort[]> {
    const networks = new Map(wanted.networks.map((network) => [network.id, network]))
    const groups = new Set(wanted.securityGroups.map((group) => group.id))
    const placed: PlacedPort[] = []
    for (const port of wanted.ports.filter((each) => each.sandbox)) {
      try {
        const network = networks.get(port.networkId)
        checkPort(port, network, groups)
        if (network) placed.push(await placePort(network, port))
      } catch (error) {
        report.portsFailed.push({ portId: port.id, reason: (error as Error).message })
      }
    }
    return placed
  }

  #prepare(): Promise<void> {
    this.#ready ??= checkRights(this.#shell).catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }
}

const reachKey = (network: WantedNetwork): string => JSON.stringify([network.id, network.subnets.map((subnet) => subnet.cidr), network.hostAddresses])

/**
 * Ports that were plugged or unplugged around a sync. The wanted state was computed before the sync began, so it may
 * not know a port that was plugged meanwhile: such a port is reaped by the next sync at the earliest.
 */
class RecentPorts {
  #plugged = new Map<string, PlacedPort>()
  #previous = new Map<string, PlacedPort>()
  readonly #gone = new Set<string>()

  plugged(placed: PlacedPort): void {
    this.#plugged.set(placed.port.id, placed)
    this.#gone.delete(placed.port.id)
  }

  unplugged(portId: string): void {
    this.#plugged.delete(portId)
    this.#previous.delete(portId)
    this.#gone.add(portId)
  }

  syncStarts(): void {
    this.#previous = this.#plugged
    this.#plugged = new Map()
    this.#gone.clear()
  }

  networksBeside(wanted: HostNetworkState): WantedNetwork[] {
    const known = new Set(wanted.networks.map((network) => network.id))
    return this.#all().map((placed) => placed.network).filter((network) => !known.has(network.id))
  }

  /** Adds what was plugged meanwhile, takes out what was unplugged meanwhile. */
  correct(networkId: string, placed: PlacedPort[]): PlacedPort[] {
    const listed = new Set(placed.map((each) => each.port.id))
    const extra = this.#all().filter((each) => each.network.id === networkId && !listed.has(each.port.id))
    return [...placed, ...extra].filter((each) => !this.#gone.has(each.port.id))
  }

  #all(): PlacedPort[] { return [...this.#previous.values(), ...this.#plugged.values()] }
}
