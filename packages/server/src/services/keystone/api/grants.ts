/** Roles given on projects, domains and the system, to users and groups, for there or for everything below. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { GrantPlace } from '../manager/grants.ts'
import type { Managers } from '../manager/managers.ts'
import type { ActorType, TargetType } from '../store/tables.ts'
import { collection, roleView } from './views.ts'

/** One family of paths: `/projects/{project_id}/users/{user_id}/roles`, … */
interface Family { actorType: ActorType; targetType: TargetType; inherited: boolean }

type Params = Record<string, string>

const placeOf = ({ actorType, targetType, inherited }: Family, params: Params): GrantPlace => ({
  actorType, targetType, inherited, actorId: params[`${actorType}_id`] ?? '',
  targetId: targetType === 'system' ? 'all' : params[`${targetType}_id`] ?? '',
})

/** The facts that rules look at; what does not exist is left out, and only an administrator's rule can hold. */
const targetOf = async (api: Managers, place: GrantPlace, roleId: string | undefined) => {
  const role = roleId === undefined ? undefined : await api.roles.find(roleId)
  const actor = place.actorType === 'user' ? await api.users.find(place.actorId) : await api.groups.find(place.actorId)
  const where = place.targetType === 'system' ? undefined : await api.projects.find(place.targetId)
  return { target: {
    ...(role && { role: { id: role.id, name: role.name, domain_id: role.domain_id || null } }),
    ...(actor && { [place.actorType]: { id: actor.id, domain_id: actor.domain_id } }),
    ...(where && { [place.targetType]: { id: where.id, domain_id: where.domain_id || null } }),
  } }
}

const ruleOf = (family: Family, verb: string): string => {
  if (family.targetType !== 'system') return verb === 'list' ? 'identity:list_grants' : `identity:${verb}_grant`
  return `identity:${verb}_system_grant${verb === 'list' ? 's' : ''}_for_${family.actorType}`
}

const guarded = async (api: Managers, ctx: RequestContext, family: Family, { verb, params }: {
  verb: string
  params: Params
}): Promise<GrantPlace> => {
  const place = placeOf(family, params)
  ctx.enforce(ruleOf(family, verb), await targetOf(api, place, params.role_id))
  return place
}

const pathOf = ({ actorType, targetType, inherited }: Family): string => {
  const place = targetType === 'system' ? '/system' : `/${targetType}s/{${targetType}_id}`
  return `${inherited ? '/OS-INHERIT' : ''}${place}/${actorType}s/{${actorType}_id}/roles`
}

const idOf = ({ actorType, targetType, inherited }: Family): string =>
  `${inherited ? 'inherited' : ''}${targetType}${actorType}Grants`

const routesOf = (family: Family): Route[] => {
  const [list, end, id] = [pathOf(family), family.inherited ? '/inherited_to_projects' : '', idOf(family)]
  const single = `${list}/{role_id}${end}`
  return [
    defineRoute({
      id: `${id}.list`, method: 'GET', path: list + end, summary: 'List the roles given', policy: 'authenticated',
      reply: { status: 200 }, errors: [404],
      handler: async (api: Managers, ctx, request) => {
        const place = await guarded(api, ctx, family, { verb: 'list', params: request.params })
        return collection(
          { ctx, request, key: 'roles' }, (await api.grants.list(place)).map((role) => roleView(ctx, role)),
        )
      },
    }),
    defineRoute({
      id: `${id}.check`, method: 'GET', path: single, summary: 'Check a role given', policy: 'authenticated',
      reply: { status: 204 }, errors: [404],
      handler: async (api: Managers, ctx, { params }) => {
        const place = await guarded(api, ctx, family, { verb: 'check', params })
        await api.roles.fetch(params.role_id ?? '')
        await api.grants.require(place, params.role_id ?? '')
      },
    }),
    defineRoute({
      id: `${id}.create`, method: 'PUT', path: single, summary: 'Give a role', policy: 'authenticated',
      reply: { status: 204 }, errors: [404],
      handler: async (api: Managers, ctx, { params }) =>
        await api.grants.give(await guarded(api, ctx, family, { verb: 'create', params }), params.role_id ?? ''),
    }),
    defineRoute({
      id: `${id}.delete`, method: 'DELETE', path: single, summary: 'Take a role away', policy: 'authenticated',
      reply: { status: 204 }, errors: [404],
      handler: async (api: Managers, ctx, { params }) =>
        await api.grants.take(await guarded(api, ctx, family, { verb: 'revoke', params }), params.role_id ?? ''),
    }),
  ]
}

const families: Family[] = (['user', 'group'] as const).flatMap((actorType) => [
  ...(['project', 'domain', 'system'] as const).map((targetType): Family => ({
    actorType, targetType, inherited: false,
  })),
  ...(['project', 'domain'] as const).map((targetType): Family => ({ actorType, targetType, inherited: true })),
])

export const grantRoutes: Route[] = families.flatMap(routesOf)
