/** From a router's namespace as found to the wanted one: legs, addresses, routes, translation. Pure. */
import { canonicalAddress } from '#engines/cidr/address.ts'
import { canonicalCidr, cidrContains } from '#engines/cidr/prefix.ts'
import type { WantedNetwork, WantedRouter } from '#services/neutron/ports.ts'
import { planFilter } from './filter-plan.ts'
import type { FoundLinks } from './found-links.ts'
import {
  bridgeDevice,
  digest,
  namespacePath,
  routerGatewayDevice,
  routerLegDevice,
  routerPortDevice,
  type Names,
} from './names.ts'
import {
  addressLines,
  namespaceSteps,
  nothingFound,
  routerSwitches,
  switchSteps,
  type FoundNamespace,
} from './namespace.ts'
import { routerFilter } from './router-filter.ts'
import type { Step } from './shell.ts'
import { vethLine } from './veth.ts'

/** One leg of a router: its device inside, the network's end, and the addresses it answers. */
export interface RouterLeg {
  device: string
  far: string
  network: WantedNetwork
  mac: string
  addresses: string[]
  isGateway: boolean
  alias: string
}

export interface RouterGoal {
  router: WantedRouter
  legs: RouterLeg[]
  /** The devices of each leg's network, by network id; absent: the network's namespace was made a moment ago. */
  networkLinks: ReadonlyMap<string, FoundLinks>
}

/** Our routes carry this protocol number, which nobody has given a name, so that the kernel's own are left alone. */
export const routeProtocol = '113'

export function planRouter(names: Names, found: FoundNamespace | undefined, goal: RouterGoal): Step[] {
  const is = found && !found.broken ? found : nothingFound()
  const name = names.routerNamespace(goal.router.id)
  const netns = namespacePath(name)
  const about = `prepare router ${goal.router.id}`
  const standing = goal.legs.filter((leg) => stands(is.links, goal, leg))
  const fresh = goal.legs.filter((leg) => !standing.includes(leg))
  const stale = staleLegs(is.links, goal.legs, fresh)
  return [
    ...namespaceSteps(name, found),
    ...switchSteps(is.switches, routerSwitches, netns, about),
    {
      about: `translate addresses in router ${goal.router.id}`,
      tool: 'nft',
      netns,
      lines: planFilter(is.filter, routerFilter(goal.router), names.table),
    },
    { about, tool: 'ip', netns, lines: is.links.get('lo')?.up ? [] : ['link set lo up'] },
    ...stale.map((device): Step => ({ about, tool: 'ip', netns, lines: [`link del dev ${device}`], mayFail: true })),
    ...fresh.flatMap((leg) => legSteps(names, netns, leg)),
    {
      about,
      tool: 'ip',
      netns,
      lines: [...standing.flatMap((leg) => driftLines(is.links, leg)), ...routeLines(is, goal, stale)],
    },
    ...standing.flatMap((leg) => farDrift(names, goal, leg)),
  ]
}

/** The legs of a router; refuses when a network is not among the wanted ones. */
export function legsOf(names: Names, router: WantedRouter, networks: ReadonlyMap<string, WantedNetwork>): RouterLeg[] {
  const floating = [...router.floatingIps, ...router.portForwardings].map(({ address }) => `${address}/32`)
  const outer = router.gateway ? [{ ...router.gateway, isGateway: true }] : []
  return [...router.interfaces.map((leg) => ({ ...leg, isGateway: false })), ...outer].map((leg) => {
    const network = networks.get(leg.networkId)
    if (!network) throw new Error(`router ${router.id}: network ${leg.networkId} is not given`)
    const own = leg.addresses.map(canonicalInterface)
    return {
      network,
      mac: leg.mac,
      isGateway: leg.isGateway,
      far: routerPortDevice(leg.portId),
      device: leg.isGateway ? routerGatewayDevice(leg.portId) : routerLegDevice(leg.portId),
      addresses: leg.isGateway ? [...new Set([...own, ...floating.filter((cidr) => !isHeld(own, cidr))])] : own,
      alias: names.alias('leg', leg.portId, digest(JSON.stringify([router.id, network.id, leg.mac, network.mtu]))),
    }
  })
}

/** A port forwarding may share the router's own address. */
const isHeld = (own: string[], cidr: string): boolean => own.some((each) => each.split('/')[0] === cidr.split('/')[0])

const canonicalInterface = (cidr: string): string => {
  const [address = '', length = ''] = cidr.split('/')
  return `${canonicalAddress(address) ?? address}/${length}`
}

function stands(links: FoundLinks, goal: RouterGoal, leg: RouterLeg): boolean {
  return links.get(leg.device)?.alias === leg.alias && goal.networkLinks.get(leg.network.id)?.has(leg.far) === true
}

/** Legs that nobody wants, and the remains of those that are made anew. */
function staleLegs(links: FoundLinks, legs: RouterLeg[], fresh: RouterLeg[]): string[] {
  const wanted = new Set(legs.map((leg) => leg.device))
  const again = new Set(fresh.map((leg) => leg.device))
  return [...links.keys()].filter((device) => /^q[rg]-/.test(device) && (!wanted.has(device) || again.has(device)))
}

/** The mark comes last: a leg without it is made anew. */
function legSteps(names: Names, netns: string, leg: RouterLeg): Step[] {
  const namespace = names.networkNamespace(leg.network.id)
  const inside = namespacePath(namespace)
  const about = `connect a router with network ${leg.network.id}`
  const { device, far, mac } = leg
  return [
    { about, tool: 'ip', netns: inside, lines: [`link del dev ${far}`], mayFail: true },
    {
      about,
      tool: 'ip',
      netns,
      lines: [
        vethLine({ near: { name: device, mac }, far: { name: far, namespace }, mtu: leg.network.mtu }),
        ...addressLines(undefined, leg.addresses, device),
        `link set dev ${device} up`,
      ],
    },
    { about, tool: 'ip', netns: inside, lines: [farLine(leg)] },
    { about, tool: 'ip', netns, lines: [`link set dev ${device} alias ${leg.alias}`, announcement(leg)] },
  ]
}

const farLine = (leg: RouterLeg): string =>
  `link set dev ${leg.far} alias ${leg.alias} addrgenmode none master ${bridgeDevice} up`

/** Setting the address that it has makes the kernel tell the neighbours about every address of the device. */
const announcement = (leg: RouterLeg): string => `link set dev ${leg.device} address ${leg.mac}`

function driftLines(links: FoundLinks, leg: RouterLeg): string[] {
  const link = links.get(leg.device)
  const addresses = addressLines(link, leg.addresses, leg.device)
  const gained = addresses.some((line) => line.startsWith('addr add'))
  return [...addresses, ...(link?.up ? [] : [`link set dev ${leg.device} up`]), ...(gained ? [announcement(leg)] : [])]
}

function farDrift(names: Names, goal: RouterGoal, leg: RouterLeg): Step[] {
  const link = goal.networkLinks.get(leg.network.id)?.get(leg.far)
  if (link?.master === bridgeDevice && link.up) return []
  return [
    {
      about: `reconnect a router with network ${leg.network.id}`,
      tool: 'ip',
      netns: namespacePath(names.networkNamespace(leg.network.id)),
      lines: [farLine(leg)],
    },
  ]
}

interface Route {
  destination: string
  gateway: string
  device: string
  onlink: boolean
}

/** Routes over a leg that was deleted went with it. */
function routeLines(is: FoundNamespace, goal: RouterGoal, stale: string[]): string[] {
  const have = new Map(
    is.routes
      .filter((route) => route.protocol === routeProtocol && !stale.includes(route.device))
      .map((route) => [`${route.destination} ${route.gateway}`, route]),
  )
  const wanted = new Map(wantedRoutes(goal).map((route) => [`${route.destination} ${route.gateway}`, route]))
  return [
    ...[...have.values()]
      .filter((route) => !wanted.has(`${route.destination} ${route.gateway}`))
      .map(
        (route) => `route del ${deletable(route)} via ${route.gateway} proto ${routeProtocol}`,
      ),
    ...[...wanted.values()].filter((route) => !have.has(`${route.destination} ${route.gateway}`)).map(routeLine),
  ]
}

/** `default` alone means IPv4's. */
const deletable = (route: { destination: string; gateway: string }): string =>
  route.destination === 'default' && route.gateway.includes(':') ? '::/0' : route.destination

function routeLine({ destination, gateway, device, onlink }: Route): string {
  const reach = onlink ? ' onlink' : ''
  return `route replace ${destination} via ${gateway} dev ${device} proto ${routeProtocol}${reach}`
}

function wantedRoutes({ router, legs }: RouterGoal): Route[] {
  const outer = legs.find((leg) => leg.isGateway)
  const defaults = (outer ? (router.gateway?.gatewayIps ?? []) : []).map((gateway) => ({
    destination: 'default',
    gateway,
  }))
  const extra = router.routes.map((route) => ({
    destination: bareDestination(route.destination),
    gateway: route.nexthop,
  }))
  return [...defaults, ...extra].flatMap(({ destination, gateway }) => {
    const next = canonicalAddress(gateway) ?? gateway
    const leg = legs.find((each) => each.addresses.some((cidr) => cidrContains(cidr, next)))
    const device = leg ?? (destination === 'default' ? outer : undefined)
    return device ? [{ destination, gateway: next, device: device.device, onlink: !leg }] : []
  })
}

/** As `ip` prints it: the whole Internet is `default`, a single host has no length. */
function bareDestination(cidr: string): string {
  const canonical = canonicalCidr(cidr) ?? cidr
  if (canonical === '0.0.0.0/0' || canonical === '::/0') return 'default'
  return canonical.includes(':') ? canonical.replace(/\/128$/, '') : canonical.replace(/\/32$/, '')
}
