/** `/v2.0/routers`, their interfaces and extra routes. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Flag, isTrue, Nullable, T, type TSchema } from '#platform/api-kit/schema.ts'
import { isAddress } from '#engines/cidr/address.ts'
import type { InterfaceAsk, InterfaceInfo } from '../manager/routing/router-interfaces.ts'
import type { GatewayAsk } from '../manager/routing/routers.ts'
import type { HostRoute, Port, Router } from '../store/tables.ts'
import {
  choice,
  flag,
  foreignId,
  optional,
  standardAttributes,
  structure,
  taggable,
  text,
  type Attributes,
} from './attributes.ts'
import type { NeutronApi } from './neutron-api.ts'
import { resourceRoutes, standardView, viewsOf, type ResourceSpec } from './resource.ts'
import { hostRoutes } from './subnets.ts'

const gateway = Nullable(
  T.Object(
    {
      network_id: T.Optional(T.Union([T.String({ maxLength: 64 }), T.Null()])),
      enable_snat: T.Optional(Flag()),
      qos_policy_id: T.Optional(T.Null()),
      external_fixed_ips: T.Optional(
        T.Array(
          T.Object(
            {
              subnet_id: T.Optional(T.String({ maxLength: 64 })),
              ip_address: T.Optional(T.String({ maxLength: 64 })),
            },
            { additionalProperties: false },
          ),
        ),
      ),
    },
    { additionalProperties: false },
  ),
)

const wrongGateway = (info: GatewayAsk | null): string | undefined => {
  const wrong = info?.external_fixed_ips?.find(({ ip_address }) => ip_address !== undefined && !isAddress(ip_address))
  return wrong && `'${wrong.ip_address}' is not a valid IP address`
}
/** `{}` and null clear the gateway. */
const gatewayRead = (info: GatewayAsk | null): GatewayAsk | null =>
  info?.network_id
    ? { ...info, ...(info.enable_snat !== undefined && { enable_snat: isTrue(info.enable_snat) }) }
    : null

const attributes: Attributes = {
  ...standardAttributes,
  ...taggable,
  name: { type: text(), post: true, put: true },
  admin_state_up: { type: flag, post: true, put: true },
  status: { type: choice('ACTIVE', 'DOWN', 'ERROR') },
  external_gateway_info: { type: structure(gateway, wrongGateway, gatewayRead), post: true, put: true },
  routes: { type: structure(T.Union([hostRoutes, T.Null()]), undefined, (value) => value ?? []), put: true },
  ha: { type: structure(Flag()), field: 'ha', post: true, put: true, setRule: true, showRule: true },
  distributed: {
    type: structure(Flag()),
    field: 'distributed',
    post: true,
    put: true,
    setRule: true,
    showRule: true,
  },
  availability_zone_hints: { type: structure(T.Array(T.String({ maxLength: 255 }))), post: true },
  availability_zones: { type: structure(T.Array(T.String())) },
  flavor_id: { type: { ...optional(foreignId), filter: undefined, sorts: false } },
}

const gatewayView = (router: Router, port: Port | undefined): object | null =>
  router.gateway && {
    network_id: router.gateway.network_id,
    enable_snat: router.gateway.enable_snat,
    external_fixed_ips: port?.fixed_ips ?? [],
    qos_policy_id: null,
  }

const spec: ResourceSpec<Router> = {
  title: 'router',
  name: 'router',
  plural: 'routers',
  attributes,
  manager: (api) => api.routers,
  views: async (api, _ctx, routers) => {
    const ports = await api.routers.gatewayPorts(routers)
    return routers.map((router) => ({
      ...standardView(router),
      name: router.name,
      admin_state_up: router.admin_state_up,
      status: router.status,
      external_gateway_info: gatewayView(router, ports.get(router.id)),
      routes: router.routes,
      ha: false,
      distributed: false,
      availability_zone_hints: router.availability_zone_hints,
      availability_zones: ['nova'],
      flavor_id: null,
    }))
  },
}

const interfaceBody = T.Object({
  subnet_id: T.Optional(T.String({ maxLength: 64 })),
  port_id: T.Optional(T.String({ maxLength: 64 })),
})

const interfaceView = ({ router, port, subnetId }: InterfaceInfo) => ({
  id: router.id,
  tenant_id: router.project_id,
  project_id: router.project_id,
  port_id: port.id,
  network_id: port.network_id,
  subnet_id: subnetId,
  subnet_ids: port.fixed_ips.map(({ subnet_id }) => subnet_id),
  tags: router.tags,
})

const interfaceRoute = (verb: 'add' | 'remove', summary: string): Route<NeutronApi> =>
  defineRoute<NeutronApi, undefined, TSchema>({
    id: `routers.${verb}_interface`,
    method: 'PUT',
    path: `/routers/{id}/${verb}_router_interface`,
    summary,
    policy: `${verb}_router_interface`,
    body: interfaceBody,
    reply: { status: 200, schema: T.Object({}) },
    errors: [404, 409],
    handler: async (api, ctx, { params, body }) =>
      interfaceView(await api.routerInterfaces[verb](ctx, params.id!, body as InterfaceAsk)),
  })

const routesRoute = (verb: 'add' | 'remove', summary: string): Route<NeutronApi> =>
  defineRoute<NeutronApi, undefined, TSchema>({
    id: `routers.${verb}_extraroutes`,
    method: 'PUT',
    path: `/routers/{id}/${verb}_extraroutes`,
    summary,
    policy: `${verb}_extraroutes`,
    body: T.Object({ router: T.Object({ routes: hostRoutes }) }),
    reply: { status: 200, schema: T.Object({ router: T.Object({}) }) },
    errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const { routes } = (body as { router: { routes: HostRoute[] } }).router
      const router = await api.routers.routesChange(ctx, params.id!, { [verb]: routes })
      return { router: (await viewsOf(spec, api, ctx, [router]))[0] }
    },
  })

export const routerRoutes = [
  ...resourceRoutes(spec),
  interfaceRoute('add', 'Join a subnet or a port to a router'),
  interfaceRoute('remove', 'Part a subnet or a port from a router'),
  routesRoute('add', 'Add routes to a router'),
  routesRoute('remove', 'Take routes from a router'),
]
