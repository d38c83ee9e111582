/** Hypervisors: the Docker hosts as Nova's clients know hosts. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { isTrue, since, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { HypervisorView } from '../manager/hosts.ts'
import { atLeast, last, limitOf, nextLinks, refuseUnknown, repeated } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'

const rule = (verb: string) => `os_compute_api:os-hypervisors:${verb}`
const HypervisorQuery = T.Object({
  limit: T.Optional(T.Array(T.String(), since('2.33'))), marker: T.Optional(T.Array(T.String(), since('2.33'))),
  hypervisor_hostname_pattern: repeated, with_servers: repeated,
}, { additionalProperties: true })

const idOf = (ctx: RequestContext, { host, number }: HypervisorView) => (atLeast(ctx, '2.53') ? host.id : number)

const serversView = ({ servers }: HypervisorView) => servers.map(({ id, name }) => ({ uuid: id, name }))

/** From 2.53 on a list shows servers when asked; from 2.75 even when there are none. */
const withServers = (ctx: RequestContext, hypervisor: HypervisorView, asked: boolean): object =>
  (asked && (hypervisor.servers.length || atLeast(ctx, '2.75')) ? { servers: serversView(hypervisor) } : {})

const brief = (ctx: RequestContext, hypervisor: HypervisorView) => ({
  id: idOf(ctx, hypervisor),
  hypervisor_hostname: hypervisor.host.name,
  state: hypervisor.service.up ? 'up' : 'down',
  status: hypervisor.service.enabled ? 'enabled' : 'disabled',
})

const cpuInfo = (ctx: RequestContext, { host }: HypervisorView): object | string => {
  const info = {
    arch: host.architecture, model: host.kernel, vendor: '', features: [],
    topology: { cores: host.vcpus, threads: 1, sockets: 1 },
  }
  return atLeast(ctx, '2.28') ? info : JSON.stringify(info)
}

interface Used { vcpus: number; ramMiB: number; diskGiB: number }

const amounts = ({ host }: HypervisorView, used: Used) => ({
  vcpus: host.vcpus, vcpus_used: used.vcpus,
  memory_mb: host.ramMiB, memory_mb_used: used.ramMiB, free_ram_mb: host.ramMiB - used.ramMiB,
  local_gb: host.diskGiB, local_gb_used: used.diskGiB, free_disk_gb: host.diskGiB - used.diskGiB,
  disk_available_least: host.diskFreeGiB, current_workload: 0, running_vms: host.runningWorkloads,
})

/** `20.10.24` as the number that clients get: 20010024. */
const versionNumberOf = (text: string): number => {
  const [major = 0, minor = 0, patch = 0] = text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  return major * 1_000_000 + minor * 1000 + patch
}

const uptimeOf = ({ host }: HypervisorView, now: number): string | null => {
  if (!host.up) return null
  const minutes = Math.max(0, Math.floor((now - host.startedAt) / 60_000))
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)]
  return ` up ${days} days, ${String(hours).padStart(2, ' ')}:${String(minutes % 60).padStart(2, '0')}`
}

const detail = (ctx: RequestContext, hypervisor: HypervisorView, around: { used: Used; now: number }) => ({
  ...brief(ctx, hypervisor),
  host_ip: hypervisor.host.address,
  hypervisor_type: 'docker',
  hypervisor_version: versionNumberOf(hypervisor.host.engineVersion),
  service: {
    host: hypervisor.host.name, id: atLeast(ctx, '2.53') ? hypervisor.service.uuid : hypervisor.service.number,
    disabled_reason: hypervisor.service.disabledReason,
  },
  ...(
    atLeast(ctx, '2.88')
      ? { uptime: uptimeOf(hypervisor, around.now) }
      : { cpu_info: cpuInfo(ctx, hypervisor), ...amounts(hypervisor, around.used) }
  ),
})

const found = async (api: NovaApi, ctx: RequestContext, query: Query): Promise<HypervisorView[]> => {
  const all = (await api.hosts.hypervisors()).sort((a, b) => (a.host.id < b.host.id ? -1 : 1))
  const pattern = last(query, 'hypervisor_hostname_pattern')
  if (pattern === undefined || !atLeast(ctx, '2.53')) return all
  if (last(query, 'limit') !== undefined || last(query, 'marker') !== undefined) throw badRequest(
    'Paginating is not supported with hypervisor_hostname_pattern.',
  )
  const matching = all.filter(({ host }) => host.name.includes(pattern))
  if (!matching.length) throw notFound(`No hypervisor matching '${pattern}' could be found.`)
  return matching
}

const list = async (
  api: NovaApi, ctx: RequestContext, request: { query: object; url: string },
  view: (hypervisor: HypervisorView) => object,
) => {
  const query = request.query as Query
  refuseUnknown(ctx, query, Object.keys(HypervisorQuery.properties))
  const all = await found(api, ctx, query)
  const paged = atLeast(ctx, '2.33')
  const limit = paged ? limitOf(query) : all.length
  const marker = paged ? last(query, 'marker') : undefined
  const at = marker === undefined ? -1 : all.findIndex((one) => String(idOf(ctx, one)) === marker)
  if (marker !== undefined && at < 0) throw badRequest(`marker [${marker}] not found`)
  const shown = all.slice(at + 1, at + 1 + limit)
  const servers = atLeast(ctx, '2.53') && isTrue(last(query, 'with_servers'))
  const links = paged
    ? nextLinks({ ctx, url: request.url, name: 'hypervisors', limit }, shown, (one) => String(idOf(ctx, one)))
    : {}
  return { hypervisors: shown.map((one) => ({ ...view(one), ...withServers(ctx, one, servers) })), ...links }
}

const named = async (api: NovaApi, pattern: string): Promise<HypervisorView[]> => {
  const matching = (await api.hosts.hypervisors()).filter(({ host }) => host.name.includes(pattern))
  if (!matching.length) throw notFound(`No hypervisor matching '${pattern}' could be found.`)
  return matching
}

const noAmounts = {
  vcpus: 0, vcpus_used: 0, memory_mb: 0, memory_mb_used: 0, free_ram_mb: 0, local_gb: 0, local_gb_used: 0,
  free_disk_gb: 0, disk_available_least: 0, current_workload: 0, running_vms: 0,
}
const aroundOf = async (api: NovaApi) => ({ used: await api.usage.onHosts(), now: api.usage.now() })
const usedOn = (used: Map<string, Used>, name: string): Used => used.get(name) ?? { vcpus: 0, ramMiB: 0, diskGiB: 0 }

export const hypervisorRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof HypervisorQuery>({
    id: 'hypervisors.list', method: 'GET', path: '/os-hypervisors', summary: 'List hypervisors', policy: rule('list'),
    query: HypervisorQuery, reply: { status: 200 },
    handler: (api, ctx, request) => list(api, ctx, request, (one) => brief(ctx, one)),
  }),
  defineRoute<NovaApi, typeof HypervisorQuery>({
    id: 'hypervisors.detail', method: 'GET', path: '/os-hypervisors/detail',
    summary: 'List hypervisors with their details', policy: rule('list-detail'), query: HypervisorQuery,
    reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const { used, now } = await aroundOf(api)
      return list(api, ctx, request, (one) => detail(ctx, one, { used: usedOn(used, one.host.name), now }))
    },
  }),
  defineRoute<NovaApi>({
    id: 'hypervisors.statistics', method: 'GET', path: '/os-hypervisors/statistics', summary: 'Sum all hypervisors up',
    policy: rule('statistics'), until: '2.87', reply: { status: 200 },
    handler: async (api) => {
      const { used } = await aroundOf(api)
      const all = (await api.hosts.hypervisors()).map((one) => amounts(one, usedOn(used, one.host.name)))
      const sum = Object.fromEntries(
        Object.keys(all[0] ?? noAmounts).map((key) => [
          key, all.reduce((total, one) => total + one[key as 'vcpus'], 0),
        ]),
      )
      return { hypervisor_statistics: { count: all.length, ...sum } }
    },
  }),
  defineRoute<NovaApi, typeof HypervisorQuery>({
    id: 'hypervisors.show', method: 'GET', path: '/os-hypervisors/{hypervisor_id}', summary: 'Show a hypervisor',
    policy: rule('show'), query: HypervisorQuery, reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params, query }) => {
      const hypervisor = await api.hosts.hypervisor(params.hypervisor_id!)
      const { used, now } = await aroundOf(api)
      const servers = atLeast(ctx, '2.53') && isTrue(last(query as Query, 'with_servers'))
      return {
        hypervisor: {
          ...detail(ctx, hypervisor, { used: usedOn(used, hypervisor.host.name), now }),
          ...withServers(ctx, hypervisor, servers),
        },
      }
    },
  }),
  defineRoute<NovaApi>({
    id: 'hypervisors.uptime', method: 'GET', path: '/os-hypervisors/{hypervisor_id}/uptime',
    summary: 'Show how long a hypervisor is up', policy: rule('uptime'), until: '2.87', reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) => {
      const hypervisor = await api.hosts.hypervisor(params.hypervisor_id!)
      return { hypervisor: { ...brief(ctx, hypervisor), uptime: uptimeOf(hypervisor, api.usage.now()) ?? '' } }
    },
  }),
  defineRoute<NovaApi>({
    id: 'hypervisors.search', method: 'GET', path: '/os-hypervisors/{hypervisor_id}/search',
    summary: 'Find hypervisors by a part of their names', policy: rule('search'), until: '2.52', reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) =>
      ({ hypervisors: (await named(api, params.hypervisor_id!)).map((one) => brief(ctx, one)) }),
  }),
  defineRoute<NovaApi>({
    id: 'hypervisors.servers', method: 'GET', path: '/os-hypervisors/{hypervisor_id}/servers',
    summary: 'List the servers of hypervisors', policy: rule('servers'), until: '2.52', reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) => ({
      hypervisors: (await named(api, params.hypervisor_id!)).map(
        (one) => ({ ...brief(ctx, one), ...(one.servers.length && { servers: serversView(one) }) }),
      ),
    }),
  }),
]
