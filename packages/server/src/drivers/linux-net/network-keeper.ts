/** Keeps the networks of one host: plugs and unplugs single ports, and brings whole networks to their wanted state. */
import type { WantedNetwork, WantedSecurityGroup } from '#services/neutron/ports.ts'
import { emptyFound, type Filter, type FoundFilter } from './filter-model.ts'
import { forget, merge, planAddition, planRemoval } from './filter-plan.ts'
import { portFilter, type Groups } from './filter-wanted.ts'
import { Changes } from './changes.ts'
import { crew } from './crew.ts'
import { Locks } from './locks.ts'
import { digest, namespacePath, portDevice, type Names } from './names.ts'
import { removeNamespace, type FoundNamespace } from './namespace.ts'
import { planNetwork, type NetworkGoal, type NetworkPlan } from './network-plan.ts'
import { observeNamespace, Sights } from './observe.ts'
import { hostSideLine, portAlias, sandboxSteps, type PlacedPort } from './port-plan.ts'
import type { Underlay } from './vxlan-plan.ts'
import { countLines, failedLines, ownFailures, runSteps, type Shell, type Step } from './shell.ts'

/** What became of a network: ports that failed by id, the number of commands, and whether its namespace is new. */
export interface NetworkOutcome {
  failed: Map<string, string>
  commands: number
  isNew: boolean
}

/** A network's namespace as it was seen; undefined: there was none. */
export interface Sight {
  at: number
  found: FoundNamespace | undefined
}

/** What this process knows of a network without looking. `print` is empty once a command has failed: look again. */
interface Known {
  print: string
  filter: FoundFilter
  ports: Map<string, PlacedPort>
  groups: Map<string, WantedSecurityGroup>
}

export class NetworkKeeper {
  readonly #known = new Map<string, Known>()
  readonly #locks = new Locks()
  readonly #changes = new Changes()
  /** The goals that these sights meet. */
  readonly #settled = new WeakMap<FoundNamespace, string>()
  readonly #shell: Shell
  readonly #names: Names

  readonly #underlay: Underlay | undefined

  constructor(shell: Shell, names: Names, underlay: Underlay | undefined) {
    this.#shell = shell
    this.#names = names
    this.#underlay = underlay
  }

  /** One port, without a look at the others when nothing was disturbed since. True: the namespace is new. */
  plug(placed: PlacedPort, groups: WantedSecurityGroup[]): Promise<boolean> {
    const byId = new Map(groups.map((group) => [group.id, group]))
    return this.#alone(placed.network.id, async () => {
      if (await this.#plugFast(placed, byId)) return false
      return await this.#plugCarefully(placed, byId)
    })
  }

  async unplug(portId: string, networkId?: string): Promise<void> {
    const namespaces = networkId ? [this.#names.networkNamespace(networkId)] : await this.#namespacesOf(portId)
    for (const namespace of namespaces)
      await this.#alone(this.#idOf(namespace), () => this.#unplugFrom(namespace, portId))
  }

  /** A moment: what is seen after it is no older. */
  now(): number {
    return this.#changes.now()
  }

  /** The whole network. It was seen without a lock: when we have changed it since, it is looked at again. */
  async sync(
    wanted: Omit<NetworkGoal, 'neighbours' | 'reap' | 'underlay'>,
    { at, found }: Sight,
  ): Promise<NetworkOutcome> {
    const goal: NetworkGoal = {
      ...wanted,
      neighbours: [],
      reap: true,
      ...(this.#underlay ? { underlay: this.#underlay } : {}),
    }
    const plan = this.#planUnlessSettled(found, goal)
    if (!plan) return { failed: new Map(), commands: 0, isNew: false }
    const { id } = goal.network
    return await this.#alone(id, async () => {
      if (!this.#changes.since(id, at)) return await this.#carryOut(plan, goal, found)
      return await this.#repair(goal, await this.#look(id))
    })
  }

  /** Changes to one network are made one after another. */
  #alone<T>(networkId: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(networkId, () => this.#changes.around(networkId, work))
  }

  /** Undefined: there is nothing to do. Planned once for the same sight and the same goal. */
  #planUnlessSettled(found: FoundNamespace | undefined, goal: NetworkGoal): NetworkPlan | undefined {
    const print = printOfGoal(goal)
    if (found && this.#settled.get(found) === print) return undefined
    const plan = planNetwork(this.#names, found, goal)
    if (!found || !isEmpty(plan)) return plan
    this.#settled.set(found, print)
    return undefined
  }

  /** A network that nobody wants: its namespace and everything in it. */
  async remove(namespace: string): Promise<void> {
    await this.#locks.run(this.#idOf(namespace), async () => {
      this.#known.delete(this.#idOf(namespace))
      this.#changes.forget(this.#idOf(namespace))
      await runSteps(this.#shell, [
        { about: `remove namespace ${namespace}`, tool: 'sh', lines: [removeNamespace(namespace)] },
      ])
    })
  }

  async #plugFast(placed: PlacedPort, groups: Groups): Promise<boolean> {
    const known = this.#known.get(placed.network.id)
    if (known?.print !== printOfNetwork(placed.network)) return false
    const before = known.ports.get(placed.port.id)
    if (before && portAlias(this.#names, before) === portAlias(this.#names, placed)) return false
    const part = portFilter(placed.port, groups)
    const netns = namespacePath(this.#names.networkNamespace(placed.network.id))
    const steps: Step[] = [
      {
        about: `filter port ${placed.port.id}`,
        tool: 'nft',
        netns,
        lines: planAddition(known.filter, part, this.#names.table),
      },
      ...sandboxSteps(this.#names, placed),
      { about: `connect port ${placed.port.id}`, tool: 'ip', netns, lines: [hostSideLine(this.#names, placed)] },
    ]
    try {
      await runSteps(this.#shell, steps)
    } catch {
      // Somebody changed the host behind our back: the careful way looks first, and reports what then still fails.
      known.print = ''
      return false
    }
    merge(known.filter, part)
    known.ports.set(placed.port.id, placed)
    for (const [id, group] of groups) known.groups.set(id, group)
    return true
  }

  async #plugCarefully(placed: PlacedPort, given: Groups): Promise<boolean> {
    const found = await this.#look(placed.network.id)
    const known = this.#known.get(placed.network.id)
    const neighbours = [...(known?.ports.values() ?? [])].filter((each) => each.port.id !== placed.port.id)
    const groups = new Map([...(known?.groups ?? []), ...given])
    const outcome = await this.#repair(
      {
        network: placed.network,
        ports: [placed],
        neighbours,
        groups,
        reap: false,
        ...(this.#underlay ? { underlay: this.#underlay } : {}),
      },
      found,
    )
    const reason = outcome.failed.get(placed.port.id)
    if (reason === undefined) return outcome.isNew
    await this.#unplugFrom(this.#names.networkNamespace(placed.network.id), placed.port.id)
    throw new Error(`could not plug port ${placed.port.id}: ${reason}`)
  }

  #repair(goal: NetworkGoal, found: FoundNamespace | undefined): Promise<NetworkOutcome> {
    return this.#carryOut(planNetwork(this.#names, found, goal), goal, found)
  }

  async #carryOut(plan: NetworkPlan, goal: NetworkGoal, found: FoundNamespace | undefined): Promise<NetworkOutcome> {
    this.#distrust(goal.network.id)
    await runSteps(this.#shell, plan.base)
    const failed = await this.#plugAll(goal, plan)
    this.#remember(goal, plan.filter, found, failed)
    const commands = countLines([...plan.base, ...plan.plugs.flatMap((plug) => plug.steps)]) + plan.finish.length
    return { failed, commands, isNew: !found || found.broken }
  }

  /** Ports in portions: a failed one is reported by name and does not hold up its neighbours. */
  async #plugAll(goal: NetworkGoal, plan: NetworkPlan): Promise<Map<string, string>> {
    const portions = Array.from({ length: Math.ceil(plan.plugs.length / portsPerScript) }, (_, at) =>
      plan.plugs
        .slice(at * portsPerScript, (at + 1) * portsPerScript)
        .flatMap(({ placed, steps }) => steps.map((step): Step => ({ ...step, ownFailure: placed.port.id }))),
    )
    const failed = new Map<string, string>()
    await crew(portions, scriptsAtATime, async (steps) => {
      for (const [id, words] of ownFailures(await runSteps(this.#shell, steps))) failed.set(id, words)
    })
    for (const [id, words] of await this.#finish(goal, plan, failed)) failed.set(id, words)
    return failed
  }

  /** The host's ends, in one batch that goes on after a failure: a container may end at any moment. */
  async #finish(goal: NetworkGoal, plan: NetworkPlan, failed: Map<string, string>): Promise<Map<string, string>> {
    const lost = new Set([...failed.keys()].map(portDevice))
    const lines = plan.finish.filter((line) => !lost.has(deviceOf(line)))
    const netns = namespacePath(this.#names.networkNamespace(goal.network.id))
    const about = `connect ports of network ${goal.network.id}`
    const output = await runSteps(this.#shell, [{ about, tool: 'ip', netns, lines, goesOn: true }])
    const words = new Map([...failedLines(output)].map(([at, reason]) => [deviceOf(lines[at] ?? ''), reason]))
    const ids = goal.ports.map((placed) => placed.port.id).filter((id) => words.has(portDevice(id)))
    return new Map(ids.map((id) => [id, words.get(portDevice(id)) ?? '']))
  }

  #remember(
    goal: NetworkGoal,
    wanted: Filter,
    found: FoundNamespace | undefined,
    failed: ReadonlyMap<string, string>,
  ): void {
    const filter = goal.reap || !found || found.broken ? emptyFound() : found.filter
    merge(filter, wanted)
    const plugged = [...goal.ports, ...goal.neighbours].filter((placed) => !failed.has(placed.port.id))
    this.#known.set(goal.network.id, {
      print: printOfNetwork(goal.network),
      filter,
      groups: new Map(goal.groups),
      ports: new Map(plugged.map((placed) => [placed.port.id, placed])),
    })
  }

  #distrust(networkId: string): void {
    const known = this.#known.get(networkId)
    if (known) known.print = ''
  }

  async #unplugFrom(namespace: string, portId: string): Promise<void> {
    const id = this.#idOf(namespace)
    const known = this.#known.get(id)
    const filter = known?.print ? known.filter : (await this.#look(id))?.filter
    if (!filter) return
    try {
      await runSteps(this.#shell, this.#unplugSteps(namespace, portId, filter))
    } catch {
      this.#distrust(id)
      const fresh = await this.#look(id)
      if (fresh && !fresh.broken) await runSteps(this.#shell, this.#unplugSteps(namespace, portId, fresh.filter))
      return
    }
    known?.ports.delete(portId)
    if (known) forget(known.filter, `"${portDevice(portId)}"`)
  }

  #unplugSteps(namespace: string, portId: string, filter: FoundFilter): Step[] {
    const netns = namespacePath(namespace)
    const device = portDevice(portId)
    return [
      { about: `unplug port ${portId}`, tool: 'ip', netns, lines: [`link del dev ${device}`], mayFail: true },
      {
        about: `forget port ${portId}`,
        tool: 'nft',
        netns,
        lines: planRemoval(filter, `"${device}"`, this.#names.table),
      },
    ]
  }

  /** After a restart nobody remembers where a port was: its device name says it. */
  async #namespacesOf(portId: string): Promise<string[]> {
    const ids = [...this.#known]
      .filter(([, known]) => known.ports.has(portId))
      .map(([id]) => this.#names.networkNamespace(id))
    if (ids.length > 0) return ids
    const all = await new Sights().all(this.#shell, this.#names)
    const device = portDevice(portId)
    const has = (found: FoundNamespace): boolean =>
      found.links.has(device) || [...found.filter.sets.values()].some((set) => set.has(`"${device}"`))
    return [...all].filter(([, found]) => has(found)).map(([name]) => name)
  }

  #look(networkId: string): Promise<FoundNamespace | undefined> {
    return observeNamespace(this.#shell, this.#names, this.#names.networkNamespace(networkId))
  }

  #idOf(namespace: string): string {
    return namespace.slice(this.#names.networkNamespacePrefix.length)
  }
}

const portsPerScript = 50
/** The kernel makes devices one after another, but the tools' starts need not wait for it. */
const scriptsAtATime = 2

export const isEmpty = (plan: NetworkPlan): boolean =>
  countLines(plan.base) === 0 && plan.plugs.length === 0 && plan.finish.length === 0

const deviceOf = (line: string): string => line.split(' ')[3] ?? ''

const groupPrints = new WeakMap<Groups, string>()
/** One sync gives the same groups with each of its networks. */
function printOfGroups(groups: Groups): string {
  const print = groupPrints.get(groups) ?? digest(JSON.stringify([...groups.values()]))
  groupPrints.set(groups, print)
  return print
}

const printOfGoal = ({ network, ports, groups }: NetworkGoal): string =>
  digest(
    JSON.stringify([
      network,
      ports.map(({ port, sandboxPath, sandboxIdentity }) => [port, sandboxPath, sandboxIdentity]),
      printOfGroups(groups),
    ]),
    40,
  )

/** What of a network decides its namespace, bridge and local addresses. */
const printOfNetwork = (network: WantedNetwork): string =>
  digest(
    JSON.stringify([
      network.mtu,
      network.external,
      network.hostAddresses,
      network.reachableFromHost,
      network.subnets.map((subnet) => subnet.cidr),
    ]),
  )
