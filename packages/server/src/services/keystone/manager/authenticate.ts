/** Proves who asks for a token, by each of the methods, and for what scope; a "no" never tells which part was wrong. */
import { timingSafeEqual } from 'node:crypto'
import { applicationCredentials, credentials, trusts, users } from '../store/entity-store.ts'
import type { ApplicationCredential, Project, Trust, User } from '../store/tables.ts'
import { assignedOnProject } from './effective-roles.ts'
import type { Ground } from './ground.ts'
import { invalid, notAuthenticated } from './refusals.ts'
import type { Passwords } from './passwords.ts'
import type { Seal } from './seal.ts'
import type { TokenScope } from './token-format.ts'
import type { TokenGrant } from './token-grants.ts'
import type { IssuedToken, Tokens } from './tokens.ts'
import { passcodesAt } from './totp.ts'
import type { UserPasswords } from './user-passwords.ts'
import { forbidden, notFound } from '#platform/errors/errors.ts'

export interface Ref { id?: string; name?: string; domain?: { id?: string; name?: string } }

export interface AuthRequest {
  identity: {
    methods: string[]
    password?: { user: Ref & { password: string } }
    token?: { id: string }
    totp?: { user: Ref & { passcode: string } }
    application_credential?: { id?: string; name?: string; secret: string; user?: Ref }
  }
  scope?: 'unscoped' | {
    project?: Ref
    domain?: Ref
    system?: { all?: boolean }
    'OS-TRUST:trust'?: { id: string }
    unscoped?: object
  }
}

/** What one method has proved. */
interface Proof { userId: string; user?: User; parent?: TokenGrant; credential?: ApplicationCredential }

interface Parts { ground: Ground; tokens: Tokens; passwords: Passwords; userPasswords: UserPasswords; seal: Seal }

export class Authenticator {
  readonly #parts: Parts
  constructor(parts: Parts) { this.#parts = parts }

  get #db() { return this.#parts.ground.db }
  get #places() { return this.#parts.ground.places }

  async authenticate(request: AuthRequest): Promise<IssuedToken> {
    const methods = [...new Set(request.identity.methods)]
    const proofs: Proof[] = []
    for (const method of methods) proofs.push(await this.#prove(method, request))
    const proof = combined(proofs)
    const all = [...methods, ...(proof.parent?.data.methods ?? [])]
    await this.#requireEnoughMethods(proof, all)
    const { scope, trust } = await this.#scopeOf(request, proof)
    const order = {
      userId: proof.userId, methods: all, scope, parent: proof.parent,
      expiresMax: trust?.expires_at ?? proof.credential?.expires_at,
    }
    const issued = await this.#parts.tokens.issue(order)
    if (trust) await this.#consumeUse(trust)
    return issued
  }

  #prove(method: string, { identity }: AuthRequest): Promise<Proof> {
    if (method === 'password') return this.#byPassword(required(identity.password, 'password'))
    if (method === 'token') return this.#byToken(required(identity.token, 'token'))
    if (method === 'totp') return this.#byPasscode(required(identity.totp, 'totp'))
    if (method === 'application_credential') return this.#byApplicationCredential(required(
      identity.application_credential, method,
    ))
    throw notAuthenticated()
  }

  async #byPassword({ user: given }: { user: Ref & { password: string } }): Promise<Proof> {
    const user = await this.#userOf(given)
    await this.#parts.userPasswords.check(user, given.password)
    return { userId: user!.id, user }
  }

  async #byToken({ id }: { id: string }): Promise<Proof> {
    const grant = await this.#parts.tokens.inspect(id)
    if (!grant) throw notFound('Could not find token.')
    if (grant.trust) {
      throw forbidden(
        'You are not authorized to perform the requested action: rescope a trust-scoped token.'
      )
    }
    const userId = grant.data.user.id
    if (!grant.applicationCredential) return { userId, parent: grant }
    const credential = await applicationCredentials.fetch(this.#db, grant.applicationCredential.id)
    if (!credential) throw notAuthenticated()
    return { userId, parent: grant, credential }
  }

  async #byPasscode({ user: given }: { user: Ref & { passcode: string } }): Promise<Proof> {
    const user = await this.#userOf(given)
    if (!user) throw notAuthenticated()
    const secrets = await credentials.list(this.#db, { user_id: user.id, type: 'totp' })
    const passcode = Buffer.from(given.passcode)
    const fits = secrets
      .flatMap(({ blob }) => passcodesAt(this.#parts.seal.open(blob), this.#parts.ground.clock.now()))
      .filter((code) => passcode.length === code.length && timingSafeEqual(Buffer.from(code), passcode))
    if (fits.length === 0) throw notAuthenticated()
    return { userId: user.id }
  }

  async #byApplicationCredential(given: { id?: string; name?: string; secret: string; user?: Ref }): Promise<Proof> {
    const credential = await this.#credentialOf(given)
    const fits = await this.#parts.passwords.verify(given.secret, credential?.secret_hash)
    if (!fits || !credential) throw notAuthenticated()
    return { userId: credential.user_id, credential }
  }

  async #credentialOf(given: { id?: string; name?: string; user?: Ref }): Promise<ApplicationCredential | undefined> {
    if (given.id) return await applicationCredentials.fetch(this.#db, given.id)
    if (!given.name) throw invalid('Expecting to find name or ID in application credential.', 'application_credential')
    if (!given.user) throw invalid('Expecting to find user in application credential.', 'user')
    const user = await this.#userOf(given.user)
    return user && await applicationCredentials.find(this.#db, { user_id: user.id, name: given.name })
  }

  async #userOf(given: Ref): Promise<User | undefined> {
    if (given.id) return await users.fetch(this.#db, given.id)
    if (!given.name || !given.domain) throw invalid('Expecting to find domain in user.', 'domain')
    const domain = await this.#domainOf(given.domain)
    return domain && await users.find(this.#db, { domain_id: domain.id, name: given.name })
  }

  async #domainOf(given: { id?: string; name?: string }): Promise<Project | undefined> {
    const domain = given.name !== undefined
      ? await this.#places.find('', given.name)
      : await this.#places.fetch(given.id ?? '')
    return domain?.is_domain ? domain : undefined
  }

  async #projectOf(given: Ref): Promise<Project | undefined> {
    if (given.name === undefined) return await this.#places.fetch(given.id ?? '')
    if (!given.domain) throw invalid('Expecting to find domain in project.', 'domain')
    const domain = await this.#domainOf(given.domain)
    return domain && await this.#places.find(domain.id, given.name)
  }

  async #scopeOf(request: AuthRequest, proof: Proof): Promise<{ scope: TokenScope; trust?: Trust }> {
    if (proof.credential) return { scope: this.#credentialScope(request, proof) }
    const { scope } = request
    if (scope === undefined) return { scope: await this.#defaultScope(proof.userId) }
    refuseAmbiguous(scope)
    if (scope === 'unscoped' || scope.unscoped) return { scope: { kind: 'unscoped' } }
    if (scope.system) return { scope: { kind: 'system' } }
    if (scope.project) return { scope: { kind: 'project', id: idOf(await this.#projectOf(scope.project)) } }
    if (scope.domain) return { scope: { kind: 'domain', id: idOf(await this.#domainOf(scope.domain)) } }
    const trust = await this.#usableTrust(scope['OS-TRUST:trust']!.id, proof)
    return { scope: { kind: 'trust', id: trust.id }, trust }
  }

  /** An application credential is its own scope, and its tokens never leave it. */
  #credentialScope({ scope, identity }: AuthRequest, { credential }: Proof): TokenScope {
    const asksNothing = scope === undefined
    const asksTheSame = typeof scope === 'object'
      && scope.project?.id === credential!.project_id && identity.methods.includes('token')
    if (!asksNothing && !asksTheSame) throw notAuthenticated()
    return { kind: 'applicationCredential', id: credential!.id }
  }

  async #defaultScope(userId: string): Promise<TokenScope> {
    const user = await users.fetch(this.#db, userId)
    const project = user?.default_project_id ? await this.#places.fetch(user.default_project_id) : undefined
    const domain = project && await this.#places.fetch(project.domain_id)
    if (!project?.enabled || !domain?.enabled) return { kind: 'unscoped' }
    const roles = await assignedOnProject(this.#db, userId, project)
    return roles.length > 0 ? { kind: 'project', id: project.id } : { kind: 'unscoped' }
  }

  async #usableTrust(id: string, proof: Proof): Promise<Trust> {
    const trust = await trusts.fetch(this.#db, id)
    if (!trust || trust.deleted_at !== null || trust.remaining_uses === 0) throw notAuthenticated()
    if (trust.trustee_user_id !== proof.userId || proof.parent?.trust) {
      throw forbidden('You are not authorized to perform the requested action.')
    }
    return trust
  }

  /** Counts in the database, so that two at once cannot both have the last use. */
  async #consumeUse(trust: Trust): Promise<void> {
    if (trust.remaining_uses === null) return
    await this.#parts.ground.db.transaction(async (tx) => {
      const now = await trusts.fetch(tx, trust.id)
      if (!now || now.deleted_at !== null || !now.remaining_uses) throw notAuthenticated()
      await trusts.update(tx, trust.id, { remaining_uses: now.remaining_uses - 1 })
    })
  }

  /** A user with rules for several factors needs the methods of one whole rule. */
  async #requireEnoughMethods(proof: Proof, methods: string[]): Promise<void> {
    const user = proof.user ?? await users.fetch(this.#db, proof.userId)
    const rules = user?.options.multi_factor_auth_enabled === true ? user.options.multi_factor_auth_rules : undefined
    if (!Array.isArray(rules) || rules.length === 0) return
    if (!rules.some((rule: string[]) => rule.every((method) => methods.includes(method)))) throw notAuthenticated()
  }
}

const required = <T>(data: T | undefined, method: string): T => {
  if (data === undefined) throw invalid(`Expecting to find ${method} in identity.`, method)
  return data
}

const scopeNames = ['system', 'project', 'domain', 'OS-TRUST:trust', 'unscoped'] as const

const refuseAmbiguous = (scope: NonNullable<AuthRequest['scope']>): void => {
  if (scope === 'unscoped' || scopeNames.filter((name) => scope[name] !== undefined).length === 1) return
  throw invalid(
    'Expecting to find system, project, domain, OS-TRUST:trust or unscoped in scope: exactly one of them.', 'scope',
  )
}

const idOf = (thing: { id: string } | undefined): string => {
  if (!thing) throw notAuthenticated()
  return thing.id
}

/** All methods must have proved the same user. */
const combined = (proofs: Proof[]): Proof => {
  const [first, ...others] = proofs
  if (!first || others.some((proof) => proof.userId !== first.userId)) throw notAuthenticated()
  return proofs.reduce((all, proof) => ({ ...all, ...proof }), first)
}
