/** Which roles a user really has somewhere: own and group's, direct and inherited, with the roles they imply. */
import type { Executor } from '#platform/db/database.ts'
import { assignments, impliedRoles, memberships, roles } from '../store/entity-store.ts'
import { ancestorsOf } from '../store/project-tree.ts'
import type { Match as MatchOf } from '../store/entity-store.ts'
import type { Assignment, ImpliedRole, Project, Role } from '../store/tables.ts'

type Match = MatchOf<Assignment>

/** All roles and what implies what: small, and needed whole. */
export interface RoleBook { byId: Map<string, Role>; implied: Map<string, string[]> }

export const readRoleBook = async (db: Executor): Promise<RoleBook> => {
  const [all, rules] = [await roles.list(db), await impliedRoles.list(db)]
  return { byId: new Map(all.map((role) => [role.id, role])), implied: impliedByPrior(rules) }
}

const impliedByPrior = (rules: ImpliedRole[]): Map<string, string[]> => {
  const implied = new Map<string, string[]>()
  for (const {
    prior_role_id: prior, implied_role_id: role,
  } of rules) implied.set(prior, [...implied.get(prior) ?? [], role])
  return implied
}

/** The ids with everything they imply, however far; a circle does no harm. */
export const closureOf = (ids: Iterable<string>, book: RoleBook): Set<string> => {
  const closure = new Set<string>()
  const queue = [...ids]
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    if (closure.has(id)) continue
    closure.add(id)
    queue.push(...book.implied.get(id) ?? [])
  }
  return closure
}

/** Roles a token may carry: a domain's own roles only imply others and are left out. */
export const tokenRoles = (ids: Iterable<string>, book: RoleBook): Role[] =>
  [...closureOf(ids, book)].flatMap((id) => book.byId.get(id) ?? []).filter((role) => role.domain_id === '')

export const actorsOf = async (db: Executor, userId: string): Promise<string[]> =>
  [userId, ...(await memberships.list(db, { user_id: userId })).map((one) => one.group_id)]

const idsOf = (found: Assignment[]): string[] => found.map((assignment) => assignment.role_id)

/** Ids of roles assigned on the project itself, or inherited from above; without what they imply. */
export const assignedOnProject = async (db: Executor, userId: string, project: Project): Promise<string[]> => {
  const actors = await actorsOf(db, userId)
  const direct: Match = { actor_id: actors, target_type: 'project', target_id: project.id, inherited: false }
  // A domain that acts as a project has its assignments as a project apart from those as a domain.
  const above = (await ancestorsOf(db, project.id)).map((ancestor) => ancestor.id)
  const inherited: Match = { actor_id: actors, target_id: above, inherited: true }
  return [...idsOf(await assignments.list(db, direct)), ...idsOf(await assignments.list(db, inherited))]
}

export const assignedOnDomain = async (db: Executor, userId: string, domainId: string): Promise<string[]> =>
  idsOf(await assignments.list(db, {
    actor_id: await actorsOf(db, userId), target_type: 'domain', target_id: domainId, inherited: false,
  }))

export const assignedOnSystem = async (db: Executor, userId: string): Promise<string[]> =>
  idsOf(await assignments.list(db, { actor_id: await actorsOf(db, userId), target_type: 'system', inherited: false }))
