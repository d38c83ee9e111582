/** The list of role assignments: as given, or as they work out for each user on each project. */
import type { Executor } from '#platform/db/database.ts'
import { assignments, groups, memberships, projects, roles, users } from '../store/entity-store.ts'
import { ancestorsOf, subtreeOf } from '../store/project-tree.ts'
import type { ActorType, Assignment, Project, TargetType } from '../store/tables.ts'
import { readRoleBook, type RoleBook } from './effective-roles.ts'
import type { Ground } from './ground.ts'

export interface AssignmentQuery {
  userId?: string
  groupId?: string
  roleId?: string
  projectId?: string
  domainId?: string
  system?: boolean
  /** Only inherited ones, or only those that are not. */
  inherited?: boolean
  effective?: boolean
  /** With `projectId`: also those of everything below it. */
  includeSubtree?: boolean
}

/** One line of the list; `via*` say by which group, from which place above and by which role it came. */
export interface AssignmentLine {
  actorType: ActorType
  actorId: string
  targetType: TargetType
  targetId: string
  roleId: string
  inherited: boolean
  viaGroupId?: string
  viaTarget?: { type: TargetType; id: string }
  viaRoleId?: string
}

const lineOf = (row: Assignment): AssignmentLine => ({
  actorType: row.actor_type, actorId: row.actor_id, targetType: row.target_type, targetId: row.target_id,
  roleId: row.role_id, inherited: row.inherited,
})

export class RoleAssignments {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async list(query: AssignmentQuery): Promise<AssignmentLine[]> {
    return query.effective ? await this.#effective(query) : await this.#asGiven(query)
  }

  /** Projects the user has a role on now. */
  async projectsOf(userId: string): Promise<Project[]> {
    const lines = await this.#expanded({ userId, effective: true })
    const ids = new Set(lines.filter((line) => line.targetType === 'project').map((line) => line.targetId))
    return (await projects.list(this.#db, { id: [...ids] })).filter((project) => !project.is_domain)
  }

  async domainsOf(userId: string): Promise<Project[]> {
    const lines = await this.#expanded({ userId, effective: true })
    const ids = new Set(lines.filter((line) => line.targetType === 'domain').map((line) => line.targetId))
    return await projects.list(this.#db, { id: [...ids], domain_id: '' })
  }

  async #asGiven(query: AssignmentQuery): Promise<AssignmentLine[]> {
    const targets = await this.#targetIds(query)
    const rows = await assignments.list(this.#db, {
      actor_id: query.userId ?? query.groupId, role_id: query.roleId, target_id: targets,
      target_type: targetTypeOf(query), inherited: query.inherited,
    })
    return rows.map(lineOf)
  }

  async #targetIds(query: AssignmentQuery): Promise<string[] | undefined> {
    if (query.projectId === undefined) return query.domainId === undefined ? undefined : [query.domainId]
    const below = query.includeSubtree ? await subtreeOf(this.#db, query.projectId) : []
    return [query.projectId, ...below.map((project) => project.id)]
  }

  async #effective(query: AssignmentQuery): Promise<AssignmentLine[]> {
    const expanded = await this.#expanded(query)
    const lines = withImplied(expanded, await readRoleBook(this.#db))
    const wanted = await this.#targetIds(query)
    const type = targetTypeOf(query)
    return lines.filter((line) =>
      (!query.userId || line.actorId === query.userId)
      && (!query.roleId || line.roleId === query.roleId)
      && (!wanted || wanted.includes(line.targetId))
      && (!type || line.targetType === type)
      && (query.inherited === undefined || query.inherited === (line.viaTarget !== undefined)))
  }

  /** Groups become their members and inheritance the projects below; implied roles are still to come. */
  async #expanded(query: AssignmentQuery): Promise<AssignmentLine[]> {
    const { groupsByUser, membersByGroup } = await this.#memberships(query.userId)
    const actors = query.userId === undefined ? undefined : [query.userId, ...groupsByUser.get(query.userId) ?? []]
    const rows = await assignments.list(this.#db, { actor_id: actors, target_id: await this.#sources(query) })
    const byActor = rows.map(lineOf).flatMap((line) => perUser(line, membersByGroup, query.userId))
    const lines: AssignmentLine[] = []
    for (const line of byActor) lines.push(...await this.#perTarget(line))
    return lines
  }

  async #memberships(userId: string | undefined) {
    const rows = await memberships.list(this.#db, { user_id: userId })
    return indexed(rows)
  }

  /** Where an assignment that reaches the asked place can be. */
  async #sources(query: AssignmentQuery): Promise<string[] | undefined> {
    const targets = await this.#targetIds(query)
    if (targets === undefined || query.projectId === undefined) return targets
    return [...targets, ...(await ancestorsOf(this.#db, query.projectId)).map((project) => project.id)]
  }

  async #perTarget(line: AssignmentLine): Promise<AssignmentLine[]> {
    if (!line.inherited) return [line]
    const below = await subtreeOf(this.#db, line.targetId)
    return below.map((project): AssignmentLine => ({
      ...line, targetType: 'project', targetId: project.id, viaTarget: { type: line.targetType, id: line.targetId },
    }))
  }
}

const indexed = (rows: { user_id: string; group_id: string }[]) => ({
  groupsByUser: new Map([...Map.groupBy(rows, (row) => row.user_id)].map(([user, found]) => [
    user, found.map((row) => row.group_id),
  ])),
  membersByGroup: new Map([...Map.groupBy(rows, (row) => row.group_id)].map(([group, found]) => [
    group, found.map((row) => row.user_id),
  ])),
})

const targetTypeOf = (query: AssignmentQuery): TargetType | undefined =>
  query.projectId ? 'project' : query.domainId ? 'domain' : query.system ? 'system' : undefined

const perUser = (line: AssignmentLine, members: Map<string, string[]>, only: string | undefined): AssignmentLine[] => {
  if (line.actorType === 'user') return [line]
  return (members.get(line.actorId) ?? [])
    .filter((userId) => only === undefined || userId === only)
    .map((userId) => ({ ...line, actorType: 'user', actorId: userId, viaGroupId: line.actorId }))
}

const keyOf = (line: AssignmentLine) => `${line.actorId} ${line.targetType} ${line.targetId} ${line.roleId}`

/** Adds what the roles imply, and leaves out domains' own roles and what came twice. */
const withImplied = (lines: AssignmentLine[], book: RoleBook): AssignmentLine[] => {
  const seen = new Map<string, AssignmentLine>()
  const queue = [...lines]
  for (let line = queue.shift(); line; line = queue.shift()) {
    if (seen.has(keyOf(line))) continue
    seen.set(keyOf(line), line)
    for (
      const implied of book.implied.get(line.roleId) ?? []
    ) queue.push({ ...line, roleId: implied, viaRoleId: line.roleId })
  }
  return [...seen.values()].filter((line) => book.byId.get(line.roleId)?.domain_id === '')
}

export interface Names {
  users: Map<string, { name: string; domain_id: string }>
  groups: Map<string, { name: string; domain_id: string }>
  roles: Map<string, { name: string; domain_id: string }>
  projects: Map<string, Project>
}

const byId = <T extends { id: string }>(things: T[]): Map<string, T> => new Map(things.map(
  (thing) => [thing.id, thing]
))

/** What `include_names` shows of the lines. */
export const namesOf = async (db: Executor, lines: AssignmentLine[]): Promise<Names> => {
  const actors = [...new Set(lines.map((line) => line.actorId))]
  const named = {
    users: byId(await users.list(db, { id: actors })), groups: byId(await groups.list(db, { id: actors })),
  }
  const places = byId(await projects.list(db, { id: [...new Set(lines.map((line) => line.targetId))] }))
  const roleNames = byId(await roles.list(db, { id: [...new Set(lines.map((line) => line.roleId))] }))
  const domainIds = [
    ...named.users.values(), ...named.groups.values(), ...places.values(), ...roleNames.values(),
  ].map((one) => one.domain_id)
  const domains = byId(await projects.list(db, { id: [...new Set(domainIds)] }))
  return { ...named, roles: roleNames, projects: new Map([...domains, ...places]) }
}
