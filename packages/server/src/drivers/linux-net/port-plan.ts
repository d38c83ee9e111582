/** The commands that give a container its port: its own end first, then the host's, which carries the mark. Pure. */
import { parseAddress } from '#engines/cidr/address.ts'
import { isMac } from '#engines/cidr/mac.ts'
import { cidrContains } from '#engines/cidr/prefix.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { WantedNetwork, WantedPort, WantedSubnet } from '#services/neutron/ports.ts'
import { bridgeDevice, digest, portDevice, type Names } from './names.ts'
import type { Step } from './shell.ts'
import { vethLine } from './veth.ts'

/** A port with the identity of the namespace it is plugged into. A restarted container has another one. */
export interface PlacedPort {
  port: WantedPort
  network: WantedNetwork
  sandboxPath: string
  sandboxIdentity: string
}

/** The mark of a port that is plugged completely: written last, so a half-made port does not have it. */
export function portAlias(names: Names, placed: PlacedPort): string {
  const { port, network, sandboxIdentity } = placed
  const inside = [
    sandboxIdentity,
    port.device,
    port.mac,
    mtuOf(placed),
    ...addressLines(port),
    ...routeLines(network, port),
  ]
  return names.alias('port', port.id, digest(inside.join('\n')))
}

/** Inside the container's namespace: the veth with its far end already in the network's, then addresses and routes. */
export function sandboxSteps(names: Names, placed: PlacedPort): Step[] {
  const { port, network, sandboxPath } = placed
  const far = { name: portDevice(port.id), namespace: names.networkNamespace(network.id) }
  const about = `plug port ${port.id} as ${port.device}`
  const lines = [
    'link set lo up',
    vethLine({ near: { name: port.device, mac: port.mac }, far, mtu: mtuOf(placed) }),
    ...addressLines(port),
    `link set dev ${port.device}${hasIpv6(port) ? '' : ' addrgenmode none'} up`,
    ...routeLines(network, port),
  ]
  const ip: Step = { about, tool: 'ip', netns: sandboxPath, lines }
  return hasIpv6(port) ? [enableIpv6(placed), ip] : [ip]
}

/**
 * A port without an IPv6 address makes itself no link-local one either: what the kernel says to everybody when it makes
 * one, the bridge would carry to each of its other ports.
 */
const hasIpv6 = (port: WantedPort): boolean => port.addresses.some(({ ip }) => ip.includes(':'))

/** In the network's namespace: one message that marks the far end, puts it in the bridge and brings it up. */
export function hostSideLine(names: Names, placed: PlacedPort): string {
  const { port } = placed
  const state = port.adminUp ? 'up' : 'down'
  const alias = portAlias(names, placed)
  return `link set dev ${portDevice(port.id)} alias ${alias} addrgenmode none master ${bridgeDevice} ${state}`
}

/** Says what is wrong with a port before anything is made. */
export function checkPort(port: WantedPort, network: WantedNetwork | undefined, groupIds: ReadonlySet<string>): void {
  const refuse = (what: string): never => {
    throw badRequest(`port ${port.id}: ${what}`)
  }
  if (!network) refuse(`network ${port.networkId} is not given`)
  if (!isMac(port.mac)) refuse(`${port.mac} is not a MAC address`)
  if (!/^[a-z][a-z0-9_.-]{0,14}$/.test(port.device)) refuse(`${port.device} is not a device name`)
  for (const { ip } of port.addresses) if (!parseAddress(ip)) refuse(`${ip} is not an IP address`)
  for (const { mac } of port.allowedAddressPairs) if (mac && !isMac(mac)) refuse(`${mac} is not a MAC address`)
  for (const id of port.securityGroupIds) if (!groupIds.has(id)) refuse(`security group ${id} is not given`)
}

const mtuOf = ({ port, network }: PlacedPort): number => port.mtu || network.mtu

/** The kernel's duplicate detection would hold an address back for a second; the control plane knows better. */
const addressLines = (port: WantedPort): string[] =>
  port.addresses.map(
    ({ ip, prefixLength }) => `addr add ${ip}/${prefixLength} dev ${port.device}${ip.includes(':') ? ' nodad' : ''}`,
  )

/** Docker switches IPv6 off in namespaces that it leaves without an IPv6 address. */
const enableIpv6 = ({ port, sandboxPath }: PlacedPort): Step => ({
  about: `switch on IPv6 for port ${port.id}`,
  tool: 'sh',
  netns: sandboxPath,
  lines: [
    'cd /proc/sys/net/ipv6/conf || { echo "this kernel has no IPv6" >&2; exit 1; }',
    'for key in all/disable_ipv6 default/disable_ipv6 default/accept_dad default/accept_ra; do echo 0 > $key; done',
  ],
})

function routeLines(network: WantedNetwork, port: WantedPort): string[] {
  const subnets = subnetsOf(network, port)
  return [
    ...(port.primary ? metadataLines(network, port) : []),
    ...subnets.flatMap((subnet) => subnet.hostRoutes.map((route) => hostRouteLine(subnet, route, port.device))),
    ...(port.primary ? defaultLines(subnets, port.device) : []),
  ]
}

function subnetsOf(network: WantedNetwork, port: WantedPort): WantedSubnet[] {
  const ids = new Set(port.addresses.map((address) => address.subnetId))
  return network.subnets.filter((subnet) => ids.has(subnet.id))
}

/** Link-local services answer on the network itself, with or without a router. */
const metadataLines = (network: WantedNetwork, port: WantedPort): string[] =>
  network.hostAddresses
    .filter(
      ({ cidr }) =>
        cidr.startsWith('169.254.') && cidr.endsWith('/32') && port.addresses.some(({ ip }) => !ip.includes(':')),
    )
    .map(({ cidr }) => `route replace ${cidr} dev ${port.device}`)

function hostRouteLine(
  subnet: WantedSubnet,
  route: { destination: string; nexthop: string },
  device: string,
): string {
  // A next hop of zero is Neutron's word for "on the link itself".
  if (/^(0\.0\.0\.0|::)$/.test(route.nexthop)) return `route replace ${route.destination} dev ${device}`
  return `route replace ${route.destination} via ${route.nexthop} dev ${device}${reach(subnet, route.nexthop)}`
}

function defaultLines(subnets: WantedSubnet[], device: string): string[] {
  const first = (version: 4 | 6) =>
    subnets.find((subnet) => subnet.gatewayIp?.includes(':') === (version === 6) && subnet.gatewayIp)
  return [first(4), first(6)]
    .filter((subnet) => subnet !== undefined)
    .map(
      (subnet) =>
        `route replace default via ${subnet.gatewayIp} dev ${device}${reach(subnet, subnet.gatewayIp ?? '')}`,
    )
}

/** A next hop outside the subnet is on the link all the same. */
const reach = (subnet: WantedSubnet, nexthop: string): string => (cidrContains(subnet.cidr, nexthop) ? '' : ' onlink')
