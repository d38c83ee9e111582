/** Groups and their members. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Managers } from '../manager/managers.ts'
import type { GroupChanges } from '../manager/groups.ts'
import { domainOfCaller, homeDomain, inCallersDomain } from './callers.ts'
import { description, extraOf, id, openBody, optional, shortName, someOf } from './fields.ts'
import { collection, filtered, groupView, one, userView } from './views.ts'

const own = ['name', 'domain_id', 'description']
const fields = { domain_id: id, description }
const createBody = openBody('group', { ...optional(fields), name: shortName })
const updateBody = openBody('group', optional({ ...fields, name: shortName }))

const changesOf = (body: object): GroupChanges => ({ ...(body as GroupChanges), extra: extraOf(body, own) })

const guarded = async (
  api: Managers, ctx: RequestContext, rule: string, groupId: string, userId?: string,
): Promise<void> => {
  const group = await api.groups.find(groupId)
  const user = userId === undefined ? undefined : await api.users.find(userId)
  ctx.enforce(rule, { target: {
    ...(group && { group: { id: group.id, domain_id: group.domain_id } }),
    ...(user && { user: { id: user.id, domain_id: user.domain_id } }),
  } })
}

const groups = [
  defineRoute({
    id: 'groups.list', method: 'GET', path: '/groups', summary: 'List groups', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      ctx.enforce('identity:list_groups', { target: { group: { domain_id: domainOfCaller(ctx) } } })
      const found = await api.groups.list({ domain_id: domainOfCaller(ctx) ?? one(request.query.domain_id) })
      const views = filtered(found.map((group) => groupView(ctx, group)), request.query, ['name', 'domain_id', 'id'])
      return collection({ ctx, request, key: 'groups', listMax: api.settings.listMax }, views)
    },
  }),
  defineRoute({
    id: 'groups.create', method: 'POST', path: '/groups', summary: 'Create a group', policy: 'authenticated',
    body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => {
      const wanted = body.group as { name: string; domain_id?: string }
      const domainId = wanted.domain_id ?? homeDomain(ctx)
      ctx.enforce('identity:create_group', { target: { group: { domain_id: domainId } } })
      return { group: groupView(
        ctx, await api.groups.create({ ...changesOf(wanted), name: wanted.name, domain_id: domainId }),
      ) }
    },
  }),
  defineRoute({
    id: 'groups.show', method: 'GET', path: '/groups/{group_id}', summary: 'Show a group', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { group_id: groupId = '' } }) => {
      await guarded(api, ctx, 'identity:get_group', groupId)
      return { group: groupView(ctx, await api.groups.fetch(groupId)) }
    },
  }),
  defineRoute({
    id: 'groups.update', method: 'PATCH', path: '/groups/{group_id}', summary: 'Change a group',
    policy: 'authenticated', body: updateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api: Managers, ctx, { params: { group_id: groupId = '' }, body }) => {
      await guarded(api, ctx, 'identity:update_group', groupId)
      return { group: groupView(ctx, await api.groups.update(groupId, changesOf(someOf(body.group)))) }
    },
  }),
  defineRoute({
    id: 'groups.delete', method: 'DELETE', path: '/groups/{group_id}', summary: 'Delete a group',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { group_id: groupId = '' } }) => {
      await api.groups.fetch(groupId)
      await guarded(api, ctx, 'identity:delete_group', groupId)
      await api.groups.remove(groupId)
    },
  }),
]

const members = [
  defineRoute({
    id: 'groupMembers.list', method: 'GET', path: '/groups/{group_id}/users', summary: 'Members of a group',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const groupId = request.params.group_id ?? ''
      await guarded(api, ctx, 'identity:list_users_in_group', groupId)
      await api.groups.fetch(groupId)
      const views = inCallersDomain(ctx, await api.users.inGroup(groupId)).map((user) => userView(ctx, user))
      return collection(
        { ctx, request, key: 'users' }, filtered(views, request.query, ['name', 'enabled', 'domain_id', 'email']),
      )
    },
  }),
  defineRoute({
    id: 'groupMembers.check', method: 'GET', path: '/groups/{group_id}/users/{user_id}', summary: 'Check a member',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { group_id: groupId = '', user_id: userId = '' } }) => {
      await guarded(api, ctx, 'identity:check_user_in_group', groupId, userId)
      await api.groups.requireMember(groupId, userId)
    },
  }),
  defineRoute({
    id: 'groupMembers.add', method: 'PUT', path: '/groups/{group_id}/users/{user_id}', summary: 'Add a member',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { group_id: groupId = '', user_id: userId = '' } }) => {
      await guarded(api, ctx, 'identity:add_user_to_group', groupId, userId)
      await api.groups.addMember(groupId, userId)
    },
  }),
  defineRoute({
    id: 'groupMembers.remove', method: 'DELETE', path: '/groups/{group_id}/users/{user_id}', summary: 'Remove a member',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { group_id: groupId = '', user_id: userId = '' } }) => {
      await guarded(api, ctx, 'identity:remove_user_from_group', groupId, userId)
      await api.groups.removeMember(groupId, userId)
    },
  }),
]

export const groupRoutes = [...groups, ...members]
