/** `/v2.0/floatingips`. */
import { T } from '#platform/api-kit/schema.ts'
import type { FloatingIp, Port } from '../store/tables.ts'
import {
  address,
  choice,
  foreignId,
  optional,
  standardAttributes,
  structure,
  taggable,
  text,
  uuidType,
  type Attributes,
} from './attributes.ts'
import { resourceRoutes, standardView, type ResourceSpec } from './resource.ts'

const attributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  floating_network_id: { type: uuidType, post: true, required: true },
  floating_ip_address: { type: address, post: true, setRule: true },
  subnet_id: { type: { ...optional(foreignId), filter: undefined }, post: true },
  port_id: { type: optional(uuidType), post: true, put: true },
  fixed_ip_address: { type: optional(address), post: true, put: true },
  router_id: { type: optional(uuidType) },
  status: { type: choice('ACTIVE', 'DOWN', 'ERROR') },
  dns_name: { type: text(), post: true },
  dns_domain: { type: text(), post: true },
  port_details: { type: structure(T.Null()) },
  port_forwardings: { type: structure(T.Array(T.Object({}))) },
  qos_policy_id: { type: structure(T.Null()), post: true, put: true },
}

const detailsOf = (port: Port | undefined): object | null =>
  port === undefined
    ? null
    : {
        name: port.name,
        network_id: port.network_id,
        mac_address: port.mac_address,
        admin_state_up: port.admin_state_up,
        status: port.status,
        device_id: port.device_id,
        device_owner: port.device_owner,
      }

const spec: ResourceSpec<FloatingIp> = {
  title: 'floating IP',
  name: 'floatingip',
  plural: 'floatingips',
  attributes,
  manager: (api) => api.floatingIps,
  views: async (api, _ctx, records) => {
    const { ports, forwardings } = await api.floatingIps.surroundings(records)
    return records.map((floating) => ({
      ...standardView(floating),
      floating_network_id: floating.floating_network_id,
      floating_ip_address: floating.floating_ip_address,
      port_id: floating.port_id,
      fixed_ip_address: floating.fixed_ip_address,
      router_id: floating.router_id,
      status: floating.status,
      dns_name: floating.dns_name,
      dns_domain: floating.dns_domain,
      qos_policy_id: null,
      port_details: detailsOf(ports.get(floating.port_id ?? '')),
      port_forwardings: (forwardings.get(floating.id) ?? []).map((one) => ({
        id: one.id,
        protocol: one.protocol,
        external_port: one.external_port,
        internal_port: one.internal_port,
        internal_ip_address: one.internal_ip_address,
      })),
    }))
  },
}

export const floatingIpRoutes = resourceRoutes(spec)
