/** Host aggregates. */
import { isoNaive } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import type { TSchema } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Aggregate } from '../manager/model.ts'
import { atLeast } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { HostName, Name } from './shapes.ts'

const opt = T.Optional
const rule = (verb: string) => `os_compute_api:os-aggregates:${verb}`
const ZoneName = T.Union([Name({ pattern: '^(?!\\s)[^:\\p{C}]+(?<!\\s)$' }), T.Null()])
const CreateBody = Strict({ aggregate: Strict({ name: Name(), availability_zone: opt(ZoneName) }) })
const UpdateBody = Strict({
  aggregate: Strict({ name: opt(Name()), availability_zone: opt(ZoneName) }, { minProperties: 1 }),
})
const MetadataBody = Strict({
  metadata: T.Unsafe<Record<string, string | null>>({
    type: 'object', patternProperties: { '^[a-zA-Z0-9\\-_:. ]{1,255}$': { type: ['string', 'null'], maxLength: 255 } },
    additionalProperties: false,
  }),
})
const HostBody = Strict({ host: HostName() })

const base = (ctx: RequestContext, aggregate: Aggregate) => ({
  id: aggregate.number,
  name: aggregate.name,
  availability_zone: aggregate.zone,
  created_at: isoNaive(aggregate.createdAt),
  updated_at: aggregate.updatedAt === null ? null : isoNaive(aggregate.updatedAt),
  deleted: false,
  deleted_at: null,
  ...(atLeast(ctx, '2.41') && { uuid: aggregate.uuid }),
})
const full = (ctx: RequestContext, aggregate: Aggregate) =>
  ({ ...base(ctx, aggregate), hosts: aggregate.hosts, metadata: aggregate.metadata })

const action = (
  key: string, verb: string, summary: string, body: TSchema,
  work: (api: NovaApi, id: string, body: any) => Promise<Aggregate>,
) =>
  defineAction<NovaApi>({
    key, id: `aggregates.${key}`, summary, policy: rule(verb), body, reply: { status: 200 },
    handler: async (api, ctx, { params, body: given }) =>
      ({ aggregate: full(ctx, await work(api, params.id!, given)) }),
  })

const notBlank = (zone: string | null | undefined): string | null | undefined => {
  if (zone === 'internal') throw badRequest(
    "Availability zone 'internal' is kept for the cloud's own services.", { field: 'availability_zone' },
  )
  return zone
}

export const aggregateRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'aggregates.list', method: 'GET', path: '/os-aggregates', summary: 'List host aggregates',
    policy: rule('index'), reply: { status: 200 },
    handler: async (api, ctx) => ({ aggregates: (await api.hosts.aggregates()).map((one) => full(ctx, one)) }),
  }),
  defineRoute<NovaApi, undefined, typeof CreateBody>({
    id: 'aggregates.create', method: 'POST', path: '/os-aggregates', summary: 'Create a host aggregate',
    policy: rule('create'), body: CreateBody, reply: { status: 200 }, errors: [409],
    handler: async (api, ctx, { body }) => {
      const zone = notBlank(body.aggregate.availability_zone) ?? null
      return { aggregate: base(ctx, await api.hosts.aggregateCreate({ name: body.aggregate.name.trim(), zone })) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'aggregates.show', method: 'GET', path: '/os-aggregates/{id}', summary: 'Show a host aggregate',
    policy: rule('show'), reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => ({ aggregate: full(ctx, await api.hosts.aggregate(params.id!)) }),
  }),
  defineRoute<NovaApi, undefined, typeof UpdateBody>({
    id: 'aggregates.update', method: 'PUT', path: '/os-aggregates/{id}', summary: 'Update a host aggregate',
    policy: rule('update'), body: UpdateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, ctx, { params, body }) => {
      const { name, availability_zone: zone } = body.aggregate
      return {
        aggregate: full(ctx, await api.hosts.aggregateUpdate(params.id!, { name: name?.trim(), zone: notBlank(zone) })),
      }
    },
  }),
  defineRoute<NovaApi>({
    id: 'aggregates.delete', method: 'DELETE', path: '/os-aggregates/{id}', summary: 'Delete a host aggregate',
    policy: rule('delete'), reply: { status: 200 }, errors: [404],
    handler: (api, _, { params }) => api.hosts.aggregateDelete(params.id!),
  }),
  actionRoute<NovaApi>({
    id: 'aggregates.act', path: '/os-aggregates/{id}/action', summary: 'Change the hosts and metadata of an aggregate',
    errors: [404, 409],
    actions: [
      action(
        'add_host', 'add_host', 'Add a host', HostBody, (api, id, { host }) => api.hosts.aggregateAddHost(id, host),
      ),
      action(
        'remove_host', 'remove_host', 'Remove a host', HostBody,
        (api, id, { host }) => api.hosts.aggregateRemoveHost(id, host),
      ),
      action(
        'set_metadata', 'set_metadata', 'Set metadata', MetadataBody,
        (api, id, { metadata }) => api.hosts.aggregateMetadata(id, metadata),
      ),
    ],
  }),
]
