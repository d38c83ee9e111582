/** Issues, validates and revokes tokens. Validation of a token seen before touches no disk. */
import type { TokenData } from '#platform/auth/context.ts'
import { revocations } from '../store/entity-store.ts'
import type { KeyRepository } from '../store/key-repository.ts'
import type { Ground } from './ground.ts'
import { notAuthenticated } from './refusals.ts'
import { decryptToken, encryptToken, newAuditId, type TokenPayload, type TokenScope } from './token-format.ts'
import { TokenGrants, type TokenGrant } from './token-grants.ts'

export interface IssueOrder {
  userId: string
  methods: string[]
  scope: TokenScope
  /** The token it was made from: its end and its chain go on. */
  parent?: TokenGrant
  expiresMax?: number | null
}

export interface IssuedToken { token: string; grant: TokenGrant }

/** Keys that no living token needs may go: those of one life plus the grace of `allow_expired`, and two to spare. */
const keysNeeded = (lifeMs: number, rotationMs: number): number => Math.ceil(lifeMs / Math.max(rotationMs, 1)) + 3

const keysFreshMs = 5_000

export class Tokens {
  readonly #ground: Ground
  readonly #keys: KeyRepository
  readonly grants: TokenGrants

  constructor(ground: Ground, keys: KeyRepository) {
    this.#ground = ground
    this.#keys = keys
    this.grants = new TokenGrants(ground)
  }

  /** Loads keys and the marks of revoked tokens. */
  async start(): Promise<void> {
    await this.#keys.load()
    await this.catchUp()
  }

  /** Throws `unauthorized` when the user may not have such a token. */
  async issue(order: IssueOrder): Promise<IssuedToken> {
    const payload = this.#payloadOf(order)
    const grant = await this.grants.lookUp(payload)
    if (!grant) throw notAuthenticated()
    // A token of the very millisecond of a revocation would be refused with those before it.
    const issuedAt = this.#ground.memory.earliest(grant.marks, payload.issuedAt)
    const fresh = { ...payload, issuedAt }
    const token = encryptToken(fresh, this.#keys.primary)
    return { token, grant: { ...grant, data: { ...grant.data, issuedAt } } }
  }

  validate(token: string): TokenData | undefined | Promise<TokenData | undefined> {
    const known = this.#ground.memory.recall(token, this.#ground.clock.now())
    return known ? known.data : this.inspect(token).then((grant) => grant?.data)
  }

  /** Everything about a token, or nothing when it is not valid; `graceMs` accepts one that ended lately. */
  async inspect(token: string, graceMs = 0): Promise<TokenGrant | undefined> {
    const now = this.#ground.clock.now()
    const known = this.#ground.memory.recall(token, now)
    if (known) return known
    const { generation } = this.#ground.memory
    const payload = await this.#decrypt(token)
    if (!payload || payload.expiresAt + graceMs <= now) return undefined
    const grant = await this.grants.lookUp(payload)
    if (!grant || this.#ground.memory.isRevoked(grant.marks, payload.issuedAt)) return undefined
    this.#ground.memory.remember(token, grant, { until: now + this.#ground.settings.cacheMs, generation })
    return grant
  }

  /** A key that another process has rotated in is looked for, however often strange tokens come, now and then only. */
  async #decrypt(token: string): Promise<TokenPayload | undefined> {
    const payload = decryptToken(token, this.#keys.all)
    if (payload || !(await this.#keys.refresh(keysFreshMs))) return payload
    return decryptToken(token, this.#keys.all)
  }

  /** This token only: others of its chain stay. */
  async revokeNow(grant: TokenGrant): Promise<void> {
    await this.#ground.db.transaction((tx) => this.#ground.news.revoke(tx, `audit:${grant.data.auditIds[0]}`))
  }

  /** Content of a token for the user on the project now, for work that outlives a request. */
  async actAs(userId: string, projectId: string): Promise<TokenData | undefined> {
    const payload = this.#payloadOf({ userId, methods: ['external'], scope: { kind: 'project', id: projectId } })
    return (await this.grants.lookUp(payload))?.data
  }

  /** Reads the marks that other processes have set, should the bus have lost one. */
  async catchUp(): Promise<void> {
    const { memory, db, clock } = this.#ground
    memory.renew()
    memory.forgetMarks(clock.now())
    for (const { mark, issued_before: issuedBefore, expires_at: expiresAt } of await revocations.list(db)) {
      if (!memory.knowsMark(mark, issuedBefore)) memory.addMark({ mark, issuedBefore, expiresAt })
    }
    await this.#keys.load()
  }

  isRotationDue(): boolean {
    return this.#ground.clock.now() - this.#keys.primarySince() >= this.#ground.settings.keyRotationMs
  }

  async rotateKeys(): Promise<void> {
    const { tokenLifetimeMs, expiredWindowMs, keyRotationMs } = this.#ground.settings
    await this.#keys.rotate(keysNeeded(tokenLifetimeMs + expiredWindowMs, keyRotationMs))
  }

  #payloadOf({ userId, methods, scope, parent, expiresMax }: IssueOrder): TokenPayload {
    const now = this.#ground.clock.now()
    const ends = [
      now + this.#ground.settings.tokenLifetimeMs, parent?.data.expiresAt ?? Infinity, expiresMax ?? Infinity,
    ]
    const chain = parent?.data.auditIds.at(-1)
    return {
      userId, scope, methods: [...new Set(methods)], issuedAt: now, expiresAt: Math.min(...ends),
      auditIds: [newAuditId(), ...(chain ? [chain] : [])],
    }
  }

}

/** The marks under which everything of a user on a project ends, for those who set them. */
export const markOf = (kind: 'user' | 'project' | 'domain' | 'trust', id: string): string => `${kind}:${id}`
