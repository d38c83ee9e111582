/** Roles, global and of a domain, and which role implies which. */
import { forbidden, notFound } from '#platform/errors/errors.ts'
import type { Executor } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { assignments, impliedRoles, projects, roles } from '../store/entity-store.ts'
import type { Extra, Role } from '../store/tables.ts'
import { closureOf, readRoleBook } from './effective-roles.ts'
import type { Ground } from './ground.ts'
import { found, invalid, mergedOptions, refuseImmutableDelete, refuseImmutableUpdate, unlessTaken } from './refusals.ts'

export interface RoleChanges {
  name?: string
  domain_id?: string | null
  description?: string | null
  options?: Extra
  extra?: Extra
}

export interface Inference { prior: Role; implies: Role[] }

/** Nothing may imply it: it would make administrators of people who were given something smaller. */
const neverImplied = new Set(['admin'])

const nameConflict = (name: string) => `Duplicate entry found with name ${name}`

export class Roles {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string, db: Executor = this.#db): Promise<Role> { return found(
    await roles.fetch(db, id), 'role', id,
  ) }
  find(id: string): Promise<Role | undefined> { return roles.fetch(this.#db, id) }
  list(match: { domain_id: string; name?: string }): Promise<Role[]> { return roles.list(this.#db, match) }
  byIds(ids: readonly string[]): Promise<Role[]> { return roles.list(this.#db, { id: ids }) }

  async create(wanted: RoleChanges & { name: string }, id = hexId()): Promise<Role> {
    const role: Role = {
      id, name: wanted.name.trim(), domain_id: wanted.domain_id ?? '', description: wanted.description ?? null,
      options: mergedOptions({}, wanted.options), extra: wanted.extra ?? {},
    }
    await unlessTaken('role', nameConflict(role.name), () => this.#db.transaction(async (tx) => {
      if (role.domain_id !== '' && !(await projects.fetch(tx, role.domain_id))?.is_domain) {
        throw invalid(`Could not find domain: ${role.domain_id}.`, 'domain_id')
      }
      await roles.insert(tx, role)
    }))
    return role
  }

  async update(id: string, changes: RoleChanges): Promise<Role> {
    return await unlessTaken('role', nameConflict(changes.name ?? ''), () => this.#db.transaction(async (tx) => {
      const before = await this.fetch(id, tx)
      refuseImmutableUpdate(before, changes, 'role')
      if (changes.domain_id !== undefined && (changes.domain_id ?? '') !== before.domain_id) {
        throw invalid(
          'Update of `domain_id` is not allowed.', 'domain_id',
        )
      }
      const after: Role = {
        ...before, name: changes.name?.trim() ?? before.name,
        description: changes.description === undefined ? before.description : changes.description,
        options: mergedOptions(before.options, changes.options), extra: { ...before.extra, ...changes.extra },
      }
      await roles.update(tx, id, after)
      this.#ground.news.changed(tx, { everything: true })
      return after
    }))
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const role = await this.fetch(id, tx)
      refuseImmutableDelete(role, 'role')
      await assignments.removeWhere(tx, { role_id: id })
      await impliedRoles.removeWhere(tx, { prior_role_id: id })
      await impliedRoles.removeWhere(tx, { implied_role_id: id })
      await roles.remove(tx, id)
      this.#ground.news.changed(tx, { everything: true })
    })
  }

  /** Every role that implies others. */
  async inferences(): Promise<Inference[]> {
    const book = await readRoleBook(this.#db)
    return [...book.implied].flatMap(([priorId, ids]) => {
      const prior = book.byId.get(priorId)
      return prior ? [{ prior, implies: ids.flatMap((id) => book.byId.get(id) ?? []) }] : []
    })
  }

  async implied(priorId: string): Promise<Inference> {
    const prior = await this.fetch(priorId)
    const rules = await impliedRoles.list(this.#db, { prior_role_id: priorId })
    return { prior, implies: await this.byIds(rules.map((rule) => rule.implied_role_id)) }
  }

  async requireImplied(priorId: string, impliedId: string): Promise<{ prior: Role; implied: Role }> {
    const [prior, implied] = [await this.fetch(priorId), await this.fetch(impliedId)]
    if (!await impliedRoles.find(this.#db, { prior_role_id: priorId, implied_role_id: impliedId })) {
      throw notFound(`${priorId} does not imply ${impliedId}.`)
    }
    return { prior, implied }
  }

  async imply(priorId: string, impliedId: string): Promise<{ prior: Role; implied: Role }> {
    const id = hexId()
    return await this.#db.transaction(async (tx) => {
      const [prior, implied] = [await this.fetch(priorId, tx), await this.fetch(impliedId, tx)]
      if (prior.domain_id === '' && implied.domain_id !== '') {
        throw forbidden(
          `${impliedId} cannot be an implied roles: a global role cannot imply a domain's own.`
        )
      }
      if (neverImplied.has(implied.name)) throw forbidden(`${impliedId} cannot be an implied roles.`)
      if (closureOf([impliedId], await readRoleBook(tx)).has(priorId)) {
        throw invalid(`Role ${prior.name} cannot imply ${implied.name}: that would go in a circle.`)
      }
      if (!await impliedRoles.find(tx, { prior_role_id: priorId, implied_role_id: impliedId })) {
        await impliedRoles.insert(tx, { id, prior_role_id: priorId, implied_role_id: impliedId })
        this.#ground.news.changed(tx, { everything: true })
      }
      return { prior, implied }
    })
  }

  async unimply(priorId: string, impliedId: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetch(priorId, tx)
      await this.fetch(impliedId, tx)
      const gone = await impliedRoles.removeWhere(tx, { prior_role_id: priorId, implied_role_id: impliedId })
      if (gone === 0) throw notFound(`${priorId} does not imply ${impliedId}.`)
      this.#ground.news.changed(tx, { everything: true })
    })
  }
}
