/** `/v2.0/quotas`. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Flag, isTrue, T, type TSchema } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { quotaNames } from '../manager/quotas.ts'
import type { NeutronApi } from './neutron-api.ts'

const limit = T.Union([T.Integer({ minimum: -1, maximum: 2 ** 31 - 1 }), T.String({ pattern: '^(-1|\\d{1,9})$' })])
const names = Object.fromEntries(Object.keys(quotaNames).map((name) => [name, T.Optional(limit)]))
const body = T.Object({ quota: T.Object({ ...names, force: T.Optional(Flag()), check_limit: T.Optional(Flag()) }) })
const one = T.Object({ quota: T.Object({}) })

/**
 * Whose token it is does not change a limit: owners sent along are ignored, as upstream. `force` is what happens
 * anyway, unless `check_limit` asks for the opposite.
 */
const notLimits = new Set(['tenant_id', 'project_id', 'force', 'check_limit'])

const read = (given: Record<string, unknown>): { limits: Record<string, number>; checkLimit: boolean } => {
  const asked = Object.entries(given).filter(([name]) => !notLimits.has(name))
  // Clients send `force` alone when they only set quotas of other services.
  if (asked.length === 0 && given.force === undefined && given.check_limit === undefined)
    throw badRequest('Invalid input for quota. Reason: give at least one limit.', {
      type: 'HTTPBadRequest',
      field: 'quota',
    })
  const limits = Object.fromEntries(asked.map(([name, value]) => [name, Number(value)]))
  return { limits, checkLimit: isTrue(given.check_limit) }
}

export const quotaRoutes: Route<NeutronApi>[] = [
  defineRoute<NeutronApi>({
    id: 'quotas.list',
    method: 'GET',
    path: '/quotas',
    summary: 'List the limits of projects that have some of their own',
    policy: 'get_quota',
    reply: { status: 200, schema: T.Object({ quotas: T.Array(T.Object({})) }) },
    handler: async (api, ctx) => ({ quotas: await api.quotas.list(ctx) }),
  }),
  ...(['tenant', 'project'] as const).map((word) =>
    defineRoute<NeutronApi>({
      id: `quotas.${word}`,
      method: 'GET',
      path: `/quotas/${word}`,
      summary: 'Tell whose quota the caller sees',
      policy: 'authenticated',
      reply: { status: 200 },
      handler: (_api, ctx) => ({ [word]: { [`${word}_id`]: ctx.projectId } }),
    }),
  ),
  defineRoute<NeutronApi>({
    id: 'quotas.show',
    method: 'GET',
    path: '/quotas/{project_id}',
    summary: "Show a project's limits",
    policy: 'authenticated',
    reply: { status: 200, schema: one },
    errors: [404],
    handler: async (api, ctx, { params }) => ({ quota: await api.quotas.limits(ctx, params.project_id!) }),
  }),
  defineRoute<NeutronApi>({
    id: 'quotas.defaults',
    method: 'GET',
    path: '/quotas/{project_id}/default',
    summary: 'Show the limits before anybody set one',
    policy: 'authenticated',
    reply: { status: 200, schema: one },
    handler: async (api, ctx, { params }) => ({ quota: await api.quotas.defaults(ctx, params.project_id!) }),
  }),
  ...['details', 'details.json'].map((tail) =>
    defineRoute<NeutronApi>({
      id: `quotas.${tail}`,
      method: 'GET',
      path: `/quotas/{project_id}/${tail}`,
      summary: 'Show limits, use and reservations',
      policy: 'authenticated',
      reply: { status: 200, schema: one },
      handler: async (api, ctx, { params }) => ({ quota: await api.quotas.details(ctx, params.project_id!) }),
    }),
  ),
  defineRoute<NeutronApi, undefined, TSchema>({
    id: 'quotas.update',
    method: 'PUT',
    path: '/quotas/{project_id}',
    summary: "Set a project's limits",
    policy: 'authenticated',
    body,
    reply: { status: 200, schema: one },
    errors: [404],
    handler: async (api, ctx, { params, body: given }) => ({
      quota: await api.quotas.set(ctx, params.project_id!, read((given as { quota: Record<string, unknown> }).quota)),
    }),
  }),
  defineRoute<NeutronApi>({
    id: 'quotas.delete',
    method: 'DELETE',
    path: '/quotas/{project_id}',
    summary: 'Go back to the default limits',
    policy: 'authenticated',
    reply: { status: 204 },
    errors: [404],
    handler: (api, ctx, { params }) => api.quotas.reset(ctx, params.project_id!),
  }),
]
