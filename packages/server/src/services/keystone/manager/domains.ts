/** Domains: the roots of the project tree, and the owners of users, groups and their own roles. */
import { forbidden } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { assignments, groups, impliedRoles, projects, roles, users } from '../store/entity-store.ts'
import type { Extra, Project } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid, mergedOptions, refuseImmutableDelete, refuseImmutableUpdate, unlessTaken } from './refusals.ts'
import { markOf } from './tokens.ts'
import { removeTracesOfDomain, removeTracesOfGroup, removeTracesOfProject, removeTracesOfUser } from './traces.ts'

export interface DomainChanges {
  name?: string
  enabled?: boolean
  description?: string | null
  tags?: string[]
  options?: Extra
  extra?: Extra
}

const nameConflict = (name: string) =>
  `it is not permitted to have two projects acting as domains with the same name: ${name}`

export class Domains {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string, db: Executor = this.#db): Promise<Project> {
    const domain = await projects.fetch(db, id)
    return found(domain?.is_domain ? domain : undefined, 'domain', id)
  }

  async find(id: string): Promise<Project | undefined> {
    const domain = await projects.fetch(this.#db, id)
    return domain?.is_domain ? domain : undefined
  }

  list(match: { enabled?: boolean; name?: string; id?: string[] } = {}): Promise<Project[]> {
    return projects.list(this.#db, { ...match, domain_id: '' })
  }

  async create(wanted: DomainChanges & { name: string }, id = hexId()): Promise<Project> {
    const domain: Project = {
      id, name: wanted.name.trim(), domain_id: '', parent_id: '', is_domain: true, enabled: wanted.enabled ?? true,
      description: wanted.description ?? '', tags: wanted.tags ?? [], options: mergedOptions({}, wanted.options),
      extra: wanted.extra ?? {},
    }
    if (domain.name.toLowerCase() === 'federated') throw invalid(`Domain cannot be named ${domain.name}`, 'name')
    await unlessTaken(
      'project', nameConflict(domain.name), () => this.#db.transaction((tx) => projects.insert(tx, domain)),
    )
    return domain
  }

  async update(id: string, changes: DomainChanges): Promise<Project> {
    return await unlessTaken('project', nameConflict(changes.name ?? ''), () => this.#db.transaction(async (tx) => {
      const before = await this.fetch(id, tx)
      refuseImmutableUpdate(before, changes, 'domain')
      const after: Project = {
        ...before,
        name: changes.name?.trim() ?? before.name, enabled: changes.enabled ?? before.enabled,
        description: changes.description === undefined ? before.description : changes.description ?? '',
        tags: changes.tags ?? before.tags,
        options: mergedOptions(before.options, changes.options), extra: { ...before.extra, ...changes.extra },
      }
      await projects.update(tx, id, after)
      this.#ground.news.changed(tx, { everything: true })
      if (before.enabled && !after.enabled) await this.#revokeAll(tx, id)
      return after
    }))
  }

  /** Takes everything in it along. It must be disabled first, so that nobody does it by a slip. */
  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const domain = await this.fetch(id, tx)
      refuseImmutableDelete(domain, 'domain')
      if (domain.enabled) throw forbidden('Cannot delete a domain that is enabled, please disable it first.')
      await this.#removeContents(tx, id)
      await removeTracesOfDomain(tx, id)
      await projects.remove(tx, id)
      this.#ground.news.changed(tx, { everything: true })
      this.#ground.news.gone(tx, 'domain', id)
    })
  }

  async #revokeAll(tx: Tx, id: string): Promise<void> {
    await this.#ground.news.revoke(tx, markOf('domain', id))
    for (const project of await projects.list(tx, { domain_id: id })) await this.#ground.news.revoke(
      tx, markOf('project', project.id),
    )
    for (const user of await users.list(tx, { domain_id: id })) await this.#ground.news.revoke(
      tx, markOf('user', user.id),
    )
  }

  async #removeContents(tx: Tx, id: string): Promise<void> {
    for (const group of await groups.list(tx, { domain_id: id })) {
      await removeTracesOfGroup(tx, group.id)
      await groups.remove(tx, group.id)
    }
    for (const user of await users.list(tx, { domain_id: id })) {
      await removeTracesOfUser(tx, user.id)
      await users.remove(tx, user.id)
      this.#ground.news.gone(tx, 'user', user.id)
    }
    for (const project of await projects.list(tx, { domain_id: id })) {
      await removeTracesOfProject(tx, project.id)
      await projects.remove(tx, project.id)
      this.#ground.news.gone(tx, 'project', project.id)
    }
    for (const role of await roles.list(tx, { domain_id: id })) {
      await assignments.removeWhere(tx, { role_id: role.id })
      await impliedRoles.removeWhere(tx, { prior_role_id: role.id })
      await impliedRoles.removeWhere(tx, { implied_role_id: role.id })
      await roles.remove(tx, role.id)
    }
  }
}
