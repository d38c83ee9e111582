/** Users: people and services that ask for tokens. */
import type { Executor } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { memberships, projects, users } from '../store/entity-store.ts'
import type { Extra, User } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid, mergedOptions, missing, unlessTaken } from './refusals.ts'
import { markOf } from './tokens.ts'
import { removeTracesOfUser } from './traces.ts'
import type { UserPasswords } from './user-passwords.ts'

export interface UserChanges {
  name?: string
  domain_id?: string
  enabled?: boolean
  default_project_id?: string | null
  password?: string | null
  options?: Extra
  extra?: Extra
}

export interface UserView extends User { password_expires_at: number | null }

const nameConflict = (name: string) => `Duplicate entry found with name ${name}`

export class Users {
  readonly #ground: Ground
  readonly #passwords: UserPasswords
  constructor(ground: Ground, passwords: UserPasswords) {
    this.#ground = ground
    this.#passwords = passwords
  }

  get #db() { return this.#ground.db }

  async fetch(id: string, db: Executor = this.#db): Promise<User> {
    return found(await users.fetch(db, id), 'user', id)
  }

  find(id: string): Promise<User | undefined> { return users.fetch(this.#db, id) }

  /** With when its password ends. */
  async show(id: string): Promise<UserView> { return await this.#viewed(await this.fetch(id)) }

  async list(match: { domain_id?: string; enabled?: boolean; name?: string; id?: string[] } = {}): Promise<UserView[]> {
    const found = await users.list(this.#db, match)
    return await Promise.all(found.map((user) => this.#viewed(user)))
  }

  async inGroup(groupId: string): Promise<UserView[]> {
    return await this.list({ id: (await memberships.list(this.#db, { group_id: groupId })).map((one) => one.user_id) })
  }

  async create(wanted: UserChanges & { name: string; domain_id: string }, id = hexId()): Promise<UserView> {
    const password = wanted.password ?? undefined
    if (password !== undefined) this.#passwords.refuseWeak(password)
    const hash = password === undefined ? undefined : await this.#passwords.hash(password)
    const user: User = {
      id, name: wanted.name.trim(), domain_id: wanted.domain_id, enabled: wanted.enabled ?? true,
      default_project_id: wanted.default_project_id ?? null, options: mergedOptions({}, wanted.options),
      extra: wanted.extra ?? {},
      created_at: this.#ground.clock.now(), failed_count: 0, failed_at: null, last_active_at: null,
    }
    await unlessTaken('user', nameConflict(user.name), () => this.#db.transaction(async (tx) => {
      const domain = await projects.fetch(tx, user.domain_id)
      if (!domain?.is_domain) throw missing('domain', user.domain_id)
      await refuseDomainAsProject(tx, user.default_project_id)
      await users.insert(tx, user)
      if (hash !== undefined) await this.#passwords.set(tx, user, hash, false)
    }))
    return await this.#viewed(user)
  }

  async update(id: string, changes: UserChanges): Promise<UserView> {
    if (typeof changes.password === 'string') this.#passwords.refuseWeak(changes.password)
    const hash = typeof changes.password === 'string' ? await this.#passwords.hash(changes.password) : undefined
    const after = await unlessTaken('user', nameConflict(changes.name ?? ''), () => this.#db.transaction(async (tx) => {
      const before = await this.fetch(id, tx)
      if (changes.domain_id !== undefined && changes.domain_id !== before.domain_id) {
        throw invalid('Cannot change Domain ID', 'domain_id')
      }
      await refuseDomainAsProject(tx, changes.default_project_id ?? null)
      const user = changed(before, changes)
      await users.update(tx, id, user)
      if (hash !== undefined) await this.#passwords.set(tx, user, hash, false)
      if (hash !== undefined || (
        before.enabled && !user.enabled
      )) await this.#ground.news.revoke(tx, markOf('user', id))
      this.#ground.news.changed(tx, { users: [id] })
      return user
    }))
    return await this.#viewed(after)
  }

  /** The user's own change: with the old password instead of a right. */
  async changePassword(id: string, passwords: { original: string; wanted: string }): Promise<void> {
    const user = await this.find(id)
    await this.#passwords.refuseOwnChange(user, passwords.original, passwords.wanted)
    const hash = await this.#passwords.hash(passwords.wanted)
    await this.#db.transaction(async (tx) => {
      await this.#passwords.set(tx, await this.fetch(id, tx), hash, true)
      await this.#ground.news.revoke(tx, markOf('user', id))
      this.#ground.news.changed(tx, { users: [id] })
    })
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetch(id, tx)
      await removeTracesOfUser(tx, id)
      await users.remove(tx, id)
      this.#ground.news.changed(tx, { users: [id] })
      this.#ground.news.gone(tx, 'user', id)
    })
  }

  async #viewed(user: User): Promise<UserView> {
    return { ...user, password_expires_at: (await this.#passwords.current(user.id))?.expires_at ?? null }
  }
}

const changed = (before: User, changes: UserChanges): User => ({
  ...before,
  name: changes.name?.trim() ?? before.name,
  enabled: changes.enabled ?? before.enabled,
  default_project_id: changes.default_project_id === undefined ? before.default_project_id : changes.default_project_id,
  options: mergedOptions(before.options, changes.options),
  extra: { ...before.extra, ...changes.extra },
})

/** A project that does not exist (yet) is accepted, as clients expect. */
const refuseDomainAsProject = async (db: Executor, id: string | null): Promise<void> => {
  const project = id === null ? undefined : await projects.fetch(db, id)
  if (project?.is_domain) throw invalid(`User's default project ID cannot be a domain ID: ${id}`, 'default_project_id')
}
