/** Roles given to a user or a group on a project, a domain or the system: the assignments themselves. */
import { badRequest, forbidden, notFound } from '#platform/errors/errors.ts'
import type { Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import {
  applicationCredentials, assignments, groups, memberships, projects, roles, users,
} from '../store/entity-store.ts'
import type { ActorType, ApplicationCredential, Project, Role, TargetType } from '../store/tables.ts'
import { assignedOnProject, closureOf, readRoleBook } from './effective-roles.ts'
import type { Ground } from './ground.ts'
import { found } from './refusals.ts'

/** Who has it, and where; `inherited`: on everything below instead of there. */
export interface GrantPlace {
  actorType: ActorType
  actorId: string
  targetType: TargetType
  /** `all` for the system. */
  targetId: string
  inherited: boolean
}

const matchOf = (place: GrantPlace) => ({
  actor_type: place.actorType, actor_id: place.actorId, target_type: place.targetType, target_id: place.targetId,
  inherited: place.inherited,
})

export class Grants {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async list(place: GrantPlace): Promise<Role[]> {
    await this.#requireEnds(place)
    const given = await assignments.list(this.#db, matchOf(place))
    return await roles.list(this.#db, { id: given.map((one) => one.role_id) })
  }

  async require(place: GrantPlace, roleId: string): Promise<void> {
    if (await assignments.find(this.#db, { ...matchOf(place), role_id: roleId })) return
    throw notFound(
      `Could not find role assignment with role: ${roleId}, user or group: ${place.actorId}, project, domain, or`
        + ` system: ${place.targetId}.`
    )
  }

  /** Giving it again changes nothing. */
  async give(place: GrantPlace, roleId: string): Promise<void> {
    const id = hexId()
    await this.#requireEnds(place)
    await this.#db.transaction(async (tx) => {
      const role = found(await roles.fetch(tx, roleId), 'role', roleId)
      await refuseForeignRole(tx, place, role)
      if (await assignments.find(tx, { ...matchOf(place), role_id: roleId })) return
      await assignments.insert(tx, { id, ...matchOf(place), role_id: roleId })
      await this.#tell(tx, place)
    })
  }

  async take(place: GrantPlace, roleId: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const gone = await assignments.removeWhere(tx, { ...matchOf(place), role_id: roleId })
      if (gone === 0) {
        throw notFound(
          `Could not find role assignment with role: ${roleId}, user or group: ${place.actorId}, project, domain,`
            + ` or system: ${place.targetId}.`
        )
      }
      await this.#endCredentials(tx, place)
      await this.#tell(tx, place)
    })
  }

  async #tell(tx: Tx, place: GrantPlace): Promise<void> {
    this.#ground.news.changed(tx, { users: await affectedUsers(tx, place) })
  }

  /** An application credential ends with the last of the roles it was made from. */
  async #endCredentials(tx: Tx, place: GrantPlace): Promise<void> {
    const book = await readRoleBook(tx)
    for (const userId of await affectedUsers(tx, place)) {
      for (const credential of await applicationCredentials.list(tx, { user_id: userId })) {
        const project = await projects.fetch(tx, credential.project_id)
        const assigned = project ? closureOf(await assignedOnProject(tx, userId, project), book) : new Set<string>()
        if (!holdsAll(credential, assigned)) await applicationCredentials.remove(tx, credential.id)
      }
    }
  }

  async #requireEnds({ actorType, actorId, targetType, targetId }: GrantPlace): Promise<void> {
    const actor = actorType === 'user' ? await users.fetch(this.#db, actorId) : await groups.fetch(this.#db, actorId)
    found(actor, actorType, actorId)
    if (targetType === 'system') return
    const target = await projects.fetch(this.#db, targetId)
    found(targetType === 'domain' && !target?.is_domain ? undefined : target, targetType, targetId)
  }
}

const holdsAll = (credential: ApplicationCredential, assigned: Set<string>): boolean => credential.role_ids.every(
  (id) => assigned.has(id)
)

const affectedUsers = async (tx: Tx, place: GrantPlace): Promise<string[]> =>
  place.actorType === 'user' ? [place.actorId] : (await memberships.list(
    tx, { group_id: place.actorId },
  )).map((one) => one.user_id)

/** A domain's own role is given only on projects of that domain. */
const refuseForeignRole = async (tx: Tx, place: GrantPlace, role: Role): Promise<void> => {
  if (role.domain_id === '') return
  if (place.targetType === 'system') {
    throw badRequest(
      `Role ${role.id} is a domain-specific role. Unable to use a domain-specific role in a system assignment.`
    )
  }
  if (place.targetType === 'domain') {
    if (place.targetId === role.domain_id) return
    throw forbidden(`Domain ${place.targetId} must be the domain of the role ${role.id} being assigned.`)
  }
  const project: Project | undefined = await projects.fetch(tx, place.targetId)
  if (project?.domain_id === role.domain_id) return
  throw forbidden(`Project ${place.targetId} must be in the same domain as the role ${role.id} being assigned.`)
}

