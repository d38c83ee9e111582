/** Unified limits: registered limits, and those of projects and domains. */
import { Nullable, T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { LimitMatch, NewLimit } from '../manager/limits.ts'
import type { Managers } from '../manager/managers.ts'
import type { NewRegisteredLimit, RegisteredLimitChanges } from '../manager/registered-limits.ts'
import type { Limit } from '../store/tables.ts'
import { anyId, closedBody, description, id, nullableId, optional } from './fields.ts'
import { collection, filtered, limitView, one, registeredLimitView, type Query } from './views.ts'

const limitMax = 0x7fffffff
const amount = T.Integer({ minimum: -1, maximum: limitMax })
const resourceName = T.String({ minLength: 1, maxLength: 255 })
const place = { region_id: Nullable(anyId), description }

const registered = T.Object(
  { ...optional(place), service_id: id, resource_name: resourceName, default_limit: amount },
  { additionalProperties: false },
)
const registeredCreateBody = T.Object({ registered_limits: T.Array(registered, { minItems: 1 }) })
const registeredUpdateBody = closedBody(
  'registered_limit', optional({ ...place, service_id: id, resource_name: resourceName, default_limit: amount }),
)

const own = T.Object({
  ...optional({ ...place, project_id: nullableId, domain_id: nullableId }), service_id: id, resource_name: resourceName,
  resource_limit: amount,
}, { additionalProperties: false, anyOf: [{ required: ['project_id'] }, { required: ['domain_id'] }] })
const limitsCreateBody = T.Object({ limits: T.Array(own, { minItems: 1 }) })
const limitUpdateBody = closedBody('limit', optional({ resource_limit: amount, description }))

const registeredLimits = [
  defineRoute({
    id: 'registeredLimits.list', method: 'GET', path: '/registered_limits', summary: 'List registered limits',
    policy: 'identity:list_registered_limits', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const views = (await api.registeredLimits.list()).map((one) => registeredLimitView(ctx, one))
      return collection(
        { ctx, request, key: 'registered_limits' },
        filtered(views, request.query, ['service_id', 'region_id', 'resource_name']),
      )
    },
  }),
  defineRoute({
    id: 'registeredLimits.create', method: 'POST', path: '/registered_limits', summary: 'Create registered limits',
    policy: 'identity:create_registered_limits', body: registeredCreateBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => {
      const made = await api.registeredLimits.create(body.registered_limits as NewRegisteredLimit[])
      return { registered_limits: made.map((one) => registeredLimitView(ctx, one)) }
    },
  }),
  defineRoute({
    id: 'registeredLimits.show', method: 'GET', path: '/registered_limits/{registered_limit_id}',
    summary: 'Show a registered limit', policy: 'identity:get_registered_limit', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: {
      registered_limit_id: limitId = '',
    } }) => ({ registered_limit: registeredLimitView(ctx, await api.registeredLimits.fetch(limitId)) }),
  }),
  defineRoute({
    id: 'registeredLimits.update', method: 'PATCH', path: '/registered_limits/{registered_limit_id}',
    summary: 'Change a registered limit', policy: 'identity:update_registered_limit', body: registeredUpdateBody,
    reply: { status: 200 }, errors: [404, 409],
    handler: async (api: Managers, ctx, { params: { registered_limit_id: limitId = '' }, body }) =>
      ({ registered_limit: registeredLimitView(
        ctx, await api.registeredLimits.update(limitId, body.registered_limit as RegisteredLimitChanges),
      ) }),
  }),
  defineRoute({
    id: 'registeredLimits.delete', method: 'DELETE', path: '/registered_limits/{registered_limit_id}',
    summary: 'Delete a registered limit', policy: 'identity:delete_registered_limit', reply: { status: 204 },
    errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      registered_limit_id: limitId = '',
    } }) => await api.registeredLimits.remove(limitId),
  }),
]

/** Administrators see all; others their domain's or their project's. */
const visible = async (api: Managers, ctx: RequestContext, query: Query): Promise<Limit[]> => {
  const match: LimitMatch = {
    service_id: one(query.service_id), resource_name: one(query.resource_name), region_id: one(query.region_id),
  }
  if (ctx.token.system || ctx.roles.includes('admin') || ctx.roles.includes('service')) {
    return await api.limits.list(match)
  }
  if (ctx.token.project) return await api.limits.list({ ...match, project_id: ctx.projectId })
  const domainId = ctx.token.domain?.id
  if (domainId === undefined) return []
  const inside = new Set((await api.projects.list({ domain_id: domainId })).map((project) => project.id))
  return (
    await api.limits.list(match)
  ).filter((limit) => limit.domain_id === domainId || inside.has(limit.project_id ?? ''))
}

const targetOf = async (api: Managers, limit: Limit | undefined) => {
  if (!limit) return {}
  const project = limit.project_id === null ? undefined : await api.projects.find(limit.project_id)
  return { target: { limit: {
    ...limit, ...(project && { project: { id: project.id, domain_id: project.domain_id } }),
    ...(limit.domain_id !== null && { domain: { id: limit.domain_id } }),
  } } }
}

const limits = [
  defineRoute({
    id: 'limits.model', method: 'GET', path: '/limits/model', summary: 'Show how limits of the tree relate',
    policy: 'identity:get_limit_model', reply: { status: 200 },
    handler: (api: Managers) => ({ model: api.limits.model() }),
  }),
  defineRoute({
    id: 'limits.list', method: 'GET', path: '/limits', summary: 'List limits', policy: 'identity:list_limits',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const views = (await visible(api, ctx, request.query)).map((one) => limitView(ctx, one))
      return collection({ ctx, request, key: 'limits' }, filtered(views, request.query, ['project_id', 'domain_id']))
    },
  }),
  defineRoute({
    id: 'limits.create', method: 'POST', path: '/limits', summary: 'Create limits', policy: 'identity:create_limits',
    body: limitsCreateBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => ({ limits: (await api.limits.create(
      body.limits as NewLimit[]
    )).map((one) => limitView(ctx, one)) }),
  }),
  defineRoute({
    id: 'limits.show', method: 'GET', path: '/limits/{limit_id}', summary: 'Show a limit', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { limit_id: limitId = '' } }) => {
      ctx.enforce('identity:get_limit', await targetOf(api, await api.limits.find(limitId)))
      return { limit: limitView(ctx, await api.limits.fetch(limitId)) }
    },
  }),
  defineRoute({
    id: 'limits.update', method: 'PATCH', path: '/limits/{limit_id}', summary: 'Change a limit',
    policy: 'identity:update_limit', body: limitUpdateBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { limit_id: limitId = '' }, body }) =>
      ({ limit: limitView(
        ctx, await api.limits.update(limitId, body.limit as { resource_limit?: number; description?: string | null }),
      ) }),
  }),
  defineRoute({
    id: 'limits.delete', method: 'DELETE', path: '/limits/{limit_id}', summary: 'Delete a limit',
    policy: 'identity:delete_limit', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { limit_id: limitId = '' } }) => await api.limits.remove(limitId),
  }),
]

export const limitRoutes = [...registeredLimits, ...limits]
