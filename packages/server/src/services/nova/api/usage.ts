/** `os-simple-tenant-usage`: what projects used between two moments. */
import { isoNaive } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { nextUrl } from '#platform/api-kit/paging.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { since, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { ProjectUsage, ServerUsage } from '../manager/usage.ts'
import { statusOf } from '../states/server-state.ts'
import { atLeast, last, limitOf, momentOf, refuseUnknown, repeated } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'

const UsageQuery = T.Object({
  start: repeated, end: repeated, detailed: repeated,
  limit: T.Optional(T.Array(T.String(), since('2.40'))), marker: T.Optional(T.Array(T.String(), since('2.40'))),
}, { additionalProperties: true })

const fourWeeksMs = 28 * 24 * 3600 * 1000

const serverView = ({ server, hours, startedAt, endedAt, uptimeSeconds }: ServerUsage) => ({
  name: server.name,
  hours,
  flavor: server.flavor.name,
  instance_id: server.id,
  tenant_id: server.projectId,
  memory_mb: server.flavor.ramMiB,
  local_gb: server.flavor.diskGiB + server.flavor.ephemeralGiB,
  vcpus: server.flavor.vcpus,
  started_at: isoNaive(startedAt),
  ended_at: endedAt === null ? null : isoNaive(endedAt),
  state: statusOf(server.vmState, server.taskState).toLowerCase() === 'deleted' ? 'terminated' : server.vmState,
  uptime: uptimeSeconds,
})

const view = (usage: ProjectUsage, detailed: boolean) => ({
  tenant_id: usage.projectId,
  total_hours: usage.totalHours,
  total_vcpus_usage: usage.vcpuHours,
  total_memory_mb_usage: usage.ramMiBHours,
  total_local_gb_usage: usage.diskGiBHours,
  start: isoNaive(usage.start),
  stop: isoNaive(usage.stop),
  ...(detailed && { server_usages: usage.servers.map(serverView) }),
})

const momentsOf = (query: Query, now: number): { start: number; stop: number } => {
  const end = last(query, 'end')
  const start = last(query, 'start')
  const stop = end === undefined ? now : momentOf(end, 'end')
  const from = start === undefined ? stop - fourWeeksMs : momentOf(start, 'start')
  if (from >= stop) throw badRequest(
    'Invalid start time. The start time cannot occur after the end time.', { field: 'start' },
  )
  return { start: from, stop }
}

interface Asked { period: { start: number; stop: number }; limit: number | undefined; marker: string | undefined }

const askedOf = async (api: NovaApi, ctx: RequestContext, query: Query): Promise<Asked> => {
  refuseUnknown(ctx, query, Object.keys(UsageQuery.properties))
  const paged = atLeast(ctx, '2.40')
  const marker = paged ? last(query, 'marker') : undefined
  if (marker !== undefined && !(await api.usage.knows(marker))) throw badRequest(`Marker ${marker} could not be found.`)
  return { period: momentsOf(query, api.usage.now()), limit: paged ? limitOf(query) : undefined, marker }
}

const linksOf = (
  ctx: RequestContext, request: { url: string; name: string }, usages: ProjectUsage[], limit: number | undefined,
): object => {
  const servers = usages.flatMap((usage) => usage.servers)
  if (limit === undefined || !servers.length || servers.length < limit) return {}
  return {
    [`${request.name}_links`]: [{ rel: 'next', href: nextUrl(ctx.hostUrl, request.url, servers.at(-1)!.server.id) }],
  }
}

export const usageRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof UsageQuery>({
    id: 'usage.list', method: 'GET', path: '/os-simple-tenant-usage', summary: 'Show what every project used',
    policy: 'os_compute_api:os-simple-tenant-usage:list', query: UsageQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      // A slash at the end asks for the project without a name, which is not everybody.
      if (request.url.split('?')[0]!.endsWith('/')) throw notFound('The resource could not be found.')
      const query = request.query as Query
      const { period, ...page } = await askedOf(api, ctx, query)
      const usages = await api.usage.between(period, undefined, page)
      const detailed = last(query, 'detailed') === '1'
      return {
        tenant_usages: usages.map((usage) => view(usage, detailed)),
        ...linksOf(ctx, { url: request.url, name: 'tenant_usages' }, usages, page.limit),
      }
    },
  }),
  defineRoute<NovaApi, typeof UsageQuery>({
    id: 'usage.show', method: 'GET', path: '/os-simple-tenant-usage/{project_id}', summary: 'Show what a project used',
    policy: 'authenticated', query: UsageQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const projectId = request.params.project_id!
      ctx.enforce('os_compute_api:os-simple-tenant-usage:show', { project_id: projectId })
      const { period, ...page } = await askedOf(api, ctx, request.query as Query)
      const usages = await api.usage.between(period, projectId, page)
      return {
        tenant_usage: usages[0] ? view(usages[0], true) : {},
        ...linksOf(ctx, { url: request.url, name: 'tenant_usage' }, usages, page.limit),
      }
    },
  }),
]
