/** The list of role assignments, with upstream's filters and links. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Managers } from '../manager/managers.ts'
import { namesOf, type AssignmentLine, type AssignmentQuery, type Names } from '../manager/role-assignments.ts'
import { domainOfCaller } from './callers.ts'
import { asks, collection, one, type Query, type View } from './views.ts'

const queryOf = (query: Query): AssignmentQuery => {
  const inheritedTo = one(query['scope.OS-INHERIT:inherited_to'])
  return {
    userId: one(query['user.id']), groupId: one(query['group.id']), roleId: one(query['role.id']),
    projectId: one(query['scope.project.id']), domainId: one(query['scope.domain.id']), system: 'scope.system' in query,
    inherited: inheritedTo === undefined ? undefined : inheritedTo === 'projects',
    effective: asks(query, 'effective'), includeSubtree: asks(query, 'include_subtree'),
  }
}

/** Each names two filters that no assignment can fit both. */
const refuseContradiction = (query: AssignmentQuery): void => {
  const refuse = (holds: unknown, message: string) => { if (holds) throw badRequest(message) }
  refuse(query.domainId && query.projectId, 'Specify a domain or project, not both')
  refuse(query.domainId && query.system, 'Specify system or domain, not both')
  refuse(query.projectId && query.system, 'Specify system or project, not both')
  refuse(query.userId && query.groupId, 'Specify a user or group, not both')
  refuse(query.effective && query.groupId, 'Combining effective and group filter will always result in an empty list.')
  refuse(
    query.effective && query.inherited && query.domainId,
    'Combining effective, domain and inherited filters will always result in an empty list.',
  )
  refuse(
    query.includeSubtree && !query.projectId, 'scope.project.id must be specified if include_subtree is also specified',
  )
}

const named = (thing: { name: string; domain_id: string } | undefined, names: Names): View => {
  if (!thing) return {}
  const domain = names.projects.get(thing.domain_id)
  return { name: thing.name, ...(domain && { domain: { id: domain.id, name: domain.name } }) }
}

const scopeView = (line: AssignmentLine, names: Names | undefined): View => {
  const inherited = line.inherited || line.viaTarget ? { 'OS-INHERIT:inherited_to': 'projects' } : {}
  if (line.targetType === 'system') return { system: { all: true } }
  return {
    [line.targetType]: { id: line.targetId, ...(names && named(names.projects.get(line.targetId), names)) },
    ...inherited,
  }
}

/** The grant behind the line: its path is what would take it away. */
const assignmentPath = (line: AssignmentLine): string => {
  const target = line.viaTarget ?? { type: line.targetType, id: line.targetId }
  const place = target.type === 'system' ? '/system' : `/${target.type}s/${target.id}`
  const actor = line.viaGroupId ? `/groups/${line.viaGroupId}` : `/${line.actorType}s/${line.actorId}`
  const path = `${place}${actor}/roles/${line.viaRoleId ?? line.roleId}`
  return line.inherited ? `/OS-INHERIT${path}/inherited_to_projects` : path
}

const linksView = (ctx: RequestContext, line: AssignmentLine): View => ({
  assignment: `${ctx.baseUrl}${assignmentPath(line)}`,
  ...(line.viaGroupId && { membership: `${ctx.baseUrl}/groups/${line.viaGroupId}/users/${line.actorId}` }),
  ...(line.viaRoleId && { prior_role: `${ctx.baseUrl}/prior_role/${line.viaRoleId}/implies/${line.roleId}` }),
})

const lineView = (ctx: RequestContext, line: AssignmentLine, names: Names | undefined): View => {
  const actors = line.actorType === 'user' ? names?.users : names?.groups
  return {
    [line.actorType]: { id: line.actorId, ...(names && named(actors?.get(line.actorId), names)) },
    role: { id: line.roleId, ...(names && named(names.roles.get(line.roleId), names)) },
    scope: scopeView(line, names), links: linksView(ctx, line),
  }
}

/** A domain-scoped token sees the assignments of its domain. */
const visibleTo = async (
  api: Managers, domainId: string | undefined, lines: AssignmentLine[],
): Promise<AssignmentLine[]> => {
  if (domainId === undefined) return lines
  const inside = new Set((await api.projects.list({ domain_id: domainId })).map((project) => project.id))
  return lines.filter((line) => line.targetId === domainId || inside.has(line.targetId))
}

const guard = async (api: Managers, ctx: RequestContext, query: AssignmentQuery): Promise<void> => {
  if (!query.includeSubtree) return ctx.enforce(
    'identity:list_role_assignments', { target: { domain_id: domainOfCaller(ctx) } },
  )
  const project = query.projectId ? await api.projects.find(query.projectId) : undefined
  ctx.enforce('identity:list_role_assignments_for_tree', project ? { target: { domain_id: project.domain_id } } : {})
}

export const roleAssignmentRoutes = [
  defineRoute({
    id: 'roleAssignments.list', method: 'GET', path: '/role_assignments', summary: 'List role assignments',
    policy: 'authenticated', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const query = queryOf(request.query)
      await guard(api, ctx, query)
      refuseContradiction(query)
      const lines = await visibleTo(api, domainOfCaller(ctx), await api.roleAssignments.list(query))
      const names = asks(request.query, 'include_names') ? await namesOf(api.ground.db, lines) : undefined
      return collection({ ctx, request, key: 'role_assignments' }, lines.map((line) => lineView(ctx, line, names)))
    },
  }),
]
