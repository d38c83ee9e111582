/** Neutron's records. Fields bear the API's own names, so that attributes, filters and columns are one vocabulary. */

/** What every Neutron resource has. Times are milliseconds. */
export interface Standard {
  id: string
  project_id: string
  description: string
  tags: string[]
  revision_number: number
  created_at: number
  updated_at: number
}

export interface Network extends Standard {
  name: string
  admin_state_up: boolean
  status: string
  external: boolean
  mtu: number
  network_type: string
  physical_network: string | null
  /** 1..2^24−1, unique in the cloud. */
  segmentation_id: number
  port_security_enabled: boolean
  dns_domain: string
  availability_zone_hints: string[]
  is_default: boolean
}

export interface AddressRange {
  start: string
  end: string
}
export interface HostRoute {
  destination: string
  nexthop: string
}

export interface Subnet extends Standard {
  name: string
  network_id: string
  ip_version: number
  cidr: string
  gateway_ip: string | null
  enable_dhcp: boolean
  allocation_pools: AddressRange[]
  dns_nameservers: string[]
  host_routes: HostRoute[]
  ipv6_ra_mode: string | null
  ipv6_address_mode: string | null
  subnetpool_id: string | null
  service_types: string[]
  dns_publish_fixed_ip: boolean
}

export interface FixedIp {
  subnet_id: string
  ip_address: string
}
export interface AddressPair {
  ip_address: string
  mac_address?: string
}
export interface DhcpOption {
  opt_name: string
  opt_value: string
  ip_version: number
}
export interface PortSandbox {
  workloadId: string
  pid: number
  netns: string
}

export interface Port extends Standard {
  name: string
  network_id: string
  mac_address: string
  admin_state_up: boolean
  status: string
  device_id: string
  device_owner: string
  /** A copy of the allocations, in order: a port is read with one statement. */
  fixed_ips: FixedIp[]
  /** A copy of the memberships. */
  security_groups: string[]
  allowed_address_pairs: AddressPair[]
  port_security_enabled: boolean
  host: string
  vnic_type: string
  profile: Record<string, unknown>
  extra_dhcp_opts: DhcpOption[]
  dns_name: string
  /** Where the port is plugged now; null: nowhere. */
  sandbox: PortSandbox | null
  /** The device's own name for the port (Nova's device tag). */
  device_tag: string
  /** Orders the ports of a device. */
  attached_at: number
  /** Made by a person and lent to the device, so it outlives the device. */
  adopted: boolean
}

export interface SecurityGroup extends Standard {
  name: string
  stateful: boolean
}

export interface SecurityGroupRule extends Standard {
  security_group_id: string
  direction: 'ingress' | 'egress'
  ethertype: 'IPv4' | 'IPv6'
  protocol: string | null
  port_range_min: number | null
  port_range_max: number | null
  remote_ip_prefix: string | null
  remote_group_id: string | null
  remote_address_group_id: string | null
}

export interface RouterGateway {
  network_id: string
  port_id: string
  enable_snat: boolean
}

export interface Router extends Standard {
  name: string
  admin_state_up: boolean
  status: string
  gateway: RouterGateway | null
  routes: HostRoute[]
  availability_zone_hints: string[]
}

export interface FloatingIp extends Standard {
  floating_network_id: string
  floating_ip_address: string
  /** The port on the external network that holds the address. */
  own_port_id: string
  port_id: string | null
  fixed_ip_address: string | null
  router_id: string | null
  status: string
  dns_name: string
  dns_domain: string
}

export interface PortForwarding extends Standard {
  floatingip_id: string
  protocol: string
  external_port: number
  external_port_last: number
  internal_port_id: string
  internal_ip_address: string
  internal_port: number
  internal_port_last: number
}

export interface AddressGroup extends Standard {
  name: string
  addresses: string[]
}
export interface AddressScope extends Standard {
  name: string
  ip_version: number
  shared: boolean
}

export interface SubnetPool extends Standard {
  name: string
  ip_version: number
  prefixes: string[]
  default_prefixlen: number
  min_prefixlen: number
  max_prefixlen: number
  address_scope_id: string | null
  is_default: boolean
  default_quota: number | null
  shared: boolean
}

export interface RbacPolicy extends Standard {
  object_type: string
  object_id: string
  action: string
  /** A project's id, or `*`. */
  target_tenant: string
}

/** One address of one port. Unique by subnet and address: the database decides who gets it. */
export interface AllocationRow {
  subnet_id: string
  ip_address: string
  port_id: string
  network_id: string
}
export interface MembershipRow {
  port_id: string
  security_group_id: string
}
export interface DefaultGroupRow {
  project_id: string
  security_group_id: string
}
/** What was made once in the cloud's life and is not made again when somebody deleted it. */
export interface SeedRow {
  name: string
  made_at: number
}

export interface LinkTables {
  neutron_allocation: AllocationRow
  neutron_membership: MembershipRow
  neutron_default_group: DefaultGroupRow
  neutron_seed: SeedRow
}
