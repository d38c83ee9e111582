/** Each kind of record: its table, its columns' types and its names in the API and in refusals. */
import type {
  AddressGroup,
  AddressScope,
  FloatingIp,
  Network,
  Port,
  PortForwarding,
  RbacPolicy,
  Router,
  SecurityGroup,
  SecurityGroupRule,
  Standard,
  Subnet,
  SubnetPool,
} from './tables.ts'

export type ColumnType = 'text' | 'flag' | 'integer' | 'json'

export interface Kind<R extends Standard> {
  /** `network`: the key of one in a body, and the tail of its policy rules. */
  name: string
  plural: string
  table: string
  columns: { readonly [Field in keyof R]: ColumnType }
  /** Columns that may be null: lists are not sorted by them. */
  nullable: readonly (keyof R & string)[]
  notFound: { type: string; sentence: (id: string) => string }
}

const standard = {
  id: 'text',
  project_id: 'text',
  description: 'text',
  tags: 'json',
  revision_number: 'integer',
  created_at: 'integer',
  updated_at: 'integer',
} as const

const couldNot = (what: string) => (id: string) => `${what} ${id} could not be found.`
const doesNot = (what: string) => (id: string) => `${what} ${id} does not exist`

export const networkKind: Kind<Network> = {
  name: 'network',
  plural: 'networks',
  table: 'neutron_network',
  nullable: ['physical_network'],
  notFound: { type: 'NetworkNotFound', sentence: couldNot('Network') },
  columns: {
    ...standard,
    name: 'text',
    admin_state_up: 'flag',
    status: 'text',
    external: 'flag',
    mtu: 'integer',
    network_type: 'text',
    physical_network: 'text',
    segmentation_id: 'integer',
    port_security_enabled: 'flag',
    dns_domain: 'text',
    availability_zone_hints: 'json',
    is_default: 'flag',
  },
}

export const subnetKind: Kind<Subnet> = {
  name: 'subnet',
  plural: 'subnets',
  table: 'neutron_subnet',
  nullable: ['gateway_ip', 'ipv6_ra_mode', 'ipv6_address_mode', 'subnetpool_id'],
  notFound: { type: 'SubnetNotFound', sentence: couldNot('Subnet') },
  columns: {
    ...standard,
    name: 'text',
    network_id: 'text',
    ip_version: 'integer',
    cidr: 'text',
    gateway_ip: 'text',
    enable_dhcp: 'flag',
    allocation_pools: 'json',
    dns_nameservers: 'json',
    host_routes: 'json',
    ipv6_ra_mode: 'text',
    ipv6_address_mode: 'text',
    subnetpool_id: 'text',
    service_types: 'json',
    dns_publish_fixed_ip: 'flag',
  },
}

export const portKind: Kind<Port> = {
  name: 'port',
  plural: 'ports',
  table: 'neutron_port',
  nullable: [],
  notFound: { type: 'PortNotFound', sentence: couldNot('Port') },
  columns: {
    ...standard,
    name: 'text',
    network_id: 'text',
    mac_address: 'text',
    admin_state_up: 'flag',
    status: 'text',
    device_id: 'text',
    device_owner: 'text',
    fixed_ips: 'json',
    security_groups: 'json',
    allowed_address_pairs: 'json',
    port_security_enabled: 'flag',
    host: 'text',
    vnic_type: 'text',
    profile: 'json',
    extra_dhcp_opts: 'json',
    dns_name: 'text',
    sandbox: 'json',
    device_tag: 'text',
    attached_at: 'integer',
    adopted: 'flag',
  },
}

export const securityGroupKind: Kind<SecurityGroup> = {
  name: 'security_group',
  plural: 'security_groups',
  table: 'neutron_security_group',
  nullable: [],
  notFound: { type: 'SecurityGroupNotFound', sentence: doesNot('Security group') },
  columns: { ...standard, name: 'text', stateful: 'flag' },
}

export const securityGroupRuleKind: Kind<SecurityGroupRule> = {
  name: 'security_group_rule',
  plural: 'security_group_rules',
  table: 'neutron_security_group_rule',
  nullable: [
    'protocol',
    'port_range_min',
    'port_range_max',
    'remote_ip_prefix',
    'remote_group_id',
    'remote_address_group_id',
  ],
  notFound: { type: 'SecurityGroupRuleNotFound', sentence: doesNot('Security group rule') },
  columns: {
    ...standard,
    security_group_id: 'text',
    direction: 'text',
    ethertype: 'text',
    protocol: 'text',
    port_range_min: 'integer',
    port_range_max: 'integer',
    remote_ip_prefix: 'text',
    remote_group_id: 'text',
    remote_address_group_id: 'text',
  },
}

export const routerKind: Kind<Router> = {
  name: 'router',
  plural: 'routers',
  table: 'neutron_router',
  nullable: [],
  notFound: { type: 'RouterNotFound', sentence: couldNot('Router') },
  columns: {
    ...standard,
    name: 'text',
    admin_state_up: 'flag',
    status: 'text',
    gateway: 'json',
    routes: 'json',
    availability_zone_hints: 'json',
  },
}

export const floatingIpKind: Kind<FloatingIp> = {
  name: 'floatingip',
  plural: 'floatingips',
  table: 'neutron_floatingip',
  nullable: ['port_id', 'fixed_ip_address', 'router_id'],
  notFound: { type: 'FloatingIPNotFound', sentence: (id) => `Floating IP ${id} could not be found` },
  columns: {
    ...standard,
    floating_network_id: 'text',
    floating_ip_address: 'text',
    own_port_id: 'text',
    port_id: 'text',
    fixed_ip_address: 'text',
    router_id: 'text',
    status: 'text',
    dns_name: 'text',
    dns_domain: 'text',
  },
}

export const portForwardingKind: Kind<PortForwarding> = {
  name: 'port_forwarding',
  plural: 'port_forwardings',
  table: 'neutron_port_forwarding',
  nullable: [],
  notFound: { type: 'PortForwardingNotFound', sentence: (id) => `Port Forwarding ${id} could not be found.` },
  columns: {
    ...standard,
    floatingip_id: 'text',
    protocol: 'text',
    external_port: 'integer',
    external_port_last: 'integer',
    internal_port_id: 'text',
    internal_ip_address: 'text',
    internal_port: 'integer',
    internal_port_last: 'integer',
  },
}

export const addressGroupKind: Kind<AddressGroup> = {
  name: 'address_group',
  plural: 'address_groups',
  table: 'neutron_address_group',
  nullable: [],
  notFound: { type: 'AddressGroupNotFound', sentence: couldNot('Address group') },
  columns: { ...standard, name: 'text', addresses: 'json' },
}

export const addressScopeKind: Kind<AddressScope> = {
  name: 'address_scope',
  plural: 'address_scopes',
  table: 'neutron_address_scope',
  nullable: [],
  notFound: { type: 'AddressScopeNotFound', sentence: couldNot('Address scope') },
  columns: { ...standard, name: 'text', ip_version: 'integer', shared: 'flag' },
}

export const subnetPoolKind: Kind<SubnetPool> = {
  name: 'subnetpool',
  plural: 'subnetpools',
  table: 'neutron_subnetpool',
  nullable: ['address_scope_id', 'default_quota'],
  notFound: { type: 'SubnetPoolNotFound', sentence: couldNot('Subnet pool') },
  columns: {
    ...standard,
    name: 'text',
    ip_version: 'integer',
    prefixes: 'json',
    default_prefixlen: 'integer',
    min_prefixlen: 'integer',
    max_prefixlen: 'integer',
    address_scope_id: 'text',
    is_default: 'flag',
    default_quota: 'integer',
    shared: 'flag',
  },
}

export const rbacKind: Kind<RbacPolicy> = {
  name: 'rbac_policy',
  plural: 'rbac_policies',
  table: 'neutron_rbac',
  nullable: [],
  notFound: { type: 'RbacPolicyNotFound', sentence: (id) => `RBAC policy with ID ${id} not found` },
  columns: { ...standard, object_type: 'text', object_id: 'text', action: 'text', target_tenant: 'text' },
}
