/** `/v2.0/ports`. */
import { T } from '#platform/api-kit/schema.ts'
import { isAddress } from '#engines/cidr/address.ts'
import { isMac } from '#engines/cidr/mac.ts'
import { parsePrefix } from '#engines/cidr/prefix.ts'
import { invalid } from '../manager/refusals.ts'
import type { Condition } from '../store/records.ts'
import type { Port } from '../store/tables.ts'
import {
  choice,
  flag,
  foreignId,
  integer,
  mac,
  standardAttributes,
  structure,
  taggable,
  text,
  textOrNull,
  uuidType,
  type Attributes,
} from './attributes.ts'
import { resourceRoutes, standardView, type ResourceSpec } from './resource.ts'
import type { SpecialFilter } from './listing.ts'

const fixedIp = T.Object(
  { subnet_id: T.Optional(T.String({ maxLength: 64 })), ip_address: T.Optional(T.String({ maxLength: 64 })) },
  { additionalProperties: false },
)
const pair = T.Object(
  { ip_address: T.String({ maxLength: 64 }), mac_address: T.Optional(T.String({ maxLength: 17 })) },
  { additionalProperties: false },
)
const dhcpOption = T.Object(
  {
    opt_name: T.String({ maxLength: 255 }),
    opt_value: T.Union([T.String({ maxLength: 255 }), T.Null()]),
    ip_version: T.Optional(T.Integer()),
  },
  { additionalProperties: false },
)
const vnicTypes = [
  'normal',
  'direct',
  'macvtap',
  'baremetal',
  'direct-physical',
  'virtio-forwarder',
  'smart-nic',
  'accelerator-direct',
  'vdpa',
]

const wrongFixedIp = (ips: { ip_address?: string }[]): string | undefined => {
  const wrong = ips.find(({ ip_address }) => ip_address !== undefined && !isAddress(ip_address))
  if (wrong) return `'${wrong.ip_address}' is not a valid IP address`
  const asked = ips.flatMap(({ ip_address }) => ip_address ?? [])
  const twice = asked.find((ip, at) => asked.indexOf(ip) !== at)
  return twice === undefined ? undefined : `Duplicate IP address '${twice}'`
}

const wrongPair = (pairs: { ip_address: string; mac_address?: string }[] | null): string | undefined => {
  for (const { ip_address, mac_address } of pairs ?? []) {
    if (!isAddress(ip_address) && !parsePrefix(ip_address))
      return `'${ip_address}' is not a valid IP address or subnet`
    if (mac_address !== undefined && !isMac(mac_address)) return `'${mac_address}' is not a valid MAC address`
  }
  const keys = (pairs ?? []).map((one) => `${one.mac_address ?? ''} ${one.ip_address}`)
  const twice = keys.findIndex((key, at) => keys.indexOf(key) !== at)
  return twice < 0 ? undefined : `Request contains duplicate address pair: ip_address ${pairs![twice]!.ip_address}`
}

const attributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  name: { type: text(), post: true, put: true },
  network_id: { type: uuidType, post: true, required: true },
  admin_state_up: { type: flag, post: true, put: true },
  mac_address: { type: mac, post: true, put: true },
  fixed_ips: { type: structure(T.Array(fixedIp), wrongFixedIp), post: true, put: true },
  status: { type: choice('ACTIVE', 'DOWN', 'BUILD', 'ERROR', 'N/A') },
  device_id: { type: textOrNull(), post: true, put: true },
  device_owner: { type: textOrNull(), post: true, put: true },
  security_groups: {
    type: structure(T.Union([T.Array(T.String({ maxLength: 64 })), T.Null()]), undefined, (value) => value ?? []),
    post: true,
    put: true,
  },
  allowed_address_pairs: {
    type: structure(T.Union([T.Array(pair, { maxItems: 10 }), T.Null()]), wrongPair, (value) => value ?? []),
    post: true,
    put: true,
  },
  port_security_enabled: { type: flag, post: true, put: true },
  extra_dhcp_opts: {
    type: structure(T.Union([T.Array(dhcpOption), T.Null()]), undefined, (value) => value ?? []),
    post: true,
    put: true,
  },
  'binding:host_id': { type: textOrNull(), field: 'host', post: true, put: true, showRule: true },
  'binding:vnic_type': { type: choice(...vnicTypes), field: 'vnic_type', post: true, put: true },
  'binding:profile': {
    type: structure(T.Union([T.Record(T.String(), T.Unknown()), T.Null()]), undefined, (value) => value ?? {}),
    field: 'profile',
    post: true,
    put: true,
    showRule: true,
  },
  'binding:vif_type': { type: text(), showRule: true },
  'binding:vif_details': { type: structure(T.Object({})), showRule: true },
  dns_name: { type: text(255, /^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?)*$/), post: true, put: true },
  dns_assignment: { type: structure(T.Array(T.Object({}))) },
  dns_domain: { type: text(), field: 'dns_domain' },
  propagate_uplink_status: { type: flag },
  ip_allocation: { type: foreignId },
  resource_request: { type: structure(T.Null()) },
  qos_policy_id: { type: structure(T.Null()) },
  qos_network_policy_id: { type: structure(T.Null()) },
  segment_id: { type: integer(0, 0) },
}
const unfiltered = ['dns_domain', 'propagate_uplink_status', 'ip_allocation', 'segment_id', 'binding:vif_type']
for (const name of unfiltered) (attributes as Record<string, { type: object }>)[name]!.type = structure(T.Unknown())

/** `fixed_ips=ip_address=10.0.0.5&fixed_ips=subnet_id=…`: values of one key are alternatives, keys all hold. */
const fixedIpsFilter: SpecialFilter = (values) => {
  const asks = values.map(
    (value) => /^(ip_address|subnet_id|ip_address_substr)=(.*)$/s.exec(value) ?? refuseFixedIps(value),
  )
  const byKey = Map.groupBy(asks, ([, key]) => key!)
  return (where) =>
    where.exists(
      [...byKey].reduce(
        (query: any, [key, group]) =>
          query.where(
            matching(
              key,
              group.map(([, , value]) => value!),
            ),
          ),
        where
          .selectFrom('neutron_allocation')
          .select('neutron_allocation.port_id')
          .whereRef('neutron_allocation.port_id', '=', 'neutron_port.id'),
      ),
    )
}
const refuseFixedIps = (value: string): never => {
  throw invalid(`fixed_ips filter '${value}' must be ip_address=, ip_address_substr= or subnet_id=`, 'fixed_ips')
}

const matching =
  (key: string, values: string[]): Condition =>
  (where) =>
    key === 'ip_address_substr'
      ? where.or(
          values.map((value) => where('neutron_allocation.ip_address', 'like', `%${value.replaceAll(/[%_]/g, '')}%`)),
        )
      : where(`neutron_allocation.${key}`, 'in', values)

const spec: ResourceSpec<Port> = {
  title: 'port',
  name: 'port',
  plural: 'ports',
  attributes,
  manager: (api) => api.ports,
  filters: {
    fixed_ips: fixedIpsFilter,
    ip_allocation: () => (where) => where('id', '<>', ''),
    security_groups: (values) => (where) =>
      where(
        'id',
        'in',
        where.selectFrom('neutron_membership').select('port_id').where('security_group_id', 'in', values),
      ),
    'security_groups-any': (values) => (where) =>
      where(
        'id',
        'in',
        where.selectFrom('neutron_membership').select('port_id').where('security_group_id', 'in', values),
      ),
    mac_address: (values) => (where) =>
      where(
        'mac_address',
        'in',
        values.map((value) => value.toLowerCase()),
      ),
    device_owner: (values) => (where) => where.or(values.map((value) => where('device_owner', '=', value))),
  },
  views: (_api, _ctx, ports) =>
    ports.map((port) => ({
      ...standardView(port),
      name: port.name,
      network_id: port.network_id,
      admin_state_up: port.admin_state_up,
      mac_address: port.mac_address,
      fixed_ips: port.fixed_ips,
      status: port.status,
      device_id: port.device_id,
      device_owner: port.device_owner,
      security_groups: port.security_groups,
      allowed_address_pairs: port.allowed_address_pairs.map((one) => ({ mac_address: port.mac_address, ...one })),
      port_security_enabled: port.port_security_enabled,
      extra_dhcp_opts: port.extra_dhcp_opts.map((option) => ({ ...option, ip_version: option.ip_version ?? 4 })),
      'binding:host_id': port.host,
      'binding:vnic_type': port.vnic_type,
      'binding:profile': port.profile,
      'binding:vif_type': port.host === '' ? 'unbound' : 'bridge',
      'binding:vif_details': port.host === '' ? {} : { port_filter: true },
      dns_name: port.dns_name,
      dns_assignment: port.fixed_ips.map(({ ip_address }) => assignment(port.dns_name, ip_address)),
      ip_allocation: 'immediate',
      qos_policy_id: null,
    })),
}

const dnsDomain = 'openstacklocal.'

const assignment = (name: string, ip: string) => {
  const hostname = name || `host-${ip.replaceAll(/[.:]+/g, '-')}`
  return { ip_address: ip, hostname, fqdn: `${hostname}.${dnsDomain}` }
}

export const portRoutes = resourceRoutes(spec)
