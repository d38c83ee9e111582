/** Neutron's version documents. */
import { oneVersionRoute } from '#platform/api-kit/one-version.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import type { NeutronApi } from './neutron-api.ts'

/** Collections below `/v2.0`: name in the API → path. */
const resources: Record<string, string> = {
  networks: 'networks',
  subnets: 'subnets',
  ports: 'ports',
  subnetpools: 'subnetpools',
  routers: 'routers',
  floatingips: 'floatingips',
  security_groups: 'security-groups',
  security_group_rules: 'security-group-rules',
  address_scopes: 'address-scopes',
  address_groups: 'address-groups',
  rbac_policies: 'rbac-policies',
  quotas: 'quotas',
  agents: 'agents',
  extensions: 'extensions',
  availability_zones: 'availability_zones',
  network_ip_availabilities: 'network-ip-availabilities',
}

export const versionRoutes: Route<NeutronApi>[] = [
  oneVersionRoute<NeutronApi>('v2.0'),
  defineRoute<NeutronApi>({
    id: 'versions.resources',
    method: 'GET',
    path: '/',
    summary: 'List the collections of version 2.0',
    policy: 'open',
    reply: { status: 200 },
    handler: (_api, ctx) => ({
      resources: Object.entries(resources).map(([collection, path]) => ({
        name: collection.replace(/ies$/, 'y').replace(/s$/, ''),
        collection,
        links: [{ rel: 'self', href: `${ctx.baseUrl}/${path}` }],
      })),
    }),
  }),
]
