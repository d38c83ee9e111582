/** Server groups: servers that are to be near each other, or apart. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { GroupPolicy, ServerGroup } from '../manager/model.ts'
import { atLeast, countOf, pageMax, refuseUnknown, repeated } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Name, Whole, wholeOf } from './shapes.ts'

const opt = T.Optional
const rule = (verb: string) => `os_compute_api:os-server-groups:${verb}`
const hard: GroupPolicy[] = ['affinity', 'anti-affinity']
const soft: GroupPolicy[] = ['soft-affinity', 'soft-anti-affinity']
const PolicyName = T.Unsafe<GroupPolicy>({ type: 'string', enum: [...hard, ...soft] })

const GroupBody = Strict({
  server_group: Strict({
    name: Name(),
    policies: opt(T.Array(PolicyName, { minItems: 1, maxItems: 1, 'x-until': '2.63' })),
    policy: opt(T.Unsafe<GroupPolicy>({ type: 'string', enum: [...hard, ...soft], 'x-since': '2.64' })),
    rules: opt(Strict({ max_server_per_host: opt(Whole(1)) }, { 'x-since': '2.64' })),
  }),
})
const GroupQuery = T.Object({ all_projects: repeated, limit: repeated, offset: repeated }, {
  additionalProperties: true,
})

const view = (ctx: RequestContext, group: ServerGroup) => ({
  id: group.id,
  name: group.name,
  members: group.members,
  ...(atLeast(ctx, '2.64') ? { policy: group.policy, rules: group.rules } : { policies: [group.policy], metadata: {} }),
  ...(atLeast(ctx, '2.13') && { project_id: group.projectId, user_id: group.userId }),
})

type Draft = {
  name: string
  policies?: GroupPolicy[]
  policy?: GroupPolicy
  rules?: { max_server_per_host?: number | string }
}

const draftOf = (ctx: RequestContext, draft: Draft): Pick<ServerGroup, 'name' | 'policy' | 'rules'> => {
  const policy = draft.policy ?? draft.policies?.[0]
  if (policy === undefined) {
    const name = atLeast(ctx, '2.64') ? 'policy' : 'policies'
    throw badRequest(
      `Invalid input for field/attribute server_group. '${name}' is a required property`, { field: name },
    )
  }
  if (soft.includes(policy) && !atLeast(ctx, '2.15')) throw badRequest(
    `Invalid input for field/attribute policies. '${policy}' is not one of ${JSON.stringify(hard)}`,
    { field: 'policies' },
  )
  const perHost = draft.rules?.max_server_per_host
  if (perHost !== undefined && policy !== 'anti-affinity') throw badRequest(
    "Only anti-affinity policy supports rules.", { field: 'rules' },
  )
  return {
    name: draft.name.trim(), policy, rules: perHost === undefined ? {} : { max_server_per_host: wholeOf(perHost) },
  }
}

export const serverGroupRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof GroupQuery>({
    id: 'serverGroups.list', method: 'GET', path: '/os-server-groups', summary: 'List server groups',
    policy: rule('index'), query: GroupQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const query = request.query as Query
      refuseUnknown(ctx, query, ['all_projects', 'limit', 'offset'])
      const allProjects = query.all_projects !== undefined && ctx.can(rule('index:all_projects'))
      const limit = Math.min(countOf(query, 'limit') ?? pageMax, pageMax)
      const groups = await api.groups.list(ctx, { allProjects, limit, offset: countOf(query, 'offset') })
      return { server_groups: groups.map((group) => view(ctx, group)) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof GroupBody>({
    id: 'serverGroups.create', method: 'POST', path: '/os-server-groups', summary: 'Create a server group',
    policy: rule('create'), body: GroupBody, reply: { status: 200 }, errors: [403],
    handler: async (api, ctx, { body }) =>
      ({ server_group: view(ctx, await api.groups.create(ctx, draftOf(ctx, body.server_group))) }),
  }),
  defineRoute<NovaApi>({
    id: 'serverGroups.show', method: 'GET', path: '/os-server-groups/{id}', summary: 'Show a server group',
    policy: rule('show'), reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => ({ server_group: view(ctx, await api.groups.fetch(ctx, params.id!)) }),
  }),
  defineRoute<NovaApi>({
    id: 'serverGroups.delete', method: 'DELETE', path: '/os-server-groups/{id}', summary: 'Delete a server group',
    policy: rule('delete'), reply: { status: 204 }, errors: [404],
    handler: (api, ctx, { params }) => api.groups.delete(ctx, params.id!),
  }),
]
