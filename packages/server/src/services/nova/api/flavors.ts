/** Flavors, their extra specs, and the projects that may use private ones. */
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { isTrue, since, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import { isFlavorSortKey } from '../manager/flavors.ts'
import type { Flavor } from '../manager/model.ts'
import type { FlavorSortKey } from '../store/flavors.ts'
import { atLeast, last, limitOf, linksOf, nextLinks, refuseUnknown } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Bool, Description, Name, Whole, wholeOf } from './shapes.ts'

const opt = T.Optional
const many = opt(T.Array(T.String()))
const FlavorQuery = T.Object(
  { limit: many, marker: many, is_public: many, minRam: many, minDisk: many, sort_key: many, sort_dir: many },
  { additionalProperties: true },
)
const queryKeys = Object.keys(FlavorQuery.properties)

const FlavorBody = Strict({
  flavor: Strict({
    name: Name({ pattern: '^(?!\\s)[^\\p{C}]*(?<!\\s)$' }),
    id: opt(
      T.Union([
        T.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[a-zA-Z0-9. _-]+(?<! )$' }), T.Integer(), T.Null(),
      ]),
    ),
    ram: Whole(1),
    vcpus: Whole(1),
    disk: Whole(0),
    'OS-FLV-EXT-DATA:ephemeral': opt(Whole(0)),
    swap: opt(Whole(0)),
    rxtx_factor: opt(
      T.Union([T.Number({ exclusiveMinimum: 0, maximum: 3.4e38 }), T.String({ pattern: '^[0-9]+(\\.[0-9]+)?$' })]),
    ),
    'os-flavor-access:is_public': opt(Bool()),
    description: opt(Description(since('2.55', { maxLength: 65_535 }))),
  }),
})
const DescribeBody = Strict({ flavor: Strict({ description: T.Union([T.String({ maxLength: 65_535 }), T.Null()]) }) })

const specValue = { anyOf: [{ type: 'string', maxLength: 255 }, { type: 'number' }] }
const specName = '^[a-zA-Z0-9\\-_:. ]{1,255}$'
const SpecsBody = Strict({
  extra_specs: T.Unsafe<Record<string, string | number>>({
    type: 'object', patternProperties: { [specName]: specValue }, additionalProperties: false,
  }),
})
const SpecBody = T.Unsafe<Record<string, string | number>>({
  type: 'object', patternProperties: { [specName]: specValue }, additionalProperties: false, minProperties: 1,
  maxProperties: 1,
})

const flavorRule = (verb: string) => `os_compute_api:os-flavor-manage:${verb}`
const specRule = (verb: string) => `os_compute_api:os-flavor-extra-specs:${verb}`

const brief = (ctx: RequestContext, flavor: Flavor) => ({
  id: flavor.id, name: flavor.name, links: linksOf(ctx, `flavors/${encodeURIComponent(flavor.id)}`),
  ...(atLeast(ctx, '2.55') && { description: flavor.description }),
})

const detail = (ctx: RequestContext, flavor: Flavor) => ({
  ...brief(ctx, flavor),
  ram: flavor.ramMiB,
  disk: flavor.diskGiB,
  swap: flavor.swapMiB || (atLeast(ctx, '2.75') ? 0 : ''),
  'OS-FLV-EXT-DATA:ephemeral': flavor.ephemeralGiB,
  'OS-FLV-DISABLED:disabled': false,
  vcpus: flavor.vcpus,
  'os-flavor-access:is_public': flavor.isPublic,
  rxtx_factor: flavor.rxtxFactor,
  ...(atLeast(ctx, '2.61') && ctx.can(specRule('index')) && { extra_specs: flavor.extraSpecs }),
})

const publicOf = (query: Query): boolean | 'any' | undefined => {
  const value = last(query, 'is_public')
  if (value === undefined) return undefined
  if (/^none$/i.test(value)) return 'any'
  if (/^(1|t|true|yes|on|y)$/i.test(value)) return true
  if (/^(0|f|false|no|off|n)$/i.test(value)) return false
  throw badRequest(`Invalid is_public filter [${value}]`, { field: 'is_public' })
}

const least = (query: Query, key: string): number | undefined => {
  const value = last(query, key)
  if (value === undefined) return undefined
  if (!/^\d{1,12}$/.test(value)) throw badRequest(`Invalid ${key} filter [${value}]`, { field: key })
  return Number(value)
}

const sortOf = (query: Query): { sortKey: FlavorSortKey; descending: boolean } => {
  const sortKey = last(query, 'sort_key') ?? 'flavorid'
  const direction = last(query, 'sort_dir') ?? 'asc'
  if (!isFlavorSortKey(sortKey)) throw badRequest(
    `Invalid input for query parameters sort_key. Value: ${sortKey}.`, { field: 'sort_key' },
  )
  if (direction !== 'asc' && direction !== 'desc') throw badRequest(
    `Unknown sort direction, must be one of: asc, desc (got ${direction})`, { field: 'sort_dir' },
  )
  return { sortKey, descending: direction === 'desc' }
}

const page = (flavors: Flavor[], limit: number, marker: string | undefined): Flavor[] => {
  const at = marker === undefined ? -1 : flavors.findIndex((flavor) => flavor.id === marker)
  if (marker !== undefined && at < 0) throw badRequest(`marker [${marker}] not found`)
  return flavors.slice(at + 1, at + 1 + limit)
}

const list = async (
  api: NovaApi, ctx: RequestContext, request: { query: object; url: string },
  view: (ctx: RequestContext, flavor: Flavor) => object,
) => {
  const query = request.query as Query
  refuseUnknown(ctx, query, queryKeys)
  const limit = limitOf(query)
  const all = await api.flavors.list(ctx, {
    isPublic: publicOf(query), ramMinMiB: least(query, 'minRam'), diskMinGiB: least(query, 'minDisk'), ...sortOf(query),
  })
  const flavors = page(all, limit, last(query, 'marker'))
  return {
    flavors: flavors.map((flavor) => view(ctx, flavor)),
    ...nextLinks({ ctx, url: request.url, name: 'flavors', limit }, flavors, (flavor) => flavor.id),
  }
}

const text = (specs: Record<string, string | number>): Record<string, string> => {
  const blank = Object.keys(specs).find((key) => key.trim() === '')
  if (blank !== undefined) throw badRequest('Extra spec keys may not be blank', { field: 'extra_specs' })
  return Object.fromEntries(Object.entries(specs).map(([key, value]) => [key, String(value)]))
}

export const flavorRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof FlavorQuery>({
    id: 'flavors.list', method: 'GET', path: '/flavors', summary: 'List flavors', policy: 'authenticated',
    query: FlavorQuery, reply: { status: 200 },
    handler: (api, ctx, request) => list(api, ctx, request, brief),
  }),
  defineRoute<NovaApi, typeof FlavorQuery>({
    id: 'flavors.detail', method: 'GET', path: '/flavors/detail', summary: 'List flavors with their details',
    policy: 'authenticated', query: FlavorQuery, reply: { status: 200 },
    handler: (api, ctx, request) => list(api, ctx, request, detail),
  }),
  defineRoute<NovaApi>({
    id: 'flavors.show', method: 'GET', path: '/flavors/{flavor_id}', summary: 'Show a flavor', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => ({ flavor: detail(ctx, await api.flavors.fetch(ctx, params.flavor_id!)) }),
  }),
  defineRoute<NovaApi, undefined, typeof FlavorBody>({
    id: 'flavors.create', method: 'POST', path: '/flavors', summary: 'Create a flavor', policy: flavorRule('create'),
    body: FlavorBody, reply: { status: 200 }, errors: [409],
    handler: async (api, ctx, { body: { flavor } }) => {
      const isPublic = flavor['os-flavor-access:is_public']
      const created = await api.flavors.create({
        id: flavor.id === undefined || flavor.id === null ? undefined : String(flavor.id), name: flavor.name.trim(),
        description: flavor.description ?? null,
        vcpus: wholeOf(flavor.vcpus), ramMiB: wholeOf(flavor.ram), diskGiB: wholeOf(flavor.disk),
        swapMiB: wholeOf(flavor.swap ?? 0),
        ephemeralGiB: wholeOf(flavor['OS-FLV-EXT-DATA:ephemeral'] ?? 0), rxtxFactor: Number(flavor.rxtx_factor ?? 1),
        isPublic: isPublic === undefined || isTrue(isPublic),
      })
      return { flavor: detail(ctx, created) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof DescribeBody>({
    id: 'flavors.update', method: 'PUT', path: '/flavors/{flavor_id}', summary: 'Describe a flavor',
    policy: flavorRule('update'), since: '2.55', body: DescribeBody, reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params, body }) =>
      ({ flavor: detail(ctx, await api.flavors.describe(params.flavor_id!, body.flavor.description)) }),
  }),
  defineRoute<NovaApi>({
    id: 'flavors.delete', method: 'DELETE', path: '/flavors/{flavor_id}', summary: 'Delete a flavor',
    policy: flavorRule('delete'), reply: { status: 202 }, errors: [404],
    handler: (api, _, { params }) => api.flavors.delete(params.flavor_id!),
  }),
]

const specsPath = '/flavors/{flavor_id}/os-extra_specs'

export const flavorSpecRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'extraSpecs.list', method: 'GET', path: specsPath, summary: "List a flavor's extra specs",
    policy: specRule('index'), reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) =>
      ({ extra_specs: (await api.flavors.fetch(ctx, params.flavor_id!)).extraSpecs }),
  }),
  defineRoute<NovaApi, undefined, typeof SpecsBody>({
    id: 'extraSpecs.create', method: 'POST', path: specsPath, summary: "Add to a flavor's extra specs",
    policy: specRule('create'), body: SpecsBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, _, { params, body }) => {
      const specs = text(body.extra_specs)
      await api.flavors.setSpecs(params.flavor_id!, specs)
      return { extra_specs: specs }
    },
  }),
  defineRoute<NovaApi>({
    id: 'extraSpecs.show', method: 'GET', path: `${specsPath}/{key}`, summary: 'Show one extra spec',
    policy: specRule('show'), reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const value = (await api.flavors.fetch(ctx, params.flavor_id!)).extraSpecs[params.key!]
      if (value === undefined) throw notFound(`Flavor ${params.flavor_id} has no extra specs with key ${params.key}.`)
      return { [params.key!]: value }
    },
  }),
  defineRoute<NovaApi, undefined, typeof SpecBody>({
    id: 'extraSpecs.update', method: 'PUT', path: `${specsPath}/{key}`, summary: 'Set one extra spec',
    policy: specRule('update'), body: SpecBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api, _, { params, body }) => {
      if (!(params.key! in body)) throw badRequest('Request body and URI mismatch', { field: params.key })
      const specs = text(body)
      await api.flavors.setSpecs(params.flavor_id!, specs)
      return specs
    },
  }),
  defineRoute<NovaApi>({
    id: 'extraSpecs.delete', method: 'DELETE', path: `${specsPath}/{key}`, summary: 'Delete one extra spec',
    policy: specRule('delete'), reply: { status: 200 }, errors: [404],
    handler: (api, _, { params }) => api.flavors.deleteSpec(params.flavor_id!, params.key!),
  }),
]

const accessView = (flavorId: string, projects: string[]) =>
  ({ flavor_access: projects.map((tenant_id) => ({ flavor_id: flavorId, tenant_id })) })
const TenantBody = Strict({ tenant: T.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-]*$' }) })

export const flavorAccessRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'flavorAccess.list', method: 'GET', path: '/flavors/{flavor_id}/os-flavor-access',
    summary: 'List the projects that may use a private flavor', policy: 'os_compute_api:os-flavor-access',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) =>
      accessView(params.flavor_id!, await api.flavors.accessList(ctx, params.flavor_id!)),
  }),
  actionRoute<NovaApi>({
    id: 'flavors.act', path: '/flavors/{flavor_id}/action', summary: 'Let projects use a private flavor',
    errors: [404, 409],
    actions: [
      defineAction<NovaApi, typeof TenantBody>({
        key: 'addTenantAccess', id: 'flavors.addTenantAccess', summary: 'Let a project use a flavor',
        policy: 'os_compute_api:os-flavor-access:add_tenant_access', body: TenantBody, reply: { status: 200 },
        handler: async (api, ctx, { params, body }) =>
          accessView(params.flavor_id!, await api.flavors.accessAdd(ctx, params.flavor_id!, body.tenant)),
      }),
      defineAction<NovaApi, typeof TenantBody>({
        key: 'removeTenantAccess', id: 'flavors.removeTenantAccess', summary: 'No longer let a project use a flavor',
        policy: 'os_compute_api:os-flavor-access:remove_tenant_access', body: TenantBody, reply: { status: 200 },
        handler: async (api, ctx, { params, body }) =>
          accessView(params.flavor_id!, await api.flavors.accessRemove(ctx, params.flavor_id!, body.tenant)),
      }),
    ],
  }),
]
