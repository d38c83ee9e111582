/** Trusts: one user lets another act with some of the first one's roles on a project. */
import { forbidden, notFound } from '#platform/errors/errors.ts'
import { hexId } from '#platform/ids/ids.ts'
import type { Tx } from '#platform/db/database.ts'
import { projects, roles, trusts, users } from '../store/entity-store.ts'
import type { Extra, Role, Trust } from '../store/tables.ts'
import { assignedOnProject, closureOf, readRoleBook } from './effective-roles.ts'
import type { Ground } from './ground.ts'
import { found, invalid } from './refusals.ts'
import { markOf } from './tokens.ts'

export interface WantedTrust {
  trustor_user_id: string
  trustee_user_id: string
  project_id?: string | null
  impersonation: boolean
  expiresAt?: number | null
  remaining_uses?: number | null
  roles?: { id?: string; name?: string }[]
  allow_redelegation?: boolean
  redelegation_count?: number | null
  extra?: Extra
  /** The trust by which the caller acts, if any. */
  parentTrustId?: string
}

const redelegationsMax = 3

export class Trusts {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  /** One without uses left is gone for everybody. */
  async fetch(id: string): Promise<Trust> {
    const trust = await trusts.fetch(this.#db, id)
    return found(
      trust && trust.deleted_at === null && trust.remaining_uses !== 0 && !this.#isOver(trust) ? trust : undefined,
      'trust', id,
    )
  }

  rolesOf(trust: Trust): Promise<Role[]> { return roles.list(this.#db, { id: trust.role_ids }) }

  async list(match: { trustor_user_id?: string; trustee_user_id?: string } = {}): Promise<Trust[]> {
    return (await trusts.list(this.#db, { ...match, deleted_at: null })).filter((trust) => !this.#isOver(trust))
  }

  async create(wanted: WantedTrust): Promise<Trust> {
    if (wanted.project_id && !wanted.roles?.length) {
      throw forbidden(
        'You are not authorized to perform the requested action: At least one role should be specified.'
      )
    }
    if (typeof wanted.expiresAt === 'number' && wanted.expiresAt <= this.#ground.clock.now()) {
      throw invalid("The 'expires_at' must not be before now.", 'expires_at')
    }
    const id = hexId()
    return await this.#db.transaction(async (tx) => {
      const parent = wanted.parentTrustId === undefined ? undefined : await this.#redelegable(tx, wanted)
      found(await users.fetch(tx, wanted.trustee_user_id), 'user', wanted.trustee_user_id)
      const trust: Trust = { ...trustOf(wanted, parent), id, role_ids: await roleIdsOf(tx, wanted.roles ?? []) }
      await this.#refuseRolesOfOthers(tx, trust)
      refuseContradiction(trust)
      if (parent) refuseBeyond(trust, parent)
      await trusts.insert(tx, trust)
      return trust
    })
  }

  /** Those made from it end with it. */
  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const trust = await trusts.fetch(tx, id)
      found(trust?.deleted_at === null ? trust : undefined, 'trust', id)
      const all = [id]
      for (let at = 0; at < all.length; at++) {
        all.push(...(await trusts.list(tx, { redelegated_trust_id: all[at]!, deleted_at: null })).map((one) => one.id))
      }
      for (const one of all) {
        await trusts.update(tx, one, { deleted_at: this.#ground.clock.now() })
        await this.#ground.news.revoke(tx, markOf('trust', one))
      }
    })
  }

  requireRole(trust: Trust, roleId: string): void {
    if (!trust.role_ids.includes(roleId)) throw notFound(`Could not find role: ${roleId}.`)
  }

  #isOver(trust: Trust): boolean { return trust.expires_at !== null && trust.expires_at <= this.#ground.clock.now() }

  async #redelegable(tx: Tx, { parentTrustId }: WantedTrust): Promise<Trust> {
    const parent = found(await trusts.fetch(tx, parentTrustId!), 'trust', parentTrustId!)
    if (!parent.allow_redelegation || parent.redelegation_count <= 0) {
      throw forbidden(
        `Remaining redelegation depth of ${parent.redelegation_count} out of allowed range of [0..${redelegationsMax}]`
      )
    }
    return parent
  }

  async #refuseRolesOfOthers(tx: Tx, trust: Trust): Promise<void> {
    if (trust.project_id === null) return
    const project = found(await projects.fetch(tx, trust.project_id), 'project', trust.project_id)
    const held = closureOf(await assignedOnProject(tx, trust.trustor_user_id, project), await readRoleBook(tx))
    const foreign = trust.role_ids.find((id) => !held.has(id))
    if (foreign !== undefined) throw found(undefined, 'role', foreign)
  }
}

/** Roles are looked up apart. A trust made from another speaks for the same trustor, and not for longer. */
const trustOf = (wanted: WantedTrust, parent: Trust | undefined): Omit<Trust, 'id' | 'role_ids'> => ({
  trustor_user_id: parent?.trustor_user_id ?? wanted.trustor_user_id,
  trustee_user_id: wanted.trustee_user_id,
  project_id: wanted.project_id ?? null,
  impersonation: wanted.impersonation,
  expires_at: wanted.expiresAt ?? parent?.expires_at ?? null,
  remaining_uses: wanted.remaining_uses ?? null,
  ...redelegationOf(wanted, parent),
  redelegated_trust_id: parent?.id ?? null,
  deleted_at: null,
  extra: wanted.extra ?? {},
})

const redelegationOf = (
  wanted: WantedTrust, parent: Trust | undefined,
): Pick<Trust, 'allow_redelegation' | 'redelegation_count'> => {
  if (!wanted.allow_redelegation) return { allow_redelegation: false, redelegation_count: 0 }
  const most = parent ? parent.redelegation_count - 1 : redelegationsMax
  const count = wanted.redelegation_count ?? most
  if (count > most) throw forbidden(`Requested redelegation depth of ${count} is greater than allowed ${most}`)
  return { allow_redelegation: count > 0, redelegation_count: count }
}

/** Whoever may hand a trust on must not be counted, as the counts could not be kept. */
const refuseContradiction = (trust: Trust): void => {
  if (trust.remaining_uses === null) return
  if (trust.remaining_uses <= 0) throw invalid('remaining_uses must be a positive integer or null.', 'remaining_uses')
  if (trust.allow_redelegation) {
    throw invalid(
      'remaining_uses must not be set if redelegation is allowed', 'remaining_uses',
    )
  }
}

const refuseBeyond = (trust: Trust, parent: Trust): void => {
  if (trust.project_id !== parent.project_id) {
    throw forbidden(
      'You are not authorized to perform the requested action: redelegate to another project.'
    )
  }
  if (trust.role_ids.some((id) => !parent.role_ids.includes(id))) {
    throw forbidden(
      'Some of requested roles are not in redelegated trust'
    )
  }
  if (trust.impersonation && !parent.impersonation) {
    throw forbidden(
      'Impersonation is not allowed because redelegated trust does not specify impersonation.'
    )
  }
  if (parent.expires_at !== null && (trust.expires_at === null || trust.expires_at > parent.expires_at)) {
    throw forbidden('Requested expiration time is more than redelegated trust can provide')
  }
}

const roleIdsOf = async (tx: Tx, wanted: { id?: string; name?: string }[]): Promise<string[]> => {
  const ids: string[] = []
  for (const { id, name } of wanted) {
    const role = id !== undefined ? await roles.fetch(tx, id) : await roles.find(tx, { domain_id: '', name })
    ids.push(found(role, 'role', id ?? name ?? '').id)
  }
  return [...new Set(ids)]
}
