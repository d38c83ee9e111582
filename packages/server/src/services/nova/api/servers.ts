/** Servers: create, list, show, update, delete. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import { secret } from '#platform/ids/ids.ts'
import type { HostInfo } from '#services/workloads/facade.ts'
import type { Server } from '../manager/model.ts'
import { linksOf, nextLinks } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { CreateBody, UpdateBody } from './server-bodies.ts'
import { assertHostname, createRequest } from './server-request.ts'
import { canonical } from './shapes.ts'
import { serverListing, ServerQuery } from './server-filters.ts'
import { briefView, changedView, detailView, grantsOf, showView } from './server-view.ts'
import type { ServerSurroundings } from './server-view.ts'

const rule = (name: string) => `os_compute_api:servers:${name}`
const passwordBytes = 9

export const newPassword = (): string => secret(passwordBytes)

/** What views need beside the servers themselves, for all of them at once. */
export const surroundingsOf = async (
  api: NovaApi, ctx: RequestContext, servers: Server[],
): Promise<(server: Server) => ServerSurroundings> => {
  const grants = grantsOf(ctx)
  const seesHosts = grants.hostStatus || grants.hostStatusUnknown
  const [ports, hosts, volumes] = await Promise.all([
    api.servers.portsOf(servers), seesHosts ? api.hosts.list() : [], api.volumes.listMany(servers),
  ])
  const byName = new Map<string, HostInfo>(hosts.map((host) => [host.name, host]))
  const groups = await api.security.listMany(servers, ports)
  return (server) => ({
    grants, ports: ports.get(server.id) ?? [], groups: groups.get(server.id) ?? [], hosts: byName,
    volumes: volumes.get(server.id) ?? [],
  })
}

type View = (ctx: RequestContext, server: Server, surroundings: ServerSurroundings) => object

export const oneView = async (api: NovaApi, ctx: RequestContext, server: Server, view: View): Promise<object> =>
  view(ctx, server, (await surroundingsOf(api, ctx, [server]))(server))

const list = async (api: NovaApi, ctx: RequestContext, request: { query: object; url: string }, detailed: boolean) => {
  const listing = serverListing(
    ctx, request.query as Query, rule(detailed ? 'detail:get_all_tenants' : 'index:get_all_tenants'),
  )
  const servers = listing ? await api.servers.list(listing) : []
  const links = nextLinks(
    { ctx, url: request.url, name: 'servers', limit: listing?.limit ?? 0 }, servers, (server) => server.id,
  )
  if (!detailed) return { servers: servers.map((server) => briefView(ctx, server)), ...links }
  const around = await surroundingsOf(api, ctx, servers)
  return { servers: servers.map((server) => detailView(ctx, server, around(server))), ...links }
}

const created = (ctx: RequestContext, body: CreateBody, server: Server, password: string) => reply({
  status: 202,
  headers: { Location: `${ctx.baseUrl}/servers/${server.id}` },
  body: {
    server: {
      id: server.id, links: linksOf(ctx, `servers/${server.id}`), 'OS-DCF:diskConfig': server.diskConfig,
      security_groups: body.server.security_groups ?? [{ name: 'default' }], adminPass: password,
    },
  },
})

export const serverRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, undefined, typeof CreateBody>({
    id: 'servers.create', method: 'POST', path: '/servers', summary: 'Create servers', policy: rule('create'),
    body: CreateBody, reply: { status: 202 }, errors: [403, 409],
    handler: async (api, ctx, { body }) => {
      const servers = await api.serverCreate.create(ctx, createRequest(ctx, body))
      if (isTrue(body.server.return_reservation_id)) return { reservation_id: servers[0]!.reservationId }
      return created(ctx, body, servers[0]!, body.server.adminPass ?? newPassword())
    },
  }),
  defineRoute<NovaApi, typeof ServerQuery>({
    id: 'servers.list', method: 'GET', path: '/servers', summary: 'List servers', policy: rule('index'),
    query: ServerQuery, reply: { status: 200 },
    handler: (api, ctx, request) => list(api, ctx, request, false),
  }),
  defineRoute<NovaApi, typeof ServerQuery>({
    id: 'servers.detail', method: 'GET', path: '/servers/detail', summary: 'List servers with their details',
    policy: rule('detail'),
    query: ServerQuery, reply: { status: 200 },
    handler: (api, ctx, request) => list(api, ctx, request, true),
  }),
  defineRoute<NovaApi>({
    id: 'servers.show', method: 'GET', path: '/servers/{server_id}', summary: 'Show a server', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('show'))
      return { server: await oneView(api, ctx, server, showView) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof UpdateBody>({
    id: 'servers.update', method: 'PUT', path: '/servers/{server_id}', summary: 'Update a server',
    policy: 'authenticated',
    body: UpdateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('update'))
      const { name, description, hostname, accessIPv4, accessIPv6, 'OS-DCF:diskConfig': diskConfig } = body.server
      assertHostname(ctx, hostname)
      const change = {
        name: name?.trim(), description, hostname, accessIpV4: accessIPv4, accessIpV6: canonical(accessIPv6),
        diskConfig,
      }
      return { server: await oneView(api, ctx, await api.settings.update(server, change), changedView) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.delete', method: 'DELETE', path: '/servers/{server_id}', summary: 'Delete a server',
    policy: 'authenticated',
    reply: { status: 204 }, errors: [404, 409],
    handler: async (api, ctx, { params }) => {
      await api.orders.delete(ctx, await api.servers.fetch(ctx, params.server_id!, rule('delete')))
    },
  }),
]

