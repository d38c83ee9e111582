/** `/v2.0/floatingips/{id}/port_forwardings`. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { T, type TSchema } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { isoSeconds } from '#platform/clock/clock.ts'
import type { ForwardingInput } from '../manager/routing/port-forwardings.ts'
import type { PortForwarding } from '../store/tables.ts'
import { listQuery, pick, type Query } from './listing.ts'
import type { NeutronApi } from './neutron-api.ts'

const portNumber = T.Union([T.Integer({ minimum: 1, maximum: 65_535 }), T.String({ pattern: '^\\d{1,5}$' })])
const range = T.String({ pattern: '^\\d{1,5}(:\\d{1,5})?$' })
const fields = T.Object(
  {
    protocol: T.Optional(T.String({ maxLength: 40 })),
    external_port: T.Optional(portNumber),
    external_port_range: T.Optional(range),
    internal_port: T.Optional(portNumber),
    internal_port_range: T.Optional(range),
    internal_port_id: T.Optional(T.String({ maxLength: 64 })),
    internal_ip_address: T.Optional(T.String({ maxLength: 64 })),
    description: T.Optional(T.String({ maxLength: 255, pattern: '^[^\\u0000]*$' })),
  },
  { additionalProperties: false },
)
const body = T.Object({ port_forwarding: fields })
const path = '/floatingips/{floatingip_id}/port_forwardings'
const one = `${path}/{id}`

const rangeOf = (
  given: Record<string, unknown>,
  name: 'external_port' | 'internal_port',
): Partial<ForwardingInput> => {
  const text = given[`${name}_range`] ?? given[name]
  if (text === undefined) return {}
  const [first, last = first] = String(text).split(':').map(Number) as [number, number?]
  if (first < 1 || last! > 65_535)
    throw badRequest(`Invalid input for ${name}. Reason: '${text}' is not within 1 and 65535.`, {
      type: 'HTTPBadRequest',
      field: name,
    })
  return { [name]: first, [`${name}_last`]: last }
}

const read = (given: Record<string, unknown>): ForwardingInput => {
  const { external_port: _e, internal_port: _i, external_port_range: _er, internal_port_range: _ir, ...rest } = given
  return { ...rest, ...rangeOf(given, 'external_port'), ...rangeOf(given, 'internal_port') }
}

const view = (one: PortForwarding): Record<string, unknown> => ({
  id: one.id,
  protocol: one.protocol,
  external_port: one.external_port,
  external_port_range: `${one.external_port}:${one.external_port_last}`,
  internal_port: one.internal_port,
  internal_port_range: `${one.internal_port}:${one.internal_port_last}`,
  internal_port_id: one.internal_port_id,
  internal_ip_address: one.internal_ip_address,
  description: one.description,
  created_at: isoSeconds(one.created_at),
  updated_at: isoSeconds(one.updated_at),
  revision_number: one.revision_number,
})

const given = (request: unknown): ForwardingInput =>
  read((request as { port_forwarding: Record<string, unknown> }).port_forwarding)
const isMatch =
  (query: Query) =>
  (one: Record<string, unknown>): boolean =>
    Object.entries(query)
      .filter(([key]) => Object.hasOwn(one, key))
      .every(([key, values]) => [values ?? []].flat().includes(String(one[key])))

export const portForwardingRoutes: Route<NeutronApi>[] = [
  defineRoute<NeutronApi, typeof listQuery>({
    id: 'port_forwardings.list',
    method: 'GET',
    path,
    summary: "List a floating IP's port forwardings",
    policy: 'get_floatingip_port_forwarding',
    query: listQuery,
    reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params, query }) => ({
      port_forwardings: (await api.portForwardings.list(ctx, params.floatingip_id!))
        .map(view)
        .filter(isMatch(query as Query))
        .map((item) => pick(item, query as Query)),
    }),
  }),
  defineRoute<NeutronApi, undefined, TSchema>({
    id: 'port_forwardings.create',
    method: 'POST',
    path,
    summary: 'Lead a port of a floating IP to a server',
    policy: 'create_floatingip_port_forwarding',
    body,
    reply: { status: 201 },
    errors: [404, 409],
    handler: async (api, ctx, { params, body: request }) => ({
      port_forwarding: view(await api.portForwardings.create(ctx, params.floatingip_id!, given(request))),
    }),
  }),
  defineRoute<NeutronApi>({
    id: 'port_forwardings.show',
    method: 'GET',
    path: one,
    summary: 'Show a port forwarding',
    policy: 'get_floatingip_port_forwarding',
    reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) => ({
      port_forwarding: view(await api.portForwardings.fetch(ctx, params.floatingip_id!, params.id!)),
    }),
  }),
  defineRoute<NeutronApi, undefined, TSchema>({
    id: 'port_forwardings.update',
    method: 'PUT',
    path: one,
    summary: 'Change a port forwarding',
    policy: 'update_floatingip_port_forwarding',
    body,
    reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params, body: request }) => ({
      port_forwarding: view(
        await api.portForwardings.update(ctx, { floatingId: params.floatingip_id!, id: params.id! }, given(request)),
      ),
    }),
  }),
  defineRoute<NeutronApi>({
    id: 'port_forwardings.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete a port forwarding',
    policy: 'delete_floatingip_port_forwarding',
    reply: { status: 204 },
    errors: [404],
    handler: (api, ctx, { params }) => api.portForwardings.remove(ctx, params.floatingip_id!, params.id!),
  }),
]
