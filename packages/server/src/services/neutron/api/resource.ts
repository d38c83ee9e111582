/** The five routes that every Neutron resource has, made from its attributes, its manager and its view. */
import type { IncomingHttpHeaders } from 'node:http'
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { T, type TSchema } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { isoSeconds } from '#platform/clock/clock.ts'
import { ownerTarget, viewerOf, type Collection } from '../manager/collection.ts'
import type { Standard } from '../store/tables.ts'
import { bodyObject, readAttributes, type Attributes } from './attributes.ts'
import { linksOf, listQuery, pageAskOf, pick, type Query, type SpecialFilters } from './listing.ts'
import type { NeutronApi } from './neutron-api.ts'

export interface ResourceManager<R extends Standard> {
  collection: Collection<R>
  create(ctx: RequestContext, inputs: any[]): Promise<R[]>
  update(ctx: RequestContext, id: string, changes: any, ifMatch?: number): Promise<R>
  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void>
}

export interface ResourceSpec<R extends Standard> {
  /** What people call it: `network`. */
  title: string
  /** `security-groups`, when it is not the plural. */
  path?: string
  name: string
  plural: string
  attributes: Attributes
  filters?: SpecialFilters
  manager(api: NeutronApi): ResourceManager<R>
  /** Views of the records, without attributes that policy hides. */
  views(
    api: NeutronApi,
    ctx: RequestContext,
    records: R[],
  ): Promise<Record<string, unknown>[]> | Record<string, unknown>[]
  /** Before a list is read. */
  beforeList?(api: NeutronApi, ctx: RequestContext): Promise<void>
  /** Without PUT. */
  fixed?: boolean
}

/** The API's own names of what every record has. */
export const standardView = (record: Standard): Record<string, unknown> => ({
  id: record.id,
  tenant_id: record.project_id,
  project_id: record.project_id,
  description: record.description,
  tags: record.tags,
  created_at: isoSeconds(record.created_at),
  updated_at: isoSeconds(record.updated_at),
  revision_number: record.revision_number,
})

/** `If-Match: revision_number=3`. */
export const ifMatchOf = (headers: IncomingHttpHeaders): number | undefined => {
  const given = headers['if-match']
  if (given === undefined) return undefined
  const match = /^"?revision_number=(\d{1,12})"?$/.exec(String(given).trim())
  if (!match)
    throw badRequest(`Invalid value for If-Match: ${String(given).slice(0, 80)}; send revision_number=N`, {
      type: 'HTTPBadRequest',
      field: 'If-Match',
    })
  return Number(match[1])
}

/** Attributes with a rule of their own are refused to those whom the rule does not hold for. */
const enforceAttributes = (
  ctx: RequestContext,
  spec: ResourceSpec<any>,
  action: 'create' | 'update',
  given: Record<string, unknown>,
): void => {
  for (const name of Object.keys(given)) {
    const isDefault = given[name] === false && action === 'create'
    if (spec.attributes[name]?.setRule && !isDefault) ctx.enforce(`${action}_${spec.name}:${name}`)
  }
}

const hidden = (ctx: RequestContext, spec: ResourceSpec<any>, record: Standard): string[] =>
  Object.entries(spec.attributes)
    .filter(([name, { showRule }]) => showRule && !ctx.can(`get_${spec.name}:${name}`, ownerTarget(record)))
    .map(([name]) => name)

export const viewsOf = async <R extends Standard>(
  spec: ResourceSpec<R>,
  api: NeutronApi,
  ctx: RequestContext,
  records: R[],
): Promise<Record<string, unknown>[]> => {
  const views = await spec.views(api, ctx, records)
  return views.map((view, at) => {
    const names = hidden(ctx, spec, records[at]!)
    return names.length === 0
      ? view
      : Object.fromEntries(Object.entries(view).filter(([name]) => !names.includes(name)))
  })
}

/** Whose the new record is: the caller's project, or the one an admin names. */
export const ownerOf = (ctx: RequestContext, input: Record<string, unknown>): string => {
  const asked = input.project_id
  if (asked === undefined || asked === ctx.projectId) return ctx.projectId
  if (ctx.isAdmin) return String(asked)
  throw badRequest(
    "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges",
    { type: 'HTTPBadRequest', field: 'project_id' },
  )
}

export const readNew = (
  spec: ResourceSpec<any>,
  ctx: RequestContext,
  given: Record<string, unknown>,
): Record<string, unknown> => {
  const input = readAttributes(spec.attributes, given, 'post')
  enforceAttributes(ctx, spec, 'create', given)
  return { ...input, project_id: ownerOf(ctx, input) }
}

const createBody = (spec: ResourceSpec<any>): TSchema => {
  const one = bodyObject(spec.attributes, 'post')
  return T.Union([T.Object({ [spec.name]: one }), T.Object({ [spec.plural]: T.Array(one, { minItems: 1 }) })])
}

const pathsOf = (spec: ResourceSpec<any>) => {
  const path = `/${spec.path ?? spec.plural}`
  return { path, one: `${path}/{id}` }
}

const readRoutes = <R extends Standard>(spec: ResourceSpec<R>): Route<NeutronApi>[] => {
  const { path, one } = pathsOf(spec)
  const { name, plural } = spec
  return [
    defineRoute<NeutronApi, typeof listQuery>({
      id: `${plural}.list`,
      method: 'GET',
      path,
      summary: `List ${plural.replaceAll('_', ' ')}`,
      policy: `get_${name}`,
      query: listQuery,
      reply: { status: 200, schema: T.Object({ [plural]: T.Array(T.Object({})) }) },
      handler: (api, ctx, { query, url }) => listReply(spec, api, ctx, { query: query as Query, url }),
    }),
    defineRoute<NeutronApi, typeof listQuery>({
      id: `${plural}.show`,
      method: 'GET',
      path: one,
      summary: `Show a ${spec.title}`,
      policy: `get_${name}`,
      query: listQuery,
      reply: { status: 200, schema: T.Object({ [name]: T.Object({}) }) },
      errors: [404],
      handler: async (api, ctx, { params, query }) => {
        const [view] = await viewsOf(spec, api, ctx, [
          await spec.manager(api).collection.fetch(viewerOf(ctx), params.id!),
        ])
        return { [name]: pick(view!, query as Query) }
      },
    }),
  ]
}

const createRoute = <R extends Standard>(spec: ResourceSpec<R>): Route<NeutronApi> => {
  const { name, plural } = spec
  const { path } = pathsOf(spec)
  return defineRoute<NeutronApi, undefined, TSchema>({
    id: `${plural}.create`,
    method: 'POST',
    path,
    summary: `Create one ${spec.title}, or several`,
    policy: `create_${name}`,
    body: createBody(spec),
    reply: { status: 201, schema: T.Object({}) },
    errors: [404, 409],
    handler: (api, ctx, { body }) => createReply(spec, api, ctx, body as Record<string, any>),
  })
}

const updateRoute = <R extends Standard>(spec: ResourceSpec<R>): Route<NeutronApi> => {
  const { name, plural } = spec
  const { one } = pathsOf(spec)
  return defineRoute<NeutronApi, undefined, TSchema>({
    id: `${plural}.update`,
    method: 'PUT',
    path: one,
    summary: `Change a ${spec.title}`,
    policy: `update_${name}`,
    body: T.Object({ [name]: bodyObject(spec.attributes, 'put') }),
    reply: { status: 200, schema: T.Object({ [name]: T.Object({}) }) },
    errors: [404, 409, 412],
    handler: async (api, ctx, { params, body, headers }) => {
      const given = (body as Record<string, any>)[name]
      const changes = readAttributes(spec.attributes, given, 'put')
      enforceAttributes(ctx, spec, 'update', given)
      const record = await spec.manager(api).update(ctx, params.id!, changes, ifMatchOf(headers))
      return { [name]: (await viewsOf(spec, api, ctx, [record]))[0] }
    },
  })
}

const deleteRoute = <R extends Standard>(spec: ResourceSpec<R>): Route<NeutronApi> => {
  const { name, plural } = spec
  const { one } = pathsOf(spec)
  return defineRoute<NeutronApi>({
    id: `${plural}.delete`,
    method: 'DELETE',
    path: one,
    summary: `Delete a ${spec.title}`,
    policy: `delete_${name}`,
    reply: { status: 204 },
    errors: [404, 409, 412],
    handler: (api, ctx, { params, headers }) => spec.manager(api).remove(ctx, params.id!, ifMatchOf(headers)),
  })
}

export const resourceRoutes = <R extends Standard>(spec: ResourceSpec<R>): Route<NeutronApi>[] => [
  ...readRoutes(spec),
  createRoute(spec),
  ...(spec.fixed ? [] : [updateRoute(spec)]),
  deleteRoute(spec),
]

const listReply = async <R extends Standard>(
  spec: ResourceSpec<R>,
  api: NeutronApi,
  ctx: RequestContext,
  { query, url }: { query: Query; url: string },
) => {
  await spec.beforeList?.(api, ctx)
  const { collection } = spec.manager(api)
  const ask = pageAskOf(
    query,
    { attributes: spec.attributes, special: spec.filters, unsorted: collection.kind.nullable },
    ctx.projectId,
  )
  const records = await collection.list(viewerOf(ctx), ask)
  const views = await viewsOf(spec, api, ctx, records)
  return {
    [spec.plural]: views.map((view) => pick(view, query)),
    ...linksOf(spec.plural, records, query, { hostUrl: ctx.hostUrl, url }),
  }
}

const createReply = async <R extends Standard>(
  spec: ResourceSpec<R>,
  api: NeutronApi,
  ctx: RequestContext,
  body: Record<string, any>,
) => {
  const single = body[spec.name]
  if (single && body[spec.plural])
    throw badRequest(`Body contains invalid data: give ${spec.name} or ${spec.plural}, not both`, {
      type: 'HTTPBadRequest',
    })
  const given: Record<string, unknown>[] = single ? [single] : body[spec.plural]
  const records = await spec.manager(api).create(
    ctx,
    given.map((one) => readNew(spec, ctx, one)),
  )
  const views = await viewsOf(spec, api, ctx, records)
  return single ? { [spec.name]: views[0] } : { [spec.plural]: views }
}
