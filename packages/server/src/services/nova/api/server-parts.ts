/** What hangs off a server: metadata, tags, addresses, security groups, diagnostics and the like. */
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound, unsupported } from '#platform/errors/errors.ts'
import { atLeast, bookmarkBase } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { addressesOf } from './server-view.ts'
import { Metadata, Tag } from './shapes.ts'

const metadataPath = '/servers/{server_id}/metadata'
const tagsPath = '/servers/{server_id}/tags'
const metadataRule = (verb: string) => `os_compute_api:server-metadata:${verb}`
const tagRule = (verb: string) => `os_compute_api:os-server-tags:${verb}`
const MetadataBody = Strict({ metadata: Metadata() })
const MetaBody = Strict({ meta: Metadata({ minProperties: 1, maxProperties: 1 }) })
const TagsBody = Strict({ tags: T.Array(Tag(), { maxItems: 50 }) })

const itemOf = (meta: Record<string, string>, key: string): string => {
  if (!(key in meta)) throw badRequest('Request body and URI mismatch', { field: 'meta' })
  return meta[key]!
}

export const serverMetadataRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'metadata.list', method: 'GET', path: metadataPath, summary: "List a server's metadata",
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) =>
      ({ metadata: (await api.servers.fetch(ctx, params.server_id!, metadataRule('index'))).metadata }),
  }),
  defineRoute<NovaApi, undefined, typeof MetadataBody>({
    id: 'metadata.merge', method: 'POST', path: metadataPath, summary: "Add to a server's metadata",
    policy: 'authenticated',
    body: MetadataBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, metadataRule('create'))
      return { metadata: await api.settings.metadataMerge(ctx, server, body.metadata) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof MetadataBody>({
    id: 'metadata.replace', method: 'PUT', path: metadataPath, summary: "Replace a server's metadata",
    policy: 'authenticated',
    body: MetadataBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, metadataRule('update_all'))
      return { metadata: await api.settings.metadataReplace(ctx, server, body.metadata) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'metadata.show', method: 'GET', path: `${metadataPath}/{key}`, summary: "Show one item of a server's metadata",
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const { metadata } = await api.servers.fetch(ctx, params.server_id!, metadataRule('show'))
      const value = metadata[params.key!]
      if (value === undefined) throw notFound('Metadata item was not found')
      return { meta: { [params.key!]: value } }
    },
  }),
  defineRoute<NovaApi, undefined, typeof MetaBody>({
    id: 'metadata.set', method: 'PUT', path: `${metadataPath}/{key}`, summary: "Set one item of a server's metadata",
    policy: 'authenticated',
    body: MetaBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, metadataRule('update'))
      const item = { [params.key!]: itemOf(body.meta, params.key!) }
      await api.settings.metadataMerge(ctx, server, item)
      return { meta: item }
    },
  }),
  defineRoute<NovaApi>({
    id: 'metadata.delete', method: 'DELETE', path: `${metadataPath}/{key}`,
    summary: "Delete one item of a server's metadata", policy: 'authenticated', reply: { status: 204 },
    errors: [404, 409],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, metadataRule('delete'))
      await api.settings.metadataDelete(ctx, server, params.key!)
    },
  }),
]

export const serverTagRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'tags.list', method: 'GET', path: tagsPath, summary: "List a server's tags", policy: 'authenticated',
    since: '2.26', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) =>
      ({ tags: (await api.servers.fetch(ctx, params.server_id!, tagRule('index'))).tags }),
  }),
  defineRoute<NovaApi, undefined, typeof TagsBody>({
    id: 'tags.replace', method: 'PUT', path: tagsPath, summary: "Replace a server's tags", policy: 'authenticated',
    since: '2.26', body: TagsBody, reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params, body }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, tagRule('update_all'))
      return { tags: await api.settings.tagsReplace(ctx, server, body.tags) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'tags.clear', method: 'DELETE', path: tagsPath, summary: "Delete all of a server's tags",
    policy: 'authenticated', since: '2.26', reply: { status: 204 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, tagRule('delete_all'))
      await api.settings.tagsReplace(ctx, server, [])
    },
  }),
  defineRoute<NovaApi>({
    id: 'tags.check', method: 'GET', path: `${tagsPath}/{tag}`, summary: 'Check whether a server has a tag',
    policy: 'authenticated', since: '2.26', reply: { status: 204 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, tagRule('show'))
      if (!server.tags.includes(params.tag!)) throw notFound(`Server ${server.id} has no tag '${params.tag}'`)
    },
  }),
  defineRoute<NovaApi>({
    id: 'tags.add', method: 'PUT', path: `${tagsPath}/{tag}`, summary: 'Give a server a tag', policy: 'authenticated',
    since: '2.26', reply: { status: 201 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, tagRule('update'))
      const tag = params.tag!
      if (tag.length > 60 || /[,/]/.test(tag)) throw badRequest(
        `Invalid tag '${tag}': at most 60 characters, none of them , or /`, { field: 'tag' },
      )
      const added = await api.settings.tagAdd(ctx, server, tag)
      if (!added) return reply({ status: 204 })
      return reply({
        status: 201,
        headers: { Location: `${bookmarkBase(ctx)}/v2.1/servers/${server.id}/tags/${encodeURIComponent(tag)}` },
      })
    },
  }),
  defineRoute<NovaApi>({
    id: 'tags.delete', method: 'DELETE', path: `${tagsPath}/{tag}`, summary: 'Take a tag from a server',
    policy: 'authenticated', since: '2.26', reply: { status: 204 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, tagRule('delete'))
      await api.settings.tagDelete(ctx, server, params.tag!)
    },
  }),
]

const ConsoleBody = Strict({
  remote_console: Strict({
    protocol: T.Unsafe<string>({ type: 'string', enum: ['vnc', 'spice', 'serial', 'rdp', 'mks'] }),
    type: T.Unsafe<string>({
      type: 'string', enum: ['novnc', 'xvpvnc', 'spice-html5', 'serial', 'rdp-html5', 'webmks'],
    }),
  }),
})

export const serverViewRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'ips.list', method: 'GET', path: '/servers/{server_id}/ips', summary: "List a server's addresses",
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:ips:index')
      return { addresses: addressesOf(await api.insight.networks(server), false) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'ips.show', method: 'GET', path: '/servers/{server_id}/ips/{network}',
    summary: "List a server's addresses on one network", policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:ips:show')
      const addresses = addressesOf(await api.insight.networks(server), false)[params.network!]
      if (!addresses) throw notFound('Instance is not a member of specified network')
      return { [params.network!]: addresses }
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.securityGroups', method: 'GET', path: '/servers/{server_id}/os-security-groups',
    summary: "List a server's security groups", policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:os-security-groups:list')
      return {
        security_groups: (await api.security.list(server)).map(
          ({ id, name }) => ({ id, name, description: '', tenant_id: server.projectId, rules: [] }),
        ),
      }
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.password', method: 'GET', path: '/servers/{server_id}/os-server-password',
    summary: 'Show the encrypted password that a server made', policy: 'authenticated', reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:os-server-password:show')
      return { password: await api.passwords.fetch(server) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.passwordClear', method: 'DELETE', path: '/servers/{server_id}/os-server-password',
    summary: 'Forget the encrypted password', policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      await api.passwords.clear(
        await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:os-server-password:clear'),
      )
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.virtualInterfaces', method: 'GET', path: '/servers/{server_id}/os-virtual-interfaces',
    summary: "List a server's interfaces, as older clients ask", policy: 'authenticated', until: '2.43',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:os-attach-interfaces:list')
      const ports = await api.interfaces.list(server)
      return {
        virtual_interfaces: ports.map(
          (port) => ({ id: port.id, mac_address: port.mac, ...(atLeast(ctx, '2.12') && { net_id: port.networkId }) }),
        ),
      }
    },
  }),
  defineRoute<NovaApi>({
    id: 'servers.topology', method: 'GET', path: '/servers/{server_id}/topology',
    summary: "Show a server's NUMA topology: containers have none", policy: 'authenticated', since: '2.78',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      await api.servers.fetch(ctx, params.server_id!, 'compute:server:topology:index')
      return { nodes: [], ...(ctx.can('compute:server:topology:host:index') && { pagesize_kb: null }) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof ConsoleBody>({
    id: 'servers.remoteConsole', method: 'POST', path: '/servers/{server_id}/remote-consoles',
    summary: 'Open a remote console', policy: 'authenticated', since: '2.6', body: ConsoleBody, reply: { status: 200 },
    errors: [404, 501],
    handler: async (api, ctx, { params, body }) => {
      await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:os-remote-consoles')
      throw unsupported(
        `Unable to get ${body.remote_console.protocol} console, functionality not implemented: `
        + 'a container has no screen; see os-getConsoleOutput.',
      )
    },
  }),
]
