/** `/allocations` and `/usages`: who took what. */
import { defineRoute } from '#platform/api-kit/route.ts'
import { Strict, T, since } from '#platform/api-kit/schema.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { ConsumerWrite, Usage } from '../manager/allocations.ts'
import type { Managers } from '../manager/managers.ts'
import { fresh, isAt } from './answers.ts'
import { AllocationsBody, ConsumerBody, MapOf, className, uuidPattern } from './shapes.ts'

/** What Placement calls a consumer, a project or a user of clients that could not say it. */
const unknownType = 'unknown'
const unknownOwner = '00000000-0000-0000-0000-000000000000'

interface Body {
  allocations:
    ConsumerWrite['allocations'] | { resource_provider: { uuid: string }; resources: Record<string, number> }[]
  project_id?: string
  user_id?: string
  consumer_generation?: number | null
  consumer_type?: string
  mappings?: Record<string, string[]>
}

/** The list of old versions becomes the map of new ones. */
function toWrite(ctx: RequestContext, consumerId: string, body: Body): ConsumerWrite {
  const allocations = Array.isArray(body.allocations)
    ? Object.fromEntries(
        body.allocations.map(({ resource_provider, resources }) => [resource_provider.uuid, { resources }]),
      )
    : body.allocations
  return {
    consumerId,
    allocations,
    projectId: body.project_id ?? unknownOwner,
    userId: body.user_id ?? unknownOwner,
    type: body.consumer_type ?? unknownType,
    mappings: body.mappings,
    ...(isAt(ctx, '1.28') && { generation: body.consumer_generation ?? null }),
  }
}

function usageView(ctx: RequestContext, usage: Usage, type: string | undefined) {
  if (!isAt(ctx, '1.38')) return { usages: sum(Object.values(usage).map(({ resources }) => resources)) }
  const asked = Object.entries(usage).filter(([name]) => type === undefined || type === 'all' || name === type)
  if (type === 'all') {
    const consumers = asked.reduce((total, [, one]) => total + one.consumers, 0)
    return {
      usages:
        asked.length === 0 ? {} : { all: { consumer_count: consumers, ...sum(asked.map(([, one]) => one.resources)) } },
    }
  }
  return {
    usages: Object.fromEntries(asked.map(([name, one]) => [name, { consumer_count: one.consumers, ...one.resources }])),
  }
}

function sum(amounts: Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const [name, amount] of amounts.flatMap((one) => Object.entries(one))) total[name] = (total[name] ?? 0) + amount
  return total
}

export const allocationRoutes = [
  defineRoute({
    id: 'allocations.manage',
    method: 'POST',
    path: '/allocations',
    since: '1.13',
    summary: 'Write the allocations of several consumers at once',
    policy: 'placement:allocations:manage',
    reply: { status: 204 },
    errors: [409],
    body: MapOf(uuidPattern, ConsumerBody, { minProperties: 1 }),
    async handler(api: Managers, ctx, { body }) {
      await api.allocations.replace(
        Object.entries(body as Record<string, Body>).map(([consumerId, one]) => toWrite(ctx, consumerId, one)),
      )
    },
  }),
  defineRoute({
    id: 'allocations.show',
    method: 'GET',
    path: '/allocations/{consumer_uuid}',
    summary: 'Show the allocations of a consumer',
    policy: 'placement:allocations:list',
    reply: {
      status: 200,
      schema: T.Object({
        allocations: T.Unknown(),
        project_id: T.Optional(T.String(since('1.12'))),
        user_id: T.Optional(T.String(since('1.12'))),
        consumer_generation: T.Optional(T.Integer(since('1.28'))),
        consumer_type: T.Optional(T.String(since('1.38'))),
      }),
    },
    async handler(api: Managers, ctx, { params }) {
      const { allocations, consumer } = await api.allocations.show(params.consumer_uuid!)
      const owner = consumer && {
        project_id: consumer.projectId,
        user_id: consumer.userId,
        consumer_generation: consumer.generation,
        consumer_type: consumer.type,
      }
      return fresh(api, ctx, { allocations, ...owner })
    },
  }),
  defineRoute({
    id: 'allocations.update',
    method: 'PUT',
    path: '/allocations/{consumer_uuid}',
    summary: 'Write the allocations of a consumer',
    policy: 'placement:allocations:update',
    reply: { status: 204 },
    errors: [409],
    body: AllocationsBody,
    handler: async (api: Managers, ctx, { params, body }) => {
      await api.allocations.replace([toWrite(ctx, params.consumer_uuid!, body as Body)])
    },
  }),
  defineRoute({
    id: 'allocations.delete',
    method: 'DELETE',
    path: '/allocations/{consumer_uuid}',
    summary: 'Give back all that a consumer took',
    policy: 'placement:allocations:delete',
    reply: { status: 204 },
    errors: [404],
    handler: async (api: Managers, _ctx, { params }) => {
      await api.allocations.remove(params.consumer_uuid!)
    },
  }),
  defineRoute({
    id: 'usages.show',
    method: 'GET',
    path: '/usages',
    since: '1.9',
    summary: 'Show what a project uses',
    policy: 'authenticated',
    reply: { status: 200 },
    query: Strict({
      project_id: T.String({ minLength: 1, maxLength: 255 }),
      user_id: T.Optional(T.String({ minLength: 1, maxLength: 255 })),
      consumer_type: T.Optional(
        T.String({ pattern: `${className}|^all$|^unknown$`, minLength: 1, maxLength: 255, ...since('1.38') }),
      ),
    }),
    async handler(api: Managers, ctx, { query }) {
      ctx.enforce('placement:usages', { project_id: query.project_id })
      const usage = await api.allocations.usage({ projectId: query.project_id, userId: query.user_id })
      return fresh(api, ctx, usageView(ctx, usage, query.consumer_type))
    },
  }),
]
