/** `os-interface`: the ports of a server. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import { atLeast } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Ip, Tag, Uuid } from './shapes.ts'

const path = '/servers/{server_id}/os-interface'
const rule = (verb: string) => `os_compute_api:os-attach-interfaces:${verb}`
const opt = T.Optional

const AttachBody = Strict({
  interfaceAttachment: opt(Strict({
    net_id: opt(Uuid()),
    port_id: opt(Uuid()),
    fixed_ips: opt(T.Array(Strict({ ip_address: Ip() }), { minItems: 1, maxItems: 1 })),
    tag: opt(Tag({ 'x-since': '2.49' })),
  })),
})

const view = (ctx: RequestContext, port: PortInfo) => ({
  port_id: port.id,
  net_id: port.networkId,
  mac_addr: port.mac,
  port_state: port.status,
  fixed_ips: port.fixedIps.map(({ subnetId, ip }) => ({ subnet_id: subnetId, ip_address: ip })),
  ...(atLeast(ctx, '2.70') && { tag: port.tag ?? null }),
})

type Attachment = { net_id?: string; port_id?: string; fixed_ips?: { ip_address: string }[]; tag?: string }

const askOf = (attachment: Attachment = {}) => {
  if (attachment.net_id && attachment.port_id) throw badRequest('Must not input both network_id and port_id')
  if (attachment.fixed_ips?.length && !attachment.net_id) throw badRequest(
    'Must input network_id when request IP address',
  )
  return {
    portId: attachment.port_id, networkId: attachment.net_id, tag: attachment.tag,
    fixedIps: (attachment.fixed_ips ?? []).map((fixed) => fixed.ip_address),
  }
}

export const serverInterfaceRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'interfaces.list', method: 'GET', path, summary: "List a server's interfaces", policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('list'))
      return { interfaceAttachments: (await api.interfaces.list(server)).map((port) => view(ctx, port)) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'interfaces.show', method: 'GET', path: `${path}/{port_id}`, summary: 'Show one interface',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('show'))
      return { interfaceAttachment: view(ctx, await api.interfaces.fetch(server, params.port_id!)) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof AttachBody>({
    id: 'interfaces.attach', method: 'POST', path, summary: 'Attach an interface', policy: 'authenticated',
    body: AttachBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('create'))
      return {
        interfaceAttachment: view(ctx, await api.interfaces.attach(ctx, server, askOf(body.interfaceAttachment))),
      }
    },
  }),
  defineRoute<NovaApi>({
    id: 'interfaces.detach', method: 'DELETE', path: `${path}/{port_id}`, summary: 'Detach an interface',
    policy: 'authenticated', reply: { status: 202 }, errors: [404, 409],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('delete'))
      await api.interfaces.detach(ctx, server, params.port_id!)
    },
  }),
]
