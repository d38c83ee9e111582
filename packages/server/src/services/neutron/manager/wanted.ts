/** Rows into the wanted state of a host: pure, and the same rows give the same state, byte for byte. */
import { parsePrefix } from '#engines/cidr/prefix.ts'
import type {
  WantedNetwork,
  WantedPort,
  WantedRouter,
  WantedRule,
  WantedSecurityGroup,
  WantedSubnet,
} from '../ports.ts'
import type { FixedIp, Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet } from '../store/tables.ts'
import type { Member } from '../store/memberships.ts'
import { ruleInfo } from './groups/security-group-views.ts'
import { domainOf, namesOf } from './names.ts'
import type { GroupRows, RouterRows, WantedRows } from './wanted-rows.ts'

const metadataAddress = '169.254.169.254/32'

export interface HostView {
  name: string
  /** VXLAN endpoints by host name. */
  addresses: ReadonlyMap<string, string>
  /** A cloud of one host is somebody's own machine: it reaches its containers. */
  isAlone: boolean
}

const byId = <T extends { id: string }>(items: T[]): T[] =>
  [...items].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
const lengthOf = (subnet: Subnet | undefined): number => parsePrefix(subnet?.cidr ?? '')?.length ?? 32

const subnetOf = (subnet: Subnet): WantedSubnet => ({
  id: subnet.id,
  cidr: subnet.cidr,
  dnsNameservers: subnet.dns_nameservers,
  hostRoutes: subnet.host_routes,
  enableDhcp: subnet.enable_dhcp,
  ...(subnet.gateway_ip !== null && { gatewayIp: subnet.gateway_ip }),
})

export const wantedNetwork = (
  network: Network,
  rows: Pick<WantedRows, 'subnets' | 'neighbours' | 'deviceNames' | 'targets'>,
  host: HostView,
): WantedNetwork => {
  const subnets = byId(rows.subnets.filter(({ network_id }) => network_id === network.id))
  const ports = byId(rows.neighbours.filter(({ network_id }) => network_id === network.id))
  return {
    id: network.id,
    segmentationId: network.segmentation_id,
    mtu: network.mtu,
    external: network.external,
    ...(network.external ? { masquerade: true } : { reachableFromHost: host.isAlone }),
    subnets: subnets.map(subnetOf),
    hostAddresses: hostAddressesOf(network, subnets, ports),
    remotes: remotesOf(ports, host),
    ...(!network.external && { dnsDomain: domainOf(network) }),
    names: network.external ? [] : namesOf(ports, rows),
  }
}

/** A tenant network's own port, and the metadata address; an external network's gateway is the host itself. */
const hostAddressesOf = (network: Network, subnets: Subnet[], ports: Port[]): { cidr: string }[] => {
  if (network.external)
    return subnets.flatMap((subnet) =>
      subnet.gateway_ip === null ? [] : [{ cidr: `${subnet.gateway_ip}/${lengthOf(subnet)}` }],
    )
  const own = ports
    .filter(({ device_owner }) => device_owner === 'network:dhcp')
    .flatMap(({ fixed_ips }) => fixed_ips)
  return [...own.map((ip) => ({ cidr: cidrOf(ip, subnets) })), { cidr: metadataAddress }]
}

const cidrOf = ({ ip_address, subnet_id }: FixedIp, subnets: Subnet[]): string =>
  `${ip_address}/${lengthOf(subnets.find(({ id }) => id === subnet_id))}`

const remotesOf = (ports: Port[], host: HostView): WantedNetwork['remotes'] => {
  const elsewhere = Map.groupBy(
    ports.filter((port) => port.host !== '' && port.host !== host.name),
    (port) => port.host,
  )
  return [...elsewhere]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, group]) => {
      const address = host.addresses.get(name)
      return address === undefined ? [] : [{ address, macs: group.map(({ mac_address }) => mac_address).sort() }]
    })
}

export interface Place {
  position: number
  network: Network | undefined
  subnets: Subnet[]
}

export const wantedPort = (port: Port, { position, network, subnets }: Place): WantedPort => ({
  id: port.id,
  networkId: port.network_id,
  mac: port.mac_address,
  mtu: network?.mtu ?? 1500,
  adminUp: port.admin_state_up,
  addresses: port.fixed_ips.map(({ ip_address, subnet_id }) => ({
    ip: ip_address,
    subnetId: subnet_id,
    prefixLength: lengthOf(subnets.find(({ id }) => id === subnet_id)),
  })),
  portSecurity: port.port_security_enabled,
  securityGroupIds: [...port.security_groups].sort(),
  allowedAddressPairs: port.allowed_address_pairs.map(({ ip_address, mac_address }) => ({
    ip: ip_address,
    mac: mac_address ?? port.mac_address,
  })),
  ...(port.sandbox && { sandbox: port.sandbox }),
  device: `eth${position}`,
  primary: position === 0,
  ...(network && { dnsSearch: domainOf(network) }),
})

export const wantedGroups = (rows: GroupRows): WantedSecurityGroup[] => {
  const ports = new Map(rows.members.map((port) => [port.id, port]))
  const members = Map.groupBy(rows.memberships, ({ security_group_id }) => security_group_id)
  const rules = Map.groupBy(rows.rules, ({ security_group_id }) => security_group_id)
  const addresses = new Map(rows.addressGroups.map((group) => [group.id, group.addresses]))
  return byId(rows.groups).map((group: SecurityGroup) => ({
    id: group.id,
    stateful: group.stateful,
    rules: byId(rules.get(group.id) ?? []).map((rule) => wantedRule(rule, addresses)),
    memberIps: [...new Set((members.get(group.id) ?? []).flatMap(({ port_id }) => ipsOf(ports.get(port_id))))].sort(),
  }))
}

const ipsOf = (port: Member | undefined): string[] =>
  port === undefined
    ? []
    : [
        ...port.fixed_ips.map(({ ip_address }) => ip_address),
        ...port.allowed_address_pairs.map(({ ip_address }) => ip_address),
      ]

const wantedRule = (rule: SecurityGroupRule, addresses: Map<string, string[]>): WantedRule => ({
  ...ruleInfo(rule),
  ...(rule.remote_address_group_id !== null && {
    remoteAddresses: addresses.get(rule.remote_address_group_id) ?? [],
  }),
})

export const wantedRouter = (router: Router, rows: RouterRows, subnets: Subnet[]): WantedRouter => {
  const ports = byId(rows.routerPorts.filter(({ device_id }) => device_id === router.id))
  const gateway = ports.find(({ device_owner }) => device_owner === 'network:router_gateway')
  const legOf = (port: Port) => ({
    portId: port.id,
    networkId: port.network_id,
    mac: port.mac_address,
    addresses: port.fixed_ips.map((ip) => cidrOf(ip, subnets)),
  })
  const floating = byId(rows.floatingIps.filter(({ router_id }) => router_id === router.id))
  return {
    id: router.id,
    routes: router.routes,
    interfaces: ports.filter((port) => port !== gateway).map(legOf),
    ...(gateway && {
      gateway: {
        ...legOf(gateway),
        gatewayIps: gatewayIpsOf(gateway, subnets),
        snat: router.gateway?.enable_snat ?? true,
      },
    }),
    floatingIps: floating.flatMap((ip) =>
      ip.fixed_ip_address === null ? [] : [{ address: ip.floating_ip_address, fixedIp: ip.fixed_ip_address }],
    ),
    portForwardings: floating.flatMap((ip) =>
      byId(rows.forwardings.filter(({ floatingip_id }) => floatingip_id === ip.id)).flatMap((forwarding) =>
        Array.from({ length: forwarding.external_port_last - forwarding.external_port + 1 }, (_, at) => ({
          address: ip.floating_ip_address,
          protocol: forwarding.protocol as 'tcp' | 'udp',
          externalPort: forwarding.external_port + at,
          internalIp: forwarding.internal_ip_address,
          internalPort: forwarding.internal_port + at,
        })),
      ),
    ),
  }
}

const gatewayIpsOf = (port: Port, subnets: Subnet[]): string[] =>
  port.fixed_ips.flatMap(({ subnet_id }) => subnets.find(({ id }) => id === subnet_id)?.gateway_ip ?? [])

/**
 * What goes into `/etc/resolv.conf`: the resolver of the first port's network, which asks the subnet's servers what it
 * does not know itself. An external network has no resolver of its own: the subnets' servers, else the machine's.
 */
export const resolvConfOf = (
  ports: Port[],
  { networks, subnets, neighbours }: Pick<WantedRows, 'networks' | 'subnets' | 'neighbours'>,
  fallback: string[],
): string => {
  const first = networks.find(({ id }) => id === ports[0]?.network_id)
  const own = first && !first.external ? resolversOf(ports[0]!, neighbours) : []
  const named = ports
    .flatMap(({ fixed_ips }) => fixed_ips.map(({ subnet_id }) => subnet_id))
    .flatMap((id) => subnets.find((subnet) => subnet.id === id)?.dns_nameservers ?? [])
  const servers = own.length > 0 ? own : named.length > 0 ? named : fallback
  const lines = [...new Set(servers)].map((server) => `nameserver ${server}`)
  return [...(first ? [`search ${domainOf(first)}`] : []), ...lines, ''].join('\n')
}

/** The link-local address is every network's, and stays; a port without IPv4 asks at the network's own port. */
const resolversOf = (port: Port, neighbours: Port[]): string[] => {
  const addresses = port.fixed_ips.map(({ ip_address }) => ip_address)
  if (addresses.some((ip) => !ip.includes(':'))) return [metadataAddress.split('/')[0]!]
  return neighbours
    .filter(({ network_id, device_owner }) => network_id === port.network_id && device_owner === 'network:dhcp')
    .flatMap(({ fixed_ips }) => fixed_ips.map(({ ip_address }) => ip_address))
    .filter((ip) => ip.includes(':'))
}
