/** The real host network: namespaces, bridges, veths and rules of this machine, kept by `ip`, `nft`, `nsenter`. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type {
  HostLeak,
  HostNetwork,
  HostNetworkReport,
  HostNetworkState,
  WantedNetwork,
  WantedPort,
  WantedRouter,
  WantedSecurityGroup,
} from '#services/neutron/ports.ts'
import { crew } from './crew.ts'
import { HostKeeper } from './host-keeper.ts'
import { leaksOf } from './leaks.ts'
import { Locks } from './locks.ts'
import { legDevice, namesOf, namespacePath, type Names } from './names.ts'
import { watchHost } from './monitor.ts'
import { NetworkKeeper, type Sight } from './network-keeper.ts'
import type { FoundNamespace } from './namespace.ts'
import { Sights } from './observe.ts'
import { checkPort, type PlacedPort } from './port-plan.ts'
import { RecentPorts } from './recent-ports.ts'
import { checkRights } from './rights.ts'
import { RouterKeeper } from './router-keeper.ts'
import { placePort } from './sandboxes.ts'
import { createShell, type Shell } from './shell.ts'
import type { Underlay } from './vxlan-plan.ts'

export interface LinuxNetOptions {
  /** The cloud's own id: the mark of everything that is made. */
  cloudId: string
  /** Tells hosts apart that share one machine's `/run/netns`, as in a lab. */
  hostId?: string
  log: Log
  clock: Clock
  /** Path of the namespace that stands for the host's; default: the one of this process. */
  hostNamespace?: string
  /** Where this host meets the cloud's other hosts; without it networks end at this host. */
  underlay?: Underlay
}

type Found = Map<string, FoundNamespace>

interface Seen {
  at: number
  found: Found
}

export function createLinuxNet(options: LinuxNetOptions): HostNetwork {
  return new LinuxNet(options)
}

class LinuxNet implements HostNetwork {
  readonly #options: LinuxNetOptions
  readonly #names: Names
  readonly #shell: Shell
  readonly #networks: NetworkKeeper
  readonly #routers: RouterKeeper
  readonly #hostSide: HostKeeper
  /** Networks whose leg was made or refused already, by id and subnets. */
  readonly #reached = new Set<string>()
  readonly #syncs = new Locks()
  readonly #recent = new RecentPorts()
  readonly #sights = new Sights()
  #ready: Promise<void> | undefined

  constructor(options: LinuxNetOptions) {
    this.#options = options
    this.#names = namesOf({ cloud: options.cloudId, ...(options.hostId ? { host: options.hostId } : {}) })
    this.#shell = createShell(options.clock, options.hostNamespace)
    this.#networks = new NetworkKeeper(this.#shell, this.#names, options.underlay)
    this.#routers = new RouterKeeper(this.#shell, this.#names)
    this.#hostSide = new HostKeeper(this.#shell, this.#names, options.log)
  }

  async plug(network: WantedNetwork, port: WantedPort, securityGroups: WantedSecurityGroup[]): Promise<void> {
    await this.#prepare()
    checkPort(
      port,
      port.networkId === network.id ? network : undefined,
      new Set(securityGroups.map((group) => group.id)),
    )
    const placed = await placePort(network, port)
    this.#recent.plugged(placed, securityGroups)
    const isNew = await this.#networks.plug(placed, securityGroups).catch((error: unknown) => {
      this.#recent.failed(port.id)
      throw error
    })
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
      await this.#syncAll(wanted, report)
      report.tookMs = this.#options.clock.now() - startedMs
      if (report.commands > 0)
        this.#options.log.info({ commands: report.commands, tookMs: report.tookMs }, 'the host network was repaired')
      return report
    })
  }

  async leaks(wanted: HostNetworkState): Promise<HostLeak[]> {
    await this.#prepare()
    const [namespaces, hostSide] = [await new Sights().all(this.#shell, this.#names), await this.#hostSide.observe()]
    return leaksOf(this.#names, { namespaces, hostSide }, wanted)
  }

  async watch(listener: () => void, signal: AbortSignal): Promise<void> {
    await this.#prepare()
    const { clock, hostNamespace } = this.#options
    const surroundings = { shell: this.#shell, names: this.#names, clock, signal }
    await watchHost(listener, hostNamespace ? { ...surroundings, hostNamespace } : surroundings)
  }

  namespaceOf(networkId: string): string {
    return namespacePath(this.#names.networkNamespace(networkId))
  }

  async #syncAll(wanted: HostNetworkState, report: HostNetworkReport): Promise<void> {
    this.#recent.syncStarts()
    const seen: Seen = { at: this.#networks.now(), found: await this.#sights.all(this.#shell, this.#names) }
    const { found } = seen
    const networks = new Map(
      [...this.#recent.networksBeside(wanted), ...wanted.networks].map((network) => [network.id, network]),
    )
    const fresh = await this.#syncNetworks([...networks.values()], wanted, seen, report)
    await this.#syncRouters(wanted.routers, networks, found, fresh, report)
    await this.#removeOthers(found, [...networks.keys()], wanted.routers, report)
    await this.#syncHostSide([...networks.values()], this.#suspects([...networks.keys()], found, fresh), report)
  }

  /** Answers the ids of networks whose namespace had to be made. */
  async #syncNetworks(
    networks: WantedNetwork[],
    wanted: HostNetworkState,
    { at, found }: Seen,
    report: HostNetworkReport,
  ): Promise<Set<string>> {
    const placed = await this.#placeAll(wanted, report)
    const byNetwork = Map.groupBy(placed, (each) => each.port.networkId)
    const groups = new Map([...this.#recent.groups(), ...wanted.securityGroups].map((group) => [group.id, group]))
    const fresh = new Set<string>()
    await crew(networks, networksAtATime, async (network) => {
      const ports = this.#recent.correct(network.id, byNetwork.get(network.id) ?? [])
      const sight = { at, found: found.get(this.#names.networkNamespace(network.id)) }
      if (await this.#syncNetwork({ network, ports, groups }, sight, report)) fresh.add(network.id)
    })
    return fresh
  }

  async #syncRouters(
    routers: WantedRouter[],
    networks: ReadonlyMap<string, WantedNetwork>,
    found: Found,
    fresh: Set<string>,
    report: HostNetworkReport,
  ): Promise<void> {
    const standing = [...networks.keys()].filter((id) => !fresh.has(id))
    const networkLinks = new Map(
      standing.map((id) => [id, found.get(this.#names.networkNamespace(id))?.links ?? new Map()]),
    )
    await crew(routers, networksAtATime, async (router) => {
      try {
        const is = found.get(this.#names.routerNamespace(router.id))
        const commands = await this.#routers.sync(router, is, { networks, networkLinks })
        report.commands += commands
      } catch (error) {
        report.problems.push({ kind: 'router', id: router.id, reason: (error as Error).message })
      }
    })
  }

  async #removeOthers(
    found: Found,
    networkIds: string[],
    routers: WantedRouter[],
    report: HostNetworkReport,
  ): Promise<void> {
    const kept = new Set([
      ...networkIds.map((id) => this.#names.networkNamespace(id)),
      ...routers.map((router) => this.#names.routerNamespace(router.id)),
    ])
    const others = [...found.keys()].filter((each) => !kept.has(each))
    await crew(others, networksAtATime, async (name) => {
      const isRouter = name.startsWith(this.#names.routerNamespacePrefix)
      await (isRouter ? this.#routers.remove(name) : this.#networks.remove(name))
      report.commands++
    })
  }

  /** Networks whose end of the host's leg is not there: the host's end is about to follow. */
  #suspects(networkIds: string[], found: Found, fresh: Set<string>): Set<string> {
    const isDown = (id: string): boolean => !found.get(this.#names.networkNamespace(id))?.links.get(legDevice)?.up
    return new Set(networkIds.filter((id) => fresh.has(id) || isDown(id)))
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
  async #syncNetwork(
    goal: Parameters<NetworkKeeper['sync']>[0],
    sight: Sight,
    report: HostNetworkReport,
  ): Promise<boolean> {
    try {
      const outcome = await this.#networks.sync(goal, sight)
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
    const place = async (port: WantedPort): Promise<PlacedPort[]> => {
      try {
        const network = networks.get(port.networkId)
        checkPort(port, network, groups)
        return network ? [await placePort(network, port)] : []
      } catch (error) {
        report.portsFailed.push({ portId: port.id, reason: (error as Error).message })
        return []
      }
    }
    return (await Promise.all(wanted.ports.filter((port) => port.sandbox).map(place))).flat()
  }

  #prepare(): Promise<void> {
    this.#ready ??= checkRights(this.#shell).catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }
}

/** Namespaces of their own: the kernel takes its time with each, and little of the machine's. */
const networksAtATime = 4

const reachKey = (network: WantedNetwork): string =>
  JSON.stringify([network.id, network.subnets.map((subnet) => subnet.cidr), network.hostAddresses])
