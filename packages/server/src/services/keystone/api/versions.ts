/** Version documents: what is where, for clients that have no token yet. */
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Managers } from '../manager/managers.ts'

const version = (ctx: RequestContext) => ({
  id: 'v3.14', status: 'stable', updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${ctx.baseUrl}/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
})

export const versionRoutes = [
  defineRoute({
    id: 'versions.list', method: 'GET', path: '/', at: 'root', summary: 'List versions', policy: 'open',
    reply: { status: 300 },
    handler: (_: Managers, ctx) => reply({
      headers: { Location: `${ctx.baseUrl}/` }, body: { versions: { values: [version(ctx)] } },
    }),
  }),
  defineRoute({
    id: 'versions.show', method: 'GET', path: '/', summary: 'Show this version', policy: 'open', reply: { status: 200 },
    handler: (_: Managers, ctx) => ({ version: version(ctx) }),
  }),
]
