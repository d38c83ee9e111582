/** From a network's namespace as found to the wanted one: steps in an order that a crash may cut anywhere. Pure. */
import { cidrContains } from '#engines/cidr/prefix.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import type { Filter, FoundFilter } from './filter-model.ts'
import { isBroken, planAddition, planFilter } from './filter-plan.ts'
import { wantedFilter, type Groups } from './filter-wanted.ts'
import type { FoundLinks } from './found-links.ts'
import { bridgeDevice, derivedMac, digest, namespacePath, portDevice, type Names } from './names.ts'
import {
  addressLines,
  namespaceSteps,
  networkSwitches,
  nothingFound,
  switchSteps,
  type FoundNamespace,
} from './namespace.ts'
import { hostSideLine, portAlias, sandboxSteps, type PlacedPort } from './port-plan.ts'
import type { Step } from './shell.ts'
import { vxlanSteps, type Underlay } from './vxlan-plan.ts'

export interface NetworkPlan {
  /** The namespace, its switches, filter and bridge: without them nothing else makes sense. */
  base: Step[]
  /** Ports that must be plugged: each may fail for itself. */
  plugs: { placed: PlacedPort; steps: Step[] }[]
  /** The host's ends: marks, bridge membership, up and down, and what has to go. */
  finish: string[]
  /** The filter of all ports that were given, neighbours included. */
  filter: Filter
}

export interface NetworkGoal {
  network: WantedNetwork
  ports: PlacedPort[]
  /** Ports that are plugged already, for the case that the filter has to be made anew. */
  neighbours: PlacedPort[]
  groups: Groups
  underlay?: Underlay
  /** Ports that are not listed go; without it they are left alone. */
  reap: boolean
}

/** @param found undefined: there is no namespace yet. */
export function planNetwork(names: Names, found: FoundNamespace | undefined, goal: NetworkGoal): NetworkPlan {
  const is = found && !found.broken ? found : nothingFound()
  const filter = filterOf(goal, [...goal.ports, ...goal.neighbours])
  const lines = filterLines(names, is.filter, goal, filter)
  const remains = deletionLines(remainsOf(names, is.links, goal))
  const inside = namespacePath(names.networkNamespace(goal.network.id))
  const about = `prepare network ${goal.network.id}`
  return {
    base: [
      ...namespaceSteps(names.networkNamespace(goal.network.id), found),
      ...switchSteps(is.switches, networkSwitches, inside, about),
      { about: `filter network ${goal.network.id}`, tool: 'nft', netns: inside, lines },
      { about, tool: 'ip', netns: inside, lines: bridgeLines(names, is.links, goal.network) },
      ...vxlanSteps(names, is, goal.network, goal.underlay),
      {
        about: `unplug ports of network ${goal.network.id}`,
        tool: 'ip',
        netns: inside,
        lines: remains,
        goesOn: true,
      },
    ],
    ...planPorts(names, is.links, goal),
    filter,
  }
}

const filterOf = ({ network, groups }: NetworkGoal, ports: PlacedPort[]): Filter =>
  wantedFilter(
    network,
    ports.map((placed) => placed.port),
    groups,
  )

/** Without `reap` only what the ports add, unless the filter is broken: a whole one then has to serve everybody. */
function filterLines(names: Names, found: FoundFilter, goal: NetworkGoal, whole: Filter): string[] {
  if (goal.reap || isBroken(found, whole)) return planFilter(found, whole, names.table)
  return planAddition(found, filterOf(goal, goal.ports), names.table)
}

/** Ports only: missing and stale ones are plugged anew, unwanted ones deleted. */
function planPorts(
  names: Names,
  links: FoundLinks,
  { ports, reap }: NetworkGoal,
): Pick<NetworkPlan, 'plugs' | 'finish'> {
  const stale = ports.filter((placed) => !isPlugged(names, links, placed))
  const wanted = new Set(ports.map((placed) => portDevice(placed.port.id)))
  const unwanted = [...links.values()].filter((link) => link.name.startsWith('qtp') && !wanted.has(link.name))
  return {
    plugs: stale.map((placed) => ({ placed, steps: sandboxSteps(names, placed) })),
    finish: [
      ...deletionLines(reap ? unwanted.map((link) => link.name) : []),
      ...stale.map((placed) => hostSideLine(names, placed)),
      ...ports
        .filter((placed) => isPlugged(names, links, placed) && hasDrifted(links, placed))
        .map((placed) => hostSideLine(names, placed)),
    ],
  }
}

const isPlugged = (names: Names, links: FoundLinks, placed: PlacedPort): boolean =>
  links.get(portDevice(placed.port.id))?.alias === portAlias(names, placed)

function hasDrifted(links: FoundLinks, { port }: PlacedPort): boolean {
  const link = links.get(portDevice(port.id))
  return link?.master !== bridgeDevice || link.up !== port.adminUp
}

/** Half-made or moved veths go before they are made anew: both ends vanish together, wherever the other one is. */
const remainsOf = (names: Names, links: FoundLinks, { ports }: NetworkGoal): string[] =>
  ports
    .filter((placed) => links.has(portDevice(placed.port.id)) && !isPlugged(names, links, placed))
    .map((placed) => portDevice(placed.port.id))

/** The number of the group in which devices meet their end. */
const doomed = 7461

/** The kernel waits for its readers once for a group, and once for each device that is deleted by name. */
const deletionLines = (devices: string[]): string[] =>
  devices.length === 0
    ? []
    : [...devices.map((device) => `link set dev ${device} group ${doomed}`), `link del group ${doomed}`]

function bridgeLines(names: Names, links: FoundLinks, network: WantedNetwork): string[] {
  const link = links.get(bridgeDevice)
  const addresses = network.external ? [] : network.hostAddresses.map(({ cidr }) => cidr)
  const mac = derivedMac(`${names.tag}\0${network.id}\0bridge`)
  const bare = network.external ? [] : subnetsWithoutAddress(network)
  const alias = names.alias('network', network.id, bare.length === 0 ? 'bridge' : digest(bare.join(' ')))
  const create = `link add name ${bridgeDevice} address ${mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`
  const isRight = link?.up && link.mtu === network.mtu && link.mac === mac && link.alias === alias
  return [
    ...(links.get('lo')?.up ? [] : ['link set lo up']),
    ...(link ? [] : [create]),
    ...(isRight ? [] : [`link set dev ${bridgeDevice} address ${mac} mtu ${network.mtu} alias ${alias} up`]),
    ...addressLines(link, addresses, bridgeDevice),
    ...(isRight ? [] : bare.map((cidr) => `route replace ${cidr} dev ${bridgeDevice}`)),
  ]
}

/** Where nothing of the network's own lives, its link-local services would not find the way back to who asks. */
const subnetsWithoutAddress = ({ subnets, hostAddresses }: WantedNetwork): string[] =>
  subnets
    .map(({ cidr }) => cidr)
    .filter((cidr) => !cidr.includes(':'))
    .filter((cidr) => !hostAddresses.some((own) => cidrContains(cidr, own.cidr.split('/')[0]!)))
    .sort()
