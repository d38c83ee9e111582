/** Roles, and which role implies which. */
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Managers } from '../manager/managers.ts'
import type { Inference, RoleChanges } from '../manager/roles.ts'
import type { Role } from '../store/tables.ts'
import { description, extraOf, immutableOption, name, nullableId, openBody, optional, someOf } from './fields.ts'
import { collection, filtered, one, roleView, type View } from './views.ts'

const own = ['name', 'domain_id', 'description', 'options']
const fields = { domain_id: nullableId, description, options: immutableOption }
const createBody = openBody('role', { ...optional(fields), name })
const updateBody = openBody('role', optional({ ...fields, name }))

const changesOf = (body: object): RoleChanges => ({ ...(body as RoleChanges), extra: extraOf(body, own) })

/** A domain's own roles have rules of their own. A role that does not exist is not found for anybody, as upstream. */
const guarded = async (api: Managers, ctx: RequestContext, verb: string, roleId: string): Promise<void> => {
  const role = await api.roles.fetch(roleId)
  const rule = role.domain_id !== '' ? `identity:${verb}_domain_role` : `identity:${verb}_role`
  ctx.enforce(rule, { target: { role: { id: role.id, name: role.name, domain_id: role.domain_id || null } } })
}

const roles = [
  defineRoute({
    id: 'roles.list', method: 'GET', path: '/roles', summary: 'List roles', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const domainId = one(request.query.domain_id) ?? ''
      ctx.enforce(domainId === '' ? 'identity:list_roles' : 'identity:list_domain_roles')
      const views = (await api.roles.list({ domain_id: domainId })).map((role) => roleView(ctx, role))
      return collection(
        { ctx, request, key: 'roles', listMax: api.settings.listMax }, filtered(views, request.query, ['name', 'id']),
      )
    },
  }),
  defineRoute({
    id: 'roles.create', method: 'POST', path: '/roles', summary: 'Create a role', policy: 'authenticated',
    body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => {
      const wanted = body.role as { name: string; domain_id?: string | null }
      ctx.enforce(wanted.domain_id ? 'identity:create_domain_role' : 'identity:create_role')
      return { role: roleView(ctx, await api.roles.create({ ...changesOf(wanted), name: wanted.name })) }
    },
  }),
  defineRoute({
    id: 'roles.show', method: 'GET', path: '/roles/{role_id}', summary: 'Show a role', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { role_id: roleId = '' } }) => {
      await guarded(api, ctx, 'get', roleId)
      return { role: roleView(ctx, await api.roles.fetch(roleId)) }
    },
  }),
  defineRoute({
    id: 'roles.update', method: 'PATCH', path: '/roles/{role_id}', summary: 'Change a role', policy: 'authenticated',
    body: updateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api: Managers, ctx, { params: { role_id: roleId = '' }, body }) => {
      await guarded(api, ctx, 'update', roleId)
      return { role: roleView(ctx, await api.roles.update(roleId, changesOf(someOf(body.role)))) }
    },
  }),
  defineRoute({
    id: 'roles.delete', method: 'DELETE', path: '/roles/{role_id}', summary: 'Delete a role', policy: 'authenticated',
    reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { role_id: roleId = '' } }) => {
      await guarded(api, ctx, 'delete', roleId)
      await api.roles.remove(roleId)
    },
  }),
]

const shortRole = (ctx: RequestContext, { id, name }: Role): View => ({
  id, name, links: { self: `${ctx.baseUrl}/roles/${id}` },
})

const inferenceView = (ctx: RequestContext, { prior, implies }: Inference): View =>
  ({ prior_role: shortRole(ctx, prior), implies: implies.map((role) => shortRole(ctx, role)) })

const ruleView = (ctx: RequestContext, { prior, implied }: { prior: Role; implied: Role }) => ({
  role_inference: { prior_role: shortRole(ctx, prior), implies: shortRole(ctx, implied) },
  links: { self: `${ctx.baseUrl}/roles/${prior.id}/implies/${implied.id}` },
})

const inferences = [
  defineRoute({
    id: 'roleInferences.list', method: 'GET', path: '/role_inferences', summary: 'List which role implies which',
    policy: 'identity:list_role_inference_rules', reply: { status: 200 },
    handler: async (api: Managers, ctx) =>
      ({
        role_inferences: (await api.roles.inferences()).map((rule) => inferenceView(ctx, rule)),
        links: { self: `${ctx.baseUrl}/role_inferences` },
      }),
  }),
  defineRoute({
    id: 'impliedRoles.list', method: 'GET', path: '/roles/{prior_role_id}/implies', summary: 'List what a role implies',
    policy: 'identity:list_implied_roles', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { prior_role_id: prior = '' } }) =>
      ({
        role_inference: inferenceView(ctx, await api.roles.implied(prior)),
        links: { self: `${ctx.baseUrl}/roles/${prior}/implies` },
      }),
  }),
  // Its status differs from GET's, and it must come first: the router makes a HEAD for each GET that has none.
  defineRoute({
    id: 'impliedRoles.check', method: 'HEAD', path: '/roles/{prior_role_id}/implies/{implied_role_id}',
    summary: 'Check what a role implies', policy: 'identity:check_implied_role', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { prior_role_id: prior = '', implied_role_id: implied = '' } }) => {
      await api.roles.requireImplied(prior, implied)
    },
  }),
  defineRoute({
    id: 'impliedRoles.show', method: 'GET', path: '/roles/{prior_role_id}/implies/{implied_role_id}',
    summary: 'Check what a role implies', policy: 'identity:get_implied_role', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { prior_role_id: prior = '', implied_role_id: implied = '' } }) =>
      ruleView(ctx, await api.roles.requireImplied(prior, implied)),
  }),
  defineRoute({
    id: 'impliedRoles.create', method: 'PUT', path: '/roles/{prior_role_id}/implies/{implied_role_id}',
    summary: 'Let a role imply another', policy: 'identity:create_implied_role', reply: { status: 201 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { prior_role_id: prior = '', implied_role_id: implied = '' } }) =>
      reply({ body: ruleView(ctx, await api.roles.imply(prior, implied)) }),
  }),
  defineRoute({
    id: 'impliedRoles.delete', method: 'DELETE', path: '/roles/{prior_role_id}/implies/{implied_role_id}',
    summary: 'Let a role no longer imply another', policy: 'identity:delete_implied_role', reply: { status: 204 },
    errors: [404],
    handler: async (api: Managers, _ctx, { params: { prior_role_id: prior = '', implied_role_id: implied = '' } }) =>
      await api.roles.unimply(prior, implied),
  }),
]

export const roleRoutes = [...roles, ...inferences]
