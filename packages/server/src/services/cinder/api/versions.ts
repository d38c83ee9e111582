/** The version documents: the list at the service's root, and the one version at its own. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, reply, type Route } from '#platform/api-kit/route.ts'
import type { CinderApi } from './cinder-api.ts'

export const versionMin = '3.0'
export const versionMax = '3.71'

const document = (ctx: RequestContext) => ({
  id: 'v3.0',
  status: 'CURRENT',
  version: versionMax,
  min_version: versionMin,
  updated: '2025-09-10T00:00:00Z',
  links: [
    { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' },
    { rel: 'self', href: `${ctx.baseUrl}/` },
  ],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.volume+json;version=3' }],
})

/** 300 at the root: a choice, even of one. */
const list = (_api: CinderApi, ctx: RequestContext) => reply({ status: 300, body: { versions: [document(ctx)] } })

export const versionRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'versions.list',
    method: 'GET',
    path: '/',
    at: 'root',
    summary: 'List the versions of the API',
    policy: 'open',
    reply: { status: 300 },
    handler: list,
  }),
  defineRoute<CinderApi>({
    id: 'versions.show',
    method: 'GET',
    path: '/',
    summary: 'Show this version of the API',
    policy: 'open',
    reply: { status: 200 },
    handler: (_api, ctx) => ({ versions: [document(ctx)] }),
  }),
]
