/** Networks as Nova's API showed them until 2.35: a look through to the network service. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { NetworkInfo } from '#services/neutron/facade.ts'
import type { NovaApi } from './nova-api.ts'

/** Upstream tells the addresses of its own networks only; those of Neutron never were. */
const view = (network: NetworkInfo) => ({ id: network.id, label: network.name, cidr: 'None' })

/** `os-networks` showed administrators more of the networks that Nova kept itself; of Neutron's it never had it. */
const adminView = (network: NetworkInfo) => ({ id: network.id, label: network.name, cidr: null, project_id: null })

export const tenantNetworkRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'networks.list', method: 'GET', path: '/os-networks', summary: 'List networks, as older clients ask',
    policy: 'os_compute_api:os-networks:list', until: '2.35', reply: { status: 200 },
    handler: async (api, ctx) => ({ networks: (await api.neutron.networksAvailable(ctx.projectId)).map(adminView) }),
  }),
  defineRoute<NovaApi>({
    id: 'networks.show', method: 'GET', path: '/os-networks/{network_id}',
    summary: 'Show a network, as older clients ask',
    policy: 'os_compute_api:os-networks:show', until: '2.35', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const viewer = { projectId: ctx.projectId, isAdmin: ctx.isAdmin }
      const network = await api.neutron.networkFetch(params.network_id!, viewer)
      if (!network) throw notFound('Network not found')
      return { network: adminView(network) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'tenantNetworks.list', method: 'GET', path: '/os-tenant-networks',
    summary: 'List the networks a server can be on, as older clients ask',
    policy: 'os_compute_api:os-tenant-networks:list', until: '2.35', reply: { status: 200 },
    handler: async (api, ctx) => ({ networks: (await api.neutron.networksAvailable(ctx.projectId)).map(view) }),
  }),
  defineRoute<NovaApi>({
    id: 'tenantNetworks.show', method: 'GET', path: '/os-tenant-networks/{network_id}',
    summary: 'Show a network, as older clients ask', policy: 'os_compute_api:os-tenant-networks:show', until: '2.35',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const viewer = { projectId: ctx.projectId, isAdmin: ctx.isAdmin }
      const network = await api.neutron.networkFetch(params.network_id!, viewer)
      if (!network) throw notFound('Network not found')
      return { network: view(network) }
    },
  }),
]
