/** `/v2.0/networks`. */
import { T } from '#platform/api-kit/schema.ts'
import { sharedFilter } from './listing.ts'
import type { Network } from '../store/tables.ts'
import {
  flag,
  foreignId,
  integer,
  optional,
  standardAttributes,
  structure,
  taggable,
  text,
  choice,
  type Attributes,
} from './attributes.ts'
import { resourceRoutes, standardView, type ResourceSpec } from './resource.ts'

const attributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  name: { type: text(), post: true, put: true },
  admin_state_up: { type: flag, post: true, put: true },
  status: { type: choice('ACTIVE', 'DOWN', 'BUILD', 'ERROR') },
  shared: { type: flag, post: true, put: true, setRule: true },
  'router:external': { type: flag, field: 'external', post: true, put: true, setRule: true },
  'provider:network_type': {
    type: text(32),
    field: 'network_type',
    post: true,
    put: true,
    setRule: true,
    showRule: true,
  },
  'provider:physical_network': {
    type: optional(text(64)),
    field: 'physical_network',
    post: true,
    put: true,
    setRule: true,
    showRule: true,
  },
  'provider:segmentation_id': {
    type: integer(1, 2 ** 24 - 1),
    field: 'segmentation_id',
    post: true,
    setRule: true,
    showRule: true,
  },
  mtu: { type: integer(0, 65_535), post: true, put: true },
  port_security_enabled: { type: flag, post: true, put: true },
  dns_domain: { type: text(255, /^([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]*\.?$/), post: true, put: true },
  availability_zone_hints: { type: structure(T.Array(T.String({ maxLength: 255 }))), post: true },
  availability_zones: { type: structure(T.Array(T.String())) },
  is_default: { type: flag, post: true, put: true, setRule: true },
  subnets: { type: structure(T.Array(T.String())) },
  ipv4_address_scope: { type: optional(foreignId) },
  ipv6_address_scope: { type: optional(foreignId) },
}

const spec: ResourceSpec<Network> = {
  title: 'network',
  name: 'network',
  plural: 'networks',
  attributes,
  manager: (api) => api.networks,
  filters: {
    shared: sharedFilter('network'),
    subnets: (values) => (where) =>
      where('id', 'in', where.selectFrom('neutron_subnet').select('network_id').where('id', 'in', values)),
  },
  views: async (api, ctx, networks) => {
    const { shared, subnets } = await api.networks.surroundings(ctx.projectId, networks)
    return networks.map((network) => ({
      ...standardView(network),
      name: network.name,
      admin_state_up: network.admin_state_up,
      status: network.status,
      shared: shared.has(network.id),
      'router:external': network.external,
      'provider:network_type': network.network_type,
      'provider:physical_network': network.physical_network,
      'provider:segmentation_id': network.network_type === 'vxlan' ? network.segmentation_id : null,
      mtu: network.mtu,
      port_security_enabled: network.port_security_enabled,
      dns_domain: network.dns_domain,
      availability_zone_hints: network.availability_zone_hints,
      availability_zones: ['nova'],
      subnets: (subnets.get(network.id) ?? []).map(({ id }) => id),
      ipv4_address_scope: null,
      ipv6_address_scope: null,
      ...(network.external && { is_default: network.is_default }),
    }))
  },
}

export const networkRoutes = resourceRoutes(spec)
