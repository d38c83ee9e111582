/** Application credentials: a user's roles on one project under a secret of their own, some for few requests only. */
import { forbidden } from '#platform/errors/errors.ts'
import { hexId, secret as newSecret } from '#platform/ids/ids.ts'
import type { Tx } from '#platform/db/database.ts'
import { accessRules, applicationCredentials, roles } from '../store/entity-store.ts'
import type { ApplicationCredential, Role, StoredAccessRule } from '../store/tables.ts'
import { closureOf, readRoleBook } from './effective-roles.ts'
import type { Ground } from './ground.ts'
import type { Passwords } from './passwords.ts'
import { found, invalid, taken } from './refusals.ts'

export interface WantedRule { id?: string; service?: string; method?: string; path?: string }

export interface WantedApplicationCredential {
  name: string
  description?: string | null
  secret?: string
  expires?: { at: number; text: string }
  roles?: { id?: string; name?: string }[]
  unrestricted?: boolean
  accessRules?: WantedRule[]
  userId: string
  projectId: string
  /** What the caller's token carries: nothing beyond it can be handed on. */
  callerRoleIds: string[]
}

export interface ApplicationCredentialView extends ApplicationCredential {
  roles: Role[]
  access_rules: StoredAccessRule[] | undefined
  secret?: string
}

export class ApplicationCredentials {
  readonly #ground: Ground
  readonly #passwords: Passwords
  constructor(ground: Ground, passwords: Passwords) {
    this.#ground = ground
    this.#passwords = passwords
  }

  get #db() { return this.#ground.db }

  find(id: string): Promise<ApplicationCredential | undefined> { return applicationCredentials.fetch(this.#db, id) }

  async fetch(id: string): Promise<ApplicationCredentialView> {
    return await this.#viewed(found(await applicationCredentials.fetch(this.#db, id), 'application credential', id))
  }

  async list(match: { user_id: string; name?: string }): Promise<ApplicationCredentialView[]> {
    const rows = await applicationCredentials.list(this.#db, match)
    return await Promise.all(rows.map((row) => this.#viewed(row)))
  }

  /** The secret is in the answer this once. */
  async create(wanted: WantedApplicationCredential): Promise<ApplicationCredentialView> {
    if (wanted.expires && wanted.expires.at <= this.#ground.clock.now()) {
      throw invalid(
        "The 'expires_at' must not be before now. The server could not comply with the request since it is"
          + " either malformed or otherwise incorrect. The client is assumed to be in error.",
        'expires_at',
      )
    }
    const secret = wanted.secret ?? newSecret(64)
    const row: ApplicationCredential = {
      id: hexId(), user_id: wanted.userId, project_id: wanted.projectId, name: wanted.name,
      description: wanted.description ?? null,
      secret_hash: await this.#passwords.hash(secret), unrestricted: wanted.unrestricted ?? false,
      expires_at: wanted.expires?.at ?? null,
      expires_text: wanted.expires?.text ?? null,
      role_ids: await this.#roleIds(wanted), access_rule_ids: null,
    }
    await this.#db.transaction(async (tx) => {
      if (await applicationCredentials.find(tx, { user_id: row.user_id, name: row.name })) {
        throw taken('application_credential', `Duplicate entry found with name ${row.name}`)
      }
      row.access_rule_ids = wanted.accessRules ? await this.#ensureRules(tx, row.user_id, wanted.accessRules) : null
      await applicationCredentials.insert(tx, row)
    })
    return { ...await this.#viewed(row), secret }
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const row = found(await applicationCredentials.fetch(tx, id), 'application credential', id)
      await applicationCredentials.remove(tx, id)
      this.#ground.news.changed(tx, { users: [row.user_id] })
    })
  }

  listRules(match: { user_id: string; service?: string; method?: string; path?: string }): Promise<StoredAccessRule[]> {
    return accessRules.list(this.#db, match)
  }

  async fetchRule(userId: string, id: string): Promise<StoredAccessRule> {
    return found(await accessRules.find(this.#db, { id, user_id: userId }), 'access rule', id)
  }

  /** Refused while an application credential uses it. */
  async removeRule(userId: string, id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      found(await accessRules.find(tx, { id, user_id: userId }), 'access rule', id)
      const all = await applicationCredentials.list(tx, { user_id: userId })
      const user = all.find((row) => row.access_rule_ids?.includes(id))
      if (user) throw forbidden(`Access rule ${id} cannot be deleted: application credential ${user.name} uses it.`)
      await accessRules.remove(tx, id)
    })
  }

  async #roleIds(wanted: WantedApplicationCredential): Promise<string[]> {
    if (!wanted.roles?.length) return wanted.callerRoleIds
    const held = closureOf(wanted.callerRoleIds, await readRoleBook(this.#db))
    const ids: string[] = []
    for (const asked of wanted.roles) {
      const role = asked.id !== undefined ? await roles.fetch(this.#db, asked.id) : await roles.find(this.#db, {
        domain_id: '', name: asked.name
      })
      if (!role) throw found(undefined, 'role', asked.id ?? asked.name ?? '')
      if (!held.has(role.id)) {
        throw invalid(
          'Invalid application credential: Cannot create an application credential with unassigned role', 'roles',
        )
      }
      ids.push(role.id)
    }
    return ids
  }

  /** The same rule of the same user is one row, whoever asks for it again. */
  async #ensureRules(tx: Tx, userId: string, wanted: WantedRule[]): Promise<string[]> {
    const ids: string[] = []
    for (const rule of wanted) ids.push(await ensureRule(tx, userId, rule))
    return [...new Set(ids)]
  }

  async #viewed(row: ApplicationCredential): Promise<ApplicationCredentialView> {
    const rules = row.access_rule_ids === null ? undefined : await accessRules.list(
      this.#db, { id: row.access_rule_ids },
    )
    return { ...row, roles: await roles.list(this.#db, { id: row.role_ids }), access_rules: rules }
  }
}

const ensureRule = async (tx: Tx, userId: string, rule: WantedRule): Promise<string> => {
  if (rule.id !== undefined && rule.service === undefined) {
    return found(await accessRules.find(tx, { id: rule.id, user_id: userId }), 'access rule', rule.id).id
  }
  const { service, method, path } = rule
  if (service === undefined || method === undefined || path === undefined) {
    throw invalid('An access rule needs either an id, or service, method and path.', 'access_rules')
  }
  const known = await accessRules.find(tx, { user_id: userId, service, method, path })
  if (known) return known.id
  const id = rule.id ?? hexId()
  await accessRules.insert(tx, { id, user_id: userId, service, method, path })
  return id
}
