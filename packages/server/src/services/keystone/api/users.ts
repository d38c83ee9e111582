/** Users, their groups and projects, and the password they change themselves. */
import { Nullable, T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Managers } from '../manager/managers.ts'
import type { UserChanges, UserView } from '../manager/users.ts'
import { domainOfCaller, homeDomain, inCallersDomain } from './callers.ts'
import { extraOf, flag, id, name, nullableId, openBody, optional, someOf } from './fields.ts'
import { collection, filtered, groupView, one, projectView, userView, type Query } from './views.ts'

const own = ['name', 'domain_id', 'enabled', 'default_project_id', 'password', 'options']
const optionalFlag = T.Optional(Nullable(T.Boolean()))
const options = T.Object({
  ignore_change_password_upon_first_use: optionalFlag, ignore_password_expiry: optionalFlag,
  ignore_lockout_failure_attempts: optionalFlag,
  ignore_user_inactivity: optionalFlag, lock_password: optionalFlag, multi_factor_auth_enabled: optionalFlag,
  multi_factor_auth_rules: T.Optional(Nullable(T.Array(
    T.Array(T.String(), { minItems: 1, uniqueItems: true }), { uniqueItems: true },
  ))),
}, { additionalProperties: false })
const fields = {
  domain_id: id, enabled: flag, default_project_id: nullableId, password: Nullable(T.String()), options,
  description: Nullable(T.String()),
}
const createBody = openBody('user', { ...optional(fields), name })
const updateBody = openBody('user', optional({ ...fields, name }))
const passwordBody = openBody('user', { original_password: T.String(), password: T.String() })

const changesOf = (body: object): UserChanges => ({ ...(body as UserChanges), extra: extraOf(body, own) })

const guarded = async (api: Managers, ctx: RequestContext, rule: string, userId: string): Promise<void> => {
  const user = await api.users.find(userId)
  ctx.enforce(rule, { user_id: userId, ...(user && { target: { user: { id: user.id, domain_id: user.domain_id } } }) })
}

/** `password_expires_at=lt:2026-01-01T00:00:00Z` */
const expiryFilter = (query: Query): ((user: UserView) => boolean) => {
  const asked = one(query.password_expires_at)
  if (asked === undefined) return () => true
  const [, operator, text] = /^(?:(\w+):)?(.+)$/.exec(asked) ?? []
  const at = Date.parse(text ?? '')
  if (Number.isNaN(at)) throw badRequest(`Timestamp not in expected format: ${asked}`, { field: 'password_expires_at' })
  const compare = {
    lt: (v: number) => v < at, lte: (v: number) => v <= at, gt: (v: number) => v > at, gte: (v: number) => v >= at,
    eq: (v: number) => v === at, neq: (v: number) => v !== at,
  }
  const fits = compare[(operator ?? 'eq') as keyof typeof compare]
  if (!fits) {
    throw badRequest(
      `The given operator ${operator} is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte',`
        + " 'gt', or 'gte'.",
      { field: 'password_expires_at' },
    )
  }
  return (user) => user.password_expires_at !== null && fits(user.password_expires_at)
}

const users = [
  defineRoute({
    id: 'users.list', method: 'GET', path: '/users', summary: 'List users', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      ctx.enforce('identity:list_users', { target: { domain_id: domainOfCaller(ctx) } })
      const found = await api.users.list({
        domain_id: domainOfCaller(ctx) ?? one(request.query.domain_id), name: one(request.query.name),
      })
      const views = found.filter(expiryFilter(request.query)).map((user) => userView(ctx, user))
      return collection(
        { ctx, request, key: 'users', listMax: api.settings.listMax },
        filtered(views, request.query, ['name', 'enabled', 'domain_id', 'email', 'id']),
      )
    },
  }),
  defineRoute({
    id: 'users.create', method: 'POST', path: '/users', summary: 'Create a user', policy: 'authenticated',
    body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => {
      const wanted = body.user as { name: string; domain_id?: string }
      const domainId = wanted.domain_id ?? homeDomain(ctx)
      ctx.enforce('identity:create_user', { target: { user: { domain_id: domainId } } })
      return { user: userView(
        ctx, await api.users.create({ ...changesOf(wanted), name: wanted.name, domain_id: domainId }),
      ) }
    },
  }),
  defineRoute({
    id: 'users.show', method: 'GET', path: '/users/{user_id}', summary: 'Show a user', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '' } }) => {
      await guarded(api, ctx, 'identity:get_user', userId)
      return { user: userView(ctx, await api.users.show(userId)) }
    },
  }),
  defineRoute({
    id: 'users.update', method: 'PATCH', path: '/users/{user_id}', summary: 'Change a user', policy: 'authenticated',
    body: updateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '' }, body }) => {
      await guarded(api, ctx, 'identity:update_user', userId)
      return { user: userView(ctx, await api.users.update(userId, changesOf(someOf(body.user)))) }
    },
  }),
  defineRoute({
    id: 'users.delete', method: 'DELETE', path: '/users/{user_id}', summary: 'Delete a user', policy: 'authenticated',
    reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '' } }) => {
      await guarded(api, ctx, 'identity:delete_user', userId)
      await api.users.remove(userId)
    },
  }),
  defineRoute({
    id: 'users.changePassword', method: 'POST', path: '/users/{user_id}/password',
    summary: 'Change one\'s own password', policy: 'open', body: passwordBody, reply: { status: 204 },
    handler: async (api: Managers, _ctx, { params: { user_id: userId = '' }, body }) => {
      const {
        original_password: original, password: wanted,
      } = body.user as { original_password: string; password: string }
      await api.users.changePassword(userId, { original, wanted })
    },
  }),
]

const belongings = [
  defineRoute({
    id: 'users.groups', method: 'GET', path: '/users/{user_id}/groups', summary: 'Groups of a user',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const userId = request.params.user_id ?? ''
      await guarded(api, ctx, 'identity:list_groups_for_user', userId)
      const views = inCallersDomain(ctx, await api.groups.ofUser(userId)).map((group) => groupView(ctx, group))
      return collection({ ctx, request, key: 'groups' }, filtered(views, request.query, ['name']))
    },
  }),
  defineRoute({
    id: 'users.projects', method: 'GET', path: '/users/{user_id}/projects', summary: 'Projects a user has a role on',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const userId = request.params.user_id ?? ''
      await guarded(api, ctx, 'identity:list_user_projects', userId)
      await api.users.fetch(userId)
      const views = (await api.roleAssignments.projectsOf(userId)).map((project) => projectView(ctx, project))
      return collection(
        { ctx, request, key: 'projects' }, filtered(views, request.query, ['name', 'enabled', 'domain_id']),
      )
    },
  }),
]

export const userRoutes = [...users, ...belongings]
