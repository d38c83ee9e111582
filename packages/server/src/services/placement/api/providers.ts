/** `/resource_providers` and what is listed below one: usages, aggregates, traits, allocations. */
import { defineRoute } from '#platform/api-kit/route.ts'
import { Nullable, Strict, T, since, until } from '#platform/api-kit/schema.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Managers } from '../manager/managers.ts'
import type { Provider } from '../manager/views.ts'
import { fresh, isAt, pathOf } from './answers.ts'
import { listOf, parseMemberOf, parseResources, parseTraits } from './query.ts'
import type { Values } from './query.ts'
import { Amounts, Generation, MapOf, ProviderReply, Uuid, uuidPattern } from './shapes.ts'

const relations: [name: string, first: string][] = [
  ['inventories', '1.0'],
  ['usages', '1.0'],
  ['aggregates', '1.1'],
  ['traits', '1.6'],
  ['allocations', '1.11'],
]

export function providerView(ctx: RequestContext, { id, name, generation, parentId, rootId }: Provider) {
  const self = pathOf(ctx, 'resource_providers', id)
  const links = relations.filter(([, first]) => isAt(ctx, first)).map(([rel]) => ({ rel, href: `${self}/${rel}` }))
  return {
    uuid: id,
    name,
    generation,
    parent_provider_uuid: parentId,
    root_provider_uuid: rootId,
    links: [{ rel: 'self', href: self }, ...links],
  }
}

const listQuery = Strict({
  name: T.Optional(T.String()),
  uuid: T.Optional(Uuid()),
  member_of: T.Optional(T.Union([T.String(), T.Array(T.String())], since('1.3'))),
  resources: T.Optional(T.String(since('1.4'))),
  in_tree: T.Optional(Uuid(since('1.14'))),
  required: T.Optional(T.Union([T.String(), T.Array(T.String())], since('1.18'))),
})

/** A key may be repeated only since a version; before it, the client is told. */
function assertOnce(ctx: RequestContext, name: string, values: Values, first: string): Values {
  if (listOf(values).length < 2 || isAt(ctx, first)) return values
  throw badRequest(`Expected only one "${name}" parameter`, { code: 'placement.query.duplicate_key' })
}

export const providerRoutes = [
  defineRoute({
    id: 'resource_providers.list',
    method: 'GET',
    path: '/resource_providers',
    summary: 'List resource providers',
    policy: 'placement:resource_providers:list',
    query: listQuery,
    reply: { status: 200, schema: T.Object({ resource_providers: T.Array(ProviderReply) }) },
    async handler(api: Managers, ctx, { query }) {
      const { name, uuid, in_tree, resources } = query
      const found = await api.providers.find({
        name,
        id: uuid,
        inTree: in_tree,
        resources: resources === undefined ? undefined : parseResources(resources),
        traits: parseTraits(assertOnce(ctx, 'required', query.required, '1.39'), ctx.version),
        aggregates: parseMemberOf(assertOnce(ctx, 'member_of', query.member_of, '1.24'), ctx.version),
      })
      return fresh(api, ctx, { resource_providers: found.map((provider) => providerView(ctx, provider)) })
    },
  }),
  defineRoute({
    id: 'resource_providers.create',
    method: 'POST',
    path: '/resource_providers',
    summary: 'Create a resource provider',
    policy: 'placement:resource_providers:create',
    reply: { status: 200, schema: ProviderReply },
    errors: [409],
    body: Strict({
      name: T.String({ minLength: 1, maxLength: 200 }),
      uuid: T.Optional(Uuid()),
      parent_provider_uuid: T.Optional(Nullable(Uuid(), since('1.14'))),
    }),
    async handler(api: Managers, ctx, { body }) {
      const provider = await api.providers.create({
        id: body.uuid,
        name: body.name,
        parentId: body.parent_provider_uuid,
      })
      const headers = { Location: pathOf(ctx, 'resource_providers', provider.id) }
      return isAt(ctx, '1.20')
        ? fresh(api, ctx, providerView(ctx, provider), { headers })
        : fresh(api, ctx, undefined, { status: 201, headers })
    },
  }),
  defineRoute({
    id: 'resource_providers.show',
    method: 'GET',
    path: '/resource_providers/{uuid}',
    summary: 'Show a resource provider',
    policy: 'placement:resource_providers:show',
    reply: { status: 200, schema: ProviderReply },
    errors: [404],
    handler: async (api: Managers, ctx, { params }) =>
      fresh(api, ctx, providerView(ctx, await api.providers.fetch(params.uuid!))),
  }),
  defineRoute({
    id: 'resource_providers.update',
    method: 'PUT',
    path: '/resource_providers/{uuid}',
    summary: 'Update a resource provider',
    policy: 'placement:resource_providers:update',
    reply: { status: 200, schema: ProviderReply },
    errors: [404, 409],
    body: Strict({
      name: T.String({ minLength: 1, maxLength: 200 }),
      parent_provider_uuid: T.Optional(Nullable(Uuid(), since('1.14'))),
    }),
    handler: async (api: Managers, ctx, { params, body }) =>
      fresh(
        api,
        ctx,
        providerView(
          ctx,
          await api.providers.rename(params.uuid!, {
            name: body.name,
            parentId: body.parent_provider_uuid,
            mayMove: isAt(ctx, '1.37'),
          }),
        ),
      ),
  }),
  defineRoute({
    id: 'resource_providers.delete',
    method: 'DELETE',
    path: '/resource_providers/{uuid}',
    summary: 'Delete a resource provider',
    policy: 'placement:resource_providers:delete',
    reply: { status: 204 },
    errors: [404, 409],
    handler: async (api: Managers, _ctx, { params }) => {
      await api.providers.remove(params.uuid!)
    },
  }),
  defineRoute({
    id: 'resource_providers.usages',
    method: 'GET',
    path: '/resource_providers/{uuid}/usages',
    summary: 'Show what is used of a provider',
    policy: 'placement:resource_providers:usages',
    reply: { status: 200 },
    errors: [404],
    async handler(api: Managers, ctx, { params }) {
      const { generation, used } = await api.providers.fetch(params.uuid!)
      return fresh(api, ctx, { resource_provider_generation: generation, usages: used })
    },
  }),
  defineRoute({
    id: 'resource_providers.allocations',
    method: 'GET',
    path: '/resource_providers/{uuid}/allocations',
    summary: 'List allocations of a provider',
    policy: 'placement:resource_providers:allocations:list',
    errors: [404],
    reply: {
      status: 200,
      schema: T.Object({
        resource_provider_generation: Generation,
        allocations: MapOf('^.*$', T.Object({ resources: Amounts, consumer_generation: T.Integer(since('1.28')) })),
      }),
    },
    async handler(api: Managers, ctx, { params }) {
      const { generation, consumers } = await api.allocations.ofProvider(params.uuid!)
      const shown = Object.entries(consumers).map(([id, one]) => [
        id,
        { resources: one.resources, ...(isAt(ctx, '1.28') && { consumer_generation: one.generation }) },
      ])
      return fresh(api, ctx, { resource_provider_generation: generation, allocations: Object.fromEntries(shown) })
    },
  }),
]

const aggregatesReply = {
  status: 200,
  schema: T.Object({ aggregates: T.Array(T.String()), resource_provider_generation: T.Integer(since('1.19')) }),
}
const aggregatesView = ({ aggregates, generation }: Provider) => ({
  aggregates,
  resource_provider_generation: generation,
})
const uniqueUuids = T.Array(T.String({ pattern: uuidPattern }), { uniqueItems: true })

export const aggregateRoutes = [
  defineRoute({
    id: 'aggregates.list',
    method: 'GET',
    path: '/resource_providers/{uuid}/aggregates',
    since: '1.1',
    summary: 'List aggregates of a provider',
    policy: 'placement:resource_providers:aggregates:list',
    reply: aggregatesReply,
    errors: [404],
    handler: async (api: Managers, ctx, { params }) =>
      fresh(api, ctx, aggregatesView(await api.providers.fetch(params.uuid!))),
  }),
  defineRoute({
    id: 'aggregates.update',
    method: 'PUT',
    path: '/resource_providers/{uuid}/aggregates',
    since: '1.1',
    summary: 'Set aggregates of a provider',
    policy: 'placement:resource_providers:aggregates:update',
    reply: aggregatesReply,
    errors: [404, 409],
    body: T.Union([
      T.Intersect([uniqueUuids], until('1.18')),
      T.Intersect([Strict({ aggregates: uniqueUuids, resource_provider_generation: Generation })], since('1.19')),
    ]),
    async handler(api: Managers, ctx, { params, body }) {
      const asked = Array.isArray(body) ? { aggregates: body, resource_provider_generation: undefined } : body
      const guard = { providerId: params.uuid!, generation: asked.resource_provider_generation }
      return fresh(api, ctx, aggregatesView(await api.aggregates.setOf(guard, asked.aggregates)))
    },
  }),
]

const traitsView = ({ traits, generation }: Provider) => ({ traits, resource_provider_generation: generation })

export const providerTraitRoutes = [
  defineRoute({
    id: 'resource_providers.traits.list',
    method: 'GET',
    path: '/resource_providers/{uuid}/traits',
    since: '1.6',
    summary: 'List traits of a provider',
    policy: 'placement:resource_providers:traits:list',
    reply: { status: 200 },
    errors: [404],
    handler: async (api: Managers, ctx, { params }) =>
      fresh(api, ctx, traitsView(await api.providers.fetch(params.uuid!))),
  }),
  defineRoute({
    id: 'resource_providers.traits.update',
    method: 'PUT',
    path: '/resource_providers/{uuid}/traits',
    since: '1.6',
    summary: 'Set traits of a provider',
    policy: 'placement:resource_providers:traits:update',
    reply: { status: 200 },
    errors: [404, 409],
    body: Strict({
      resource_provider_generation: Generation,
      traits: T.Array(T.String({ pattern: '^[A-Z0-9_]+$', maxLength: 255 }), { uniqueItems: true }),
    }),
    handler: async (api: Managers, ctx, { params, body }) =>
      fresh(
        api,
        ctx,
        traitsView(
          await api.traits.setOf(
            { providerId: params.uuid!, generation: body.resource_provider_generation },
            body.traits,
          ),
        ),
      ),
  }),
  defineRoute({
    id: 'resource_providers.traits.delete',
    method: 'DELETE',
    path: '/resource_providers/{uuid}/traits',
    since: '1.6',
    summary: 'Remove all traits of a provider',
    policy: 'placement:resource_providers:traits:delete',
    reply: { status: 204 },
    errors: [404, 409],
    handler: async (api: Managers, _ctx, { params }) => {
      await api.traits.setOf({ providerId: params.uuid! }, [])
    },
  }),
]
