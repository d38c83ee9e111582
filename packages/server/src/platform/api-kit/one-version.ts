/** The version document of a service that has one version and no microversions. */
import { defineRoute, type Route } from './route.ts'

/** `GET /` at the service's root: `id` is the version as the path has it, such as `v2.0`. */
export const oneVersionRoute = <Api>(id: string): Route<Api> =>
  defineRoute<Api>({
    id: 'versions.list',
    method: 'GET',
    path: '/',
    at: 'root',
    summary: 'List API versions',
    policy: 'open',
    reply: { status: 200 },
    handler: (_api, ctx) => ({
      versions: [{ id, status: 'CURRENT', links: [{ rel: 'self', href: `${ctx.baseUrl}/` }] }],
    }),
  })
