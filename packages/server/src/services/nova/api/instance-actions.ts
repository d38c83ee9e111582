/** Instance actions and diagnostics: what was done to a server and how it fares. */
import { isoNaive } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { since, T } from '#platform/api-kit/schema.ts'
import type { InstanceAction, Server } from '../manager/model.ts'
import type { Diagnostics } from '../manager/server-insight.ts'
import { atLeast, countOf, last, limitOf, nextLinks, periodOf, refuseUnknown } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { hostIdOf } from './server-view.ts'

const path = '/servers/{server_id}/os-instance-actions'
const rule = (verb: string) => `os_compute_api:os-instance-actions:${verb}`
const many = (version: string) => T.Optional(T.Array(T.String(), since(version)))
const ActionsQuery = T.Object(
  { limit: many('2.58'), marker: many('2.58'), 'changes-since': many('2.58'), 'changes-before': many('2.66') },
  { additionalProperties: true },
)

const brief = (ctx: RequestContext, action: InstanceAction) => ({
  action: action.action,
  instance_uuid: action.serverId,
  request_id: action.requestId,
  user_id: action.userId,
  project_id: action.projectId,
  start_time: isoNaive(action.startedAt),
  message: action.message,
  ...(atLeast(ctx, '2.58') && { updated_at: isoNaive(action.updatedAt) }),
})

/** Each action has one event, in which the host carries it out. */
const eventOf = (ctx: RequestContext, action: InstanceAction, mayAll: boolean) => ({
  event: action.event,
  start_time: isoNaive(action.startedAt),
  finish_time: action.finishedAt === null ? null : isoNaive(action.finishedAt),
  result: action.result,
  ...(mayAll && { traceback: action.result === 'Error' ? action.details : null }),
  ...(
    atLeast(ctx, '2.62') && { hostId: hostIdOf(action.projectId, action.host), ...(mayAll && { host: action.host }) }
  ),
  ...(atLeast(ctx, '2.84') && ctx.can(rule('events:details')) && { details: action.details }),
})

const eventsOf = (ctx: RequestContext, action: InstanceAction) => {
  const mayAll = ctx.can(rule('events'))
  return mayAll || atLeast(ctx, '2.51') ? { events: [eventOf(ctx, action, mayAll)] } : {}
}

const serverOf = (api: NovaApi, ctx: RequestContext, id: string, verb: string) =>
  api.servers.fetch(ctx, id, rule(verb), { deletedToo: atLeast(ctx, '2.21') })

const knownKeys = ['limit', 'marker', 'changes-since', 'changes-before']

const list = async (api: NovaApi, ctx: RequestContext, server: Server, request: { query: object; url: string }) => {
  if (!atLeast(ctx, '2.58')) return {
    instanceActions: (await api.insight.actions(server, {})).map((action) => brief(ctx, action)),
  }
  const query = request.query as Query
  refuseUnknown(ctx, query, atLeast(ctx, '2.66') ? knownKeys : knownKeys.slice(0, 3), '2.58')
  countOf(query, 'limit')
  const limit = limitOf(query)
  const actions = await api.insight.actions(server, { ...periodOf(query), limit, marker: last(query, 'marker') })
  const links = nextLinks({ ctx, url: request.url, name: 'page', limit }, actions, (action) => action.requestId) as {
    page_links?: object[]
  }
  return {
    instanceActions: actions.map((action) => brief(ctx, action)), ...(links.page_links && { links: links.page_links }),
  }
}

/** As drivers told them before 2.48: free-form counters. */
const rawDiagnostics = ({ stats, ports }: Diagnostics) => ({
  cpu0_time: stats.cpuTimeNs,
  memory: Math.round(stats.memoryMaxBytes / 1024),
  'memory-actual': Math.round(stats.memoryMaxBytes / 1024),
  'memory-rss': Math.round(stats.memoryBytes / 1024),
  vda_read: stats.blkReadBytes,
  vda_write: stats.blkWriteBytes,
  pids: stats.pids,
  ...Object.fromEntries(ports.map((port, index) => [`eth${index}_mac`, port.mac])),
})

const mib = 1024 * 1024

const diagnosticsView = (server: Server, { stats, ports, uptimeSeconds }: Diagnostics) => ({
  state: server.vmState === 'paused' ? 'paused' : 'running',
  driver: 'libvirt',
  hypervisor: 'docker',
  hypervisor_os: 'linux',
  uptime: uptimeSeconds,
  config_drive: server.configDrive,
  num_cpus: server.flavor.vcpus,
  num_nics: ports.length,
  num_disks: 1,
  cpu_details: [{ id: 0, time: stats.cpuTimeNs, utilisation: null }],
  nic_details: ports.map((port) => ({
    mac_address: port.mac, rx_octets: null, rx_errors: null, rx_drop: null, rx_packets: null, rx_rate: null,
    tx_octets: null, tx_errors: null, tx_drop: null, tx_packets: null, tx_rate: null,
  })),
  disk_details: [
    {
      read_bytes: stats.blkReadBytes, read_requests: null, write_bytes: stats.blkWriteBytes, write_requests: null,
      errors_count: null,
    },
  ],
  memory_details: { maximum: Math.round(stats.memoryMaxBytes / mib), used: Math.round(stats.memoryBytes / mib) },
})

export const instanceActionRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof ActionsQuery>({
    id: 'instanceActions.list', method: 'GET', path, summary: 'List what was done to a server', policy: 'authenticated',
    query: ActionsQuery, reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, request) =>
      list(api, ctx, await serverOf(api, ctx, request.params.server_id!, 'list'), request),
  }),
  defineRoute<NovaApi>({
    id: 'instanceActions.show', method: 'GET', path: `${path}/{request_id}`,
    summary: 'Show one thing that was done to a server', policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await serverOf(api, ctx, params.server_id!, 'show')
      const action = await api.insight.action(server, params.request_id!)
      return { instanceAction: { ...brief(ctx, action), ...eventsOf(ctx, action) } }
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.diagnostics', method: 'GET', path: '/servers/{server_id}/diagnostics',
    summary: 'Show how a server fares', policy: 'authenticated', reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:os-server-diagnostics')
      const diagnostics = await api.insight.diagnostics(server)
      return atLeast(ctx, '2.48') ? diagnosticsView(server, diagnostics) : rawDiagnostics(diagnostics)
    },
  }),
]
