/** Glance's version documents. */
import { defineRoute, reply, type Route } from '#platform/api-kit/route.ts'
import type { GlanceApi } from './glance-api.ts'

const minors = [...Array(18).keys()].filter((minor) => minor !== 14).reverse()

const versions = (baseUrl: string) => ({
  versions: minors.map((minor) => ({
    id: `v2.${minor}`,
    status: minor === 17 ? 'CURRENT' : 'SUPPORTED',
    links: [{ rel: 'self', href: `${baseUrl}/` }],
  })),
})

const versionRoute = (id: string, path: string, status: number): Route<GlanceApi> =>
  defineRoute<GlanceApi>({
    id,
    path,
    method: 'GET',
    at: 'root',
    summary: 'List API versions',
    policy: 'open',
    reply: { status: 300 },
    handler: (_glance, ctx) => reply({ status, body: versions(ctx.baseUrl) }),
  })

export const versionRoutes = [
  versionRoute('versions.choices', '/', 300),
  versionRoute('versions.list', '/versions', 200),
]
