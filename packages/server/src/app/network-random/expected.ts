/** What the host must hold, from what the API says alone: written apart from the driver's own plans. */
import { linkLocalAddress } from '#engines/cidr/mac.ts'
import {
  portDevice,
  routerGatewayDevice,
  routerLegDevice,
  routerPortDevice,
  type Names,
} from '#drivers/linux-net/names.ts'
import { hostName, type NetworkCloud } from './cloud.ts'

/** Of one network's namespace: its devices but the host's leg, who may send as whom, and its groups. */
export interface NetworkFacts {
  devices: string[]
  bridgeAddresses: string[]
  sources: string[]
  /** Chains of groups with the number of their rules, and members of remote groups. */
  groups: Record<string, number>
  members: Record<string, string[]>
}

export interface RouterFacts {
  addresses: Record<string, string[]>
  defaults: string[]
  floating: string[]
}

/** By sandbox: `ip addr` and the ways out of it. */
export interface BoxFacts {
  mac: string
  mtu: number
  addresses: string[]
  defaults: string[]
}

export interface HostFacts {
  networks: Record<string, NetworkFacts>
  routers: Record<string, RouterFacts>
  boxes: Record<string, BoxFacts>
}

/** All that the API shows, read once. */
export interface Listing {
  networks: any[]
  subnets: any[]
  ports: any[]
  routers: any[]
  floatingips: any[]
  groups: any[]
}

export async function listingOf(cloud: NetworkCloud): Promise<Listing> {
  const [networks, subnets, ports, routers, floatingips, groups] = await Promise.all(
    ['networks', 'subnets', 'ports', 'routers', 'floatingips', 'security-groups'].map((name) => cloud.list(name)),
  )
  return { networks, subnets, ports, routers, floatingips, groups } as Listing
}

export const isBound = (port: any): boolean =>
  port.device_owner.startsWith('compute:') && port['binding:host_id'] === hostName
const isLeg = (port: any): boolean => port.device_owner.startsWith('network:router_')

export function expectedFacts(names: Names, listing: Listing): HostFacts {
  const alive = listing.routers.filter((router) => router.admin_state_up)
  const legs = listing.ports.filter((port) => isLeg(port) && alive.some(({ id }) => id === port.device_id))
  const bound = listing.ports.filter(isBound)
  const used = new Set([...legs, ...bound].map((port) => port.network_id))
  const networks = listing.networks.filter(({ id }) => used.has(id))
  return {
    networks: Object.fromEntries(
      networks.map((network) => [
        names.networkNamespace(network.id),
        networkFacts(listing, network, { legs, bound }),
      ]),
    ),
    routers: Object.fromEntries(
      alive.map((router) => [
        names.routerNamespace(router.id),
        routerFacts(
          listing,
          router,
          legs.filter((leg) => leg.device_id === router.id),
        ),
      ]),
    ),
    boxes: Object.fromEntries(bound.map((port) => [port.device_id, boxFacts(listing, port)])),
  }
}

function networkFacts(listing: Listing, network: any, all: { legs: any[]; bound: any[] }): NetworkFacts {
  const [legs, bound] = [all.legs, all.bound].map((ports) => ports.filter((port) => port.network_id === network.id))
  const own = listing.ports.filter((port) => port.network_id === network.id && port.device_owner === 'network:dhcp')
  const secured = bound!.filter((port) => port.port_security_enabled)
  const groups = listing.groups.filter(({ id }) => secured.some((port) => port.security_groups.includes(id)))
  const remote = groups.flatMap((group) =>
    group.security_group_rules.flatMap((rule: any) => rule.remote_group_id ?? []),
  )
  return {
    devices: [
      'br',
      'lo',
      ...bound!.map(({ id }) => portDevice(id)),
      ...legs!.map(({ id }) => routerPortDevice(id)),
    ].sort(),
    bridgeAddresses: network['router:external']
      ? []
      : [...own.flatMap((port) => cidrsOf(listing, port)), '169.254.169.254/32'].sort(),
    sources: secured.flatMap(sourcesOf).sort(),
    groups: Object.fromEntries(groups.map((group) => [group.id, ruleLines(group)])),
    members: Object.fromEntries(remote.map((id) => [id, membersOf(listing, id)])),
  }
}

/** A rule about a remote group is two: one for addresses, one for prefixes. The last line is the chain's print. */
const ruleLines = (group: any): number =>
  group.security_group_rules
    .filter((rule: any) => rule.direction === 'ingress')
    .reduce((sum: number, rule: any) => sum + (rule.remote_group_id ? 2 : 1), 1)

const membersOf = (listing: Listing, groupId: string): string[] =>
  listing.ports
    .filter((port) => port.security_groups.includes(groupId))
    .flatMap((port) => [...port.fixed_ips, ...port.allowed_address_pairs].map(({ ip_address }) => ip_address))
    .filter((ip: string) => !ip.includes(':'))
    .sort()

function sourcesOf(port: any): string[] {
  const device = portDevice(port.id)
  const local = linkLocalAddress(port.mac_address)
  const ips = [...port.fixed_ips, ...port.allowed_address_pairs].map(({ ip_address }) => ip_address)
  return [...new Set([...ips, local])].map((ip) => `${device} ${port.mac_address} ${ip}`)
}

const lengthOf = (listing: Listing, subnetId: string): string =>
  listing.subnets.find(({ id }) => id === subnetId)?.cidr.split('/')[1] ?? ''
const cidrsOf = (listing: Listing, port: any): string[] =>
  port.fixed_ips.map((ip: any) => `${ip.ip_address}/${lengthOf(listing, ip.subnet_id)}`)

/** The first gateway of each version among the port's subnets. */
function boxFacts(listing: Listing, port: any): BoxFacts {
  const ids = port.fixed_ips.map(({ subnet_id }: any) => subnet_id)
  const gateways: string[] = listing.subnets
    .filter(({ id, gateway_ip }) => ids.includes(id) && gateway_ip !== null)
    .map(({ gateway_ip }) => gateway_ip)
  return {
    mac: port.mac_address,
    mtu: listing.networks.find(({ id }) => id === port.network_id).mtu,
    addresses: cidrsOf(listing, port).sort(),
    defaults: gateways.sort(),
  }
}

function routerFacts(listing: Listing, router: any, legs: any[]): RouterFacts {
  const floating = listing.floatingips.filter(
    (ip) => ip.router_id === router.id && ip.fixed_ip_address !== null && ip.port_id !== null,
  )
  const addressesOf = (leg: any): string[] => [
    ...cidrsOf(listing, leg),
    ...(isGateway(leg) ? floating.map((ip) => `${ip.floating_ip_address}/32`) : []),
  ]
  const outer = legs.find(isGateway)
  const outerSubnets = (outer?.fixed_ips ?? []).map(({ subnet_id }: any) => subnet_id)
  return {
    addresses: Object.fromEntries(legs.map((leg) => [deviceOf(leg), addressesOf(leg).sort()])),
    defaults: listing.subnets
      .filter(({ id, gateway_ip }) => outerSubnets.includes(id) && gateway_ip !== null)
      .map(({ gateway_ip }) => gateway_ip)
      .sort(),
    floating: floating.map((ip) => `${ip.floating_ip_address} ${ip.fixed_ip_address}`).sort(),
  }
}

const isGateway = (leg: any): boolean => leg.device_owner === 'network:router_gateway'
const deviceOf = (leg: any): string => (isGateway(leg) ? routerGatewayDevice(leg.id) : routerLegDevice(leg.id))
