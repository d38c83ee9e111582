/** Looks up what a token's ids mean now: names, roles, catalog scope; nothing when any of it no longer holds. */
import type { AccessRule, NamedRef, TokenData } from '#platform/auth/context.ts'
import type { Executor } from '#platform/db/database.ts'
import { accessRules, applicationCredentials, passwords, projects, trusts, users } from '../store/entity-store.ts'
import type { ApplicationCredential, Project, Trust, User } from '../store/tables.ts'
import {
  assignedOnDomain, assignedOnProject, assignedOnSystem, closureOf, readRoleBook, tokenRoles, type RoleBook,
} from './effective-roles.ts'
import type { Ground } from './ground.ts'
import { Remembered } from './remembered.ts'
import type { TokenPayload } from './token-format.ts'
import { marksOf } from './token-memory.ts'

/** A valid token's content, with what only Keystone's own answers show. */
export interface TokenGrant {
  data: TokenData
  /** Everyone whose change may end it. */
  userIds: string[]
  marks: string[]
  projectIsDomain: boolean
  passwordExpiresAt: number | null
  trust?: Trust
  applicationCredential?: { id: string; name: string; restricted: boolean; accessRules: AccessRule[] | undefined }
}

interface Place {
  project?: Project
  domain?: Project
  system?: true
  roleIds?: string[]
  trust?: Trust
  credential?: ApplicationCredential
}

const refOf = ({ id, name }: NamedRef): NamedRef => ({ id, name })

export class TokenGrants {
  readonly #ground: Ground
  readonly #books: Remembered<RoleBook>
  readonly #grants: Remembered<TokenGrant>

  constructor(ground: Ground) {
    this.#ground = ground
    this.#books = new Remembered(ground.memory)
    this.#grants = new Remembered(ground.memory)
  }

  /** Undefined: someone or something of the token is gone, disabled, or has no role there any more. */
  async lookUp(payload: TokenPayload): Promise<TokenGrant | undefined> {
    const { scope, userId } = payload
    // Delegations end by time and by count, which no change tells.
    if (scope.kind === 'trust' || scope.kind === 'applicationCredential') return await this.#assess(payload)
    const key = `${userId} ${scope.kind} ${'id' in scope ? scope.id : ''}`
    const known = await this.#grants.get(key, () => this.#assess(payload))
    return known && grantFor(payload, known)
  }

  async #assess(payload: TokenPayload): Promise<TokenGrant | undefined> {
    const { db } = this.#ground
    const place = await this.#placeOf(payload, db)
    if (!place) return undefined
    const user = await this.#activeUser(db, actorOf(payload, place.trust))
    if (!user) return undefined
    const roles = await this.#rolesAt(db, user.user, place)
    const isScoped = payload.scope.kind !== 'unscoped'
    if (isScoped && roles.length === 0) return undefined
    return await this.#grantOf({ payload, place, ...user, roles }, db)
  }

  async #activeUser(db: Executor, id: string): Promise<{ user: User; domain: Project } | undefined> {
    const user = await users.fetch(db, id)
    const domain = user?.enabled ? await projects.fetch(db, user.domain_id) : undefined
    return user && domain?.enabled ? { user, domain } : undefined
  }

  async #activeProject(db: Executor, id: string | null): Promise<{ project: Project; domain: Project } | undefined> {
    const project = id === null ? undefined : await projects.fetch(db, id)
    if (!project?.enabled) return undefined
    const domain = project.is_domain ? project : await projects.fetch(db, project.domain_id)
    return domain?.enabled ? { project, domain } : undefined
  }

  #placeOf(payload: TokenPayload, db: Executor): Promise<Place | undefined> | Place | undefined {
    const { scope } = payload
    switch (scope.kind) {
      case 'unscoped': return {}
      case 'system': return { system: true }
      case 'project': return this.#activeProject(db, scope.id)
      case 'domain': return this.#domainPlace(db, scope.id)
      case 'trust': return this.#trustPlace(db, scope.id)
      case 'applicationCredential': return this.#credentialPlace(db, scope.id)
    }
  }

  async #domainPlace(db: Executor, id: string): Promise<Place | undefined> {
    const domain = await projects.fetch(db, id)
    return domain?.is_domain && domain.enabled ? { domain } : undefined
  }

  async #trustPlace(db: Executor, id: string): Promise<Place | undefined> {
    const trust = await trusts.fetch(db, id)
    if (!trust || trust.deleted_at !== null || isPast(trust.expires_at, this.#ground.clock.now())) return undefined
    const trustor = await this.#activeUser(db, trust.trustor_user_id)
    const trustee = await this.#activeUser(db, trust.trustee_user_id)
    const place = await this.#activeProject(db, trust.project_id)
    return trustor && trustee && place && { ...place, trust, roleIds: trust.role_ids }
  }

  async #credentialPlace(db: Executor, id: string): Promise<Place | undefined> {
    const credential = await applicationCredentials.fetch(db, id)
    if (!credential || isPast(credential.expires_at, this.#ground.clock.now())) return undefined
    const place = await this.#activeProject(db, credential.project_id)
    return place && { ...place, credential, roleIds: credential.role_ids }
  }

  async #rolesAt(db: Executor, user: User, place: Place): Promise<NamedRef[]> {
    const book = (await this.#books.get('all', () => readRoleBook(db)))!
    if (place.system) return tokenRoles(await assignedOnSystem(db, user.id), book).map(refOf)
    if (!place.project && !place.domain) return []
    if (!place.project) return tokenRoles(await assignedOnDomain(db, user.id, place.domain!.id), book).map(refOf)
    const grantor = place.trust?.trustor_user_id ?? user.id
    const assigned = closureOf(await assignedOnProject(db, grantor, place.project), book)
    if (!place.roleIds) return tokenRoles(assigned, book).map(refOf)
    // Delegated roles hold as long as whoever delegated them has every one of them.
    const delegated = place.roleIds.every((id) => assigned.has(id)) ? place.roleIds : []
    return tokenRoles(delegated, book).map(refOf)
  }

  async #grantOf(
    { payload, place, user, domain, roles }: {
      payload: TokenPayload
      place: Place
      user: User
      domain: Project
      roles: NamedRef[]
    },
    db: Executor,
  ): Promise<TokenGrant> {
    const { trust, credential, project } = place
    const rules = credential && await accessRulesOf(db, credential)
    const data: TokenData = {
      methods: payload.methods, auditIds: payload.auditIds, issuedAt: payload.issuedAt, expiresAt: payload.expiresAt,
      user: { id: user.id, name: user.name, domain: refOf(domain) }, roles,
      ...(project && { project: { id: project.id, name: project.name, domain: refOf(place.domain!) } }),
      ...(!project && place.domain && { domain: refOf(place.domain) }),
      ...(place.system && { system: true }),
      ...(trust && { trust: {
        id: trust.id, trustorId: trust.trustor_user_id, trusteeId: trust.trustee_user_id,
        impersonation: trust.impersonation,
      } }),
      ...(credential && { applicationCredential: {
        id: credential.id, restricted: !credential.unrestricted, ...(rules && { accessRules: rules }),
      } }),
    }
    return {
      data, trust, projectIsDomain: project?.is_domain ?? false,
      userIds: trust ? [trust.trustor_user_id, trust.trustee_user_id] : [user.id],
      marks: markNames(payload, data, trust),
      passwordExpiresAt: await passwordEnd(db, user.id),
      ...(credential && { applicationCredential: {
        id: credential.id, name: credential.name, restricted: !credential.unrestricted, accessRules: rules,
      } }),
    }
  }
}

/** What was found for one token, for another of the same user and scope. */
const grantFor = (payload: TokenPayload, grant: TokenGrant): TokenGrant => {
  const { methods, auditIds, issuedAt, expiresAt } = payload
  const data = { ...grant.data, methods, auditIds, issuedAt, expiresAt }
  return { ...grant, data, marks: markNames(payload, data, grant.trust) }
}

const isPast = (end: number | null, now: number): boolean => end !== null && end <= now

/** With impersonation a trust's token speaks as the trustor. */
const actorOf = (payload: TokenPayload, trust: Trust | undefined): string =>
  trust ? (trust.impersonation ? trust.trustor_user_id : trust.trustee_user_id) : payload.userId

const markNames = (payload: TokenPayload, data: TokenData, trust: Trust | undefined): string[] => [
  ...marksOf({
    userId: data.user.id, projectId: data.project?.id, domainId: data.domain?.id, auditIds: payload.auditIds,
    trustId: trust?.id,
  }),
  ...(trust ? [`user:${trust.trustor_user_id}`, `user:${trust.trustee_user_id}`] : []),
]

const passwordEnd = async (db: Executor, userId: string): Promise<number | null> =>
  (await passwords.list(db, { user_id: userId }, 'created_at')).at(-1)?.expires_at ?? null

const accessRulesOf = async (db: Executor, credential: ApplicationCredential): Promise<AccessRule[] | undefined> => {
  if (credential.access_rule_ids === null) return undefined
  const rules = await accessRules.list(db, { id: credential.access_rule_ids })
  return rules.map(({ id, service, method, path }) => ({ id, service, method, path }))
}
