/** `/v2.0/subnets`. */
import { T } from '#platform/api-kit/schema.ts'
import { isAddress } from '#engines/cidr/address.ts'
import { sharedFilter } from './listing.ts'
import type { Subnet } from '../store/tables.ts'
import {
  address,
  choice,
  cidr,
  flag,
  foreignId,
  integer,
  optional,
  standardAttributes,
  structure,
  taggable,
  text,
  uuidType,
  type Attributes,
} from './attributes.ts'
import { resourceRoutes, standardView, type ResourceSpec } from './resource.ts'

const modes = choice('slaac', 'dhcpv6-stateful', 'dhcpv6-stateless')
const notAddresses = (values: string[]): string | undefined => {
  const twice = values.find((value, at) => values.indexOf(value) !== at)
  if (twice !== undefined) return `Duplicate nameserver '${twice}'`
  const wrong = values.find((value) => !isAddress(value))
  return wrong === undefined ? undefined : `'${wrong}' is not a valid nameserver`
}
export const hostRoutes = T.Array(
  T.Object(
    { destination: T.String({ maxLength: 64 }), nexthop: T.String({ maxLength: 64 }) },
    { additionalProperties: false },
  ),
)
const ranges = T.Array(
  T.Object({ start: T.String({ maxLength: 64 }), end: T.String({ maxLength: 64 }) }, { additionalProperties: false }),
)

const attributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  name: { type: text(), post: true, put: true },
  network_id: { type: uuidType, post: true, required: true },
  ip_version: { type: integer(4, 6), post: true, required: true },
  cidr: { type: optional({ ...cidr, problem: undefined }), post: true },
  gateway_ip: { type: optional(address), post: true, put: true },
  enable_dhcp: { type: flag, post: true, put: true },
  allocation_pools: { type: structure(ranges), post: true, put: true },
  dns_nameservers: {
    type: structure(
      T.Union([T.Array(T.String({ maxLength: 255 })), T.Null()]),
      (value) => notAddresses(value ?? []),
      (value) => value ?? [],
    ),
    post: true,
    put: true,
  },
  host_routes: {
    type: structure(T.Union([hostRoutes, T.Null()]), undefined, (value) => value ?? []),
    post: true,
    put: true,
  },
  ipv6_ra_mode: { type: optional(modes), post: true },
  ipv6_address_mode: { type: optional(modes), post: true },
  subnetpool_id: { type: optional(foreignId), post: true },
  prefixlen: { type: integer(0, 128), post: true },
  use_default_subnetpool: { type: flag, post: true },
  service_types: { type: structure(T.Array(T.String({ maxLength: 255 }))), post: true, put: true },
  dns_publish_fixed_ip: { type: flag, post: true, put: true },
  segment_id: { type: optional(foreignId), field: 'segment_id', post: true, setRule: true },
}

const spec: ResourceSpec<Subnet> = {
  title: 'subnet',
  name: 'subnet',
  plural: 'subnets',
  attributes,
  manager: (api) => api.subnets,
  filters: {
    segment_id: () => (where) => where(where.val(0), '=', where.val(1)),
    shared: (values, projectId) => (where) =>
      where(
        'network_id',
        'in',
        where.selectFrom('neutron_network').select('id').where(sharedNetworks(values, projectId)),
      ),
  },
  views: (_api, _ctx, subnets) =>
    subnets.map((subnet) => ({
      ...standardView(subnet),
      name: subnet.name,
      network_id: subnet.network_id,
      ip_version: subnet.ip_version,
      cidr: subnet.cidr,
      gateway_ip: subnet.gateway_ip,
      enable_dhcp: subnet.enable_dhcp,
      allocation_pools: subnet.allocation_pools,
      dns_nameservers: subnet.dns_nameservers,
      host_routes: subnet.host_routes,
      ipv6_ra_mode: subnet.ipv6_ra_mode,
      ipv6_address_mode: subnet.ipv6_address_mode,
      subnetpool_id: subnet.subnetpool_id,
      service_types: subnet.service_types,
      dns_publish_fixed_ip: subnet.dns_publish_fixed_ip,
      segment_id: null,
    })),
}

const sharedNetworks = sharedFilter('network')

export const subnetRoutes = resourceRoutes(spec)
