/** What Neutron needs from a host's network stack. Implemented by `drivers/linux-net` and `drivers/fakes`. */

/** The wanted state of one host: plain data, complete, level-triggered. Equal input means no command is run. */
export interface HostNetworkState {
  networks: WantedNetwork[]
  ports: WantedPort[]
  routers: WantedRouter[]
  /** Rule sets by id; ports refer to them. */
  securityGroups: WantedSecurityGroup[]
}

export interface WantedNetwork {
  id: string
  /** 1..16777215; unique in the cloud. VXLAN network identifier, and the seed of device names. */
  segmentationId: number
  mtu: number
  external: boolean
  /**
   * Processes of the host itself reach the ports (a laptop's `up`). It needs a host address in the subnet, and
   * the first network to claim a prefix wins: the host never has two meanings of one address.
   */
  reachableFromHost?: boolean
  /** External only: what leaves the host through this network takes the host's own address. */
  masquerade?: boolean
  subnets: WantedSubnet[]
  /**
   * Addresses that the network's own namespace answers: the DHCP port's fixed IPs with their prefix length, and
   * `169.254.169.254/32`. Resolver and metadata service listen there (`HostNetwork.namespaceOf`). On an external
   * network they are the host's own addresses on it: the subnet's gateway.
   */
  hostAddresses: { cidr: string }[]
  /** Other hosts' VXLAN endpoints that carry this network. */
  remotes: { address: string; macs: string[] }[]
  /** The domain of the network's names, without a last dot. */
  dnsDomain?: string
  /**
   * Names answered by the network's resolver: fully qualified or bare, lower case. `askers`: only those addresses are
   * told (a link is a name for one server). `isAlias`: not a port's own name, so no address is named after it.
   */
  names: { name: string; addresses: string[]; askers?: string[]; isAlias?: boolean }[]
}

export interface WantedSubnet {
  id: string
  cidr: string
  gatewayIp?: string
  dnsNameservers: string[]
  hostRoutes: { destination: string; nexthop: string }[]
  enableDhcp: boolean
}

/** A port of a container. Router and DHCP ports are not here: they are `WantedRouter` and `hostAddresses`. */
export interface WantedPort {
  id: string
  networkId: string
  mac: string
  addresses: { ip: string; subnetId: string; prefixLength: number }[]
  mtu: number
  adminUp: boolean
  portSecurity: boolean
  /** `ip` is an address or a prefix; `mac` is the port's own when the user named none. */
  allowedAddressPairs: { ip: string; mac: string }[]
  securityGroupIds: string[]
  /** Undefined: the port is bound to no sandbox now (its container is stopped); only the host side is kept. */
  sandbox?: { workloadId: string; pid: number; netns: string }
  /** Device name inside the sandbox: `eth0`, `eth1`, … */
  device: string
  /** The port whose subnet gateway becomes the default route. */
  primary: boolean
  dnsSearch?: string
}

/**
 * `addresses` are with prefix length (`10.0.0.1/24`); `gatewayIps`, floating and fixed addresses are bare. A floating
 * address lives on the gateway's network. The networks of all legs must be among the wanted ones.
 */
export interface WantedRouter {
  id: string
  interfaces: { portId: string; networkId: string; mac: string; addresses: string[] }[]
  gateway?: { portId: string; networkId: string; mac: string; addresses: string[]; gatewayIps: string[]; snat: boolean }
  floatingIps: { address: string; fixedIp: string }[]
  portForwardings: {
    address: string
    protocol: 'tcp' | 'udp'
    externalPort: number
    internalIp: string
    internalPort: number
  }[]
  routes: { destination: string; nexthop: string }[]
}

/** `memberIps`: fixed IPs and allowed address pairs of the group's ports on any host. Remote groups are given too. */
export interface WantedSecurityGroup {
  id: string
  stateful: boolean
  rules: WantedRule[]
  memberIps: string[]
}

export interface WantedRule {
  id: string
  direction: 'ingress' | 'egress'
  etherType: 'IPv4' | 'IPv6'
  /** A name (`tcp`, `icmp`, `ipv6-icmp`, …) or a number as text; undefined or `any`: all. */
  protocol?: string
  /** For ICMP: the type. */
  portMin?: number
  /** For ICMP: the code. */
  portMax?: number
  remoteCidr?: string
  remoteGroupId?: string
  remoteAddresses?: string[]
}

/** What was found on the host, and what was done about it. */
export interface HostNetworkReport {
  portsUp: string[]
  portsFailed: { portId: string; reason: string }[]
  /** Networks and routers that could not be made whole, and what the host refused in part. */
  problems: { kind: 'network' | 'router'; id: string; reason: string }[]
  commands: number
  tookMs: number
}

export interface HostLeak {
  kind: 'bridge' | 'link' | 'netns' | 'nft' | 'vxlan' | 'route'
  name: string
  mark: string
}

/** One host's network stack. Everything it makes carries the cloud's mark. */
export interface HostNetwork {
  /**
   * Plugs one port into a sandbox now: bridge, veth, address, routes, MTU, filter; returns when
   * packets may flow. Idempotent; the filter is in force before the link is up. The fast path of server create.
   * `securityGroups` are the port's own and those that their rules name as remote.
   */
  plug(network: WantedNetwork, port: WantedPort, securityGroups: WantedSecurityGroup[]): Promise<void>
  /** Removes one port's devices and rules. Idempotent. `networkId` saves the search after a restart. */
  unplug(portId: string, networkId?: string): Promise<void>
  /** Compares the host with `wanted`, repairs what differs in batches, reaps what bears our mark and is not wanted. */
  sync(wanted: HostNetworkState): Promise<HostNetworkReport>
  /** Path of the network's own namespace, where its resolver and metadata service listen (`nsenter --net=<path>`). */
  namespaceOf(networkId: string): string
  /** What bears this cloud's mark and is not in `wanted`. */
  leaks(wanted: HostNetworkState): Promise<HostLeak[]>
  /** Calls back when somebody else changed links or rules. */
  watch(listener: () => void, signal: AbortSignal): Promise<void>
}
