/** Who asks: the token's content and the request's identity, as every room of a service sees it. */

export interface NamedRef { id: string; name: string }
export interface DomainScoped extends NamedRef { domain: NamedRef }

/** The content of a valid token. Times are milliseconds since the epoch. */
export interface TokenData {
  methods: string[]
  auditIds: string[]
  issuedAt: number
  expiresAt: number
  user: DomainScoped
  project?: DomainScoped
  domain?: NamedRef
  system?: boolean
  roles: NamedRef[]
  trust?: { id: string; trustorId: string; trusteeId: string; impersonation: boolean }
  applicationCredential?: { id: string; restricted: boolean; accessRules?: AccessRule[] }
}

/** What an application credential may call. `path` may hold `*`, `**` and `{name}`. `service` is a catalog type. */
export interface AccessRule { id?: string; service: string; method: string; path: string }

/** Answers from memory when warm: no disk is touched. Undefined: not a valid token now. */
export interface TokenValidator {
  validate(token: string): TokenData | undefined | Promise<TokenData | undefined>
}

export type PolicyTarget = Record<string, unknown>

/** What handlers and managers receive. `version` is for api rooms only: managers never see it. */
export interface RequestContext {
  readonly requestId: string
  readonly globalRequestId?: string
  readonly remoteAddress: string
  readonly token: TokenData
  readonly userId: string
  /** The token's project; empty for domain, system and unscoped tokens. */
  readonly projectId: string
  readonly roles: readonly string[]
  /** The service's `context_is_admin` rule (or `admin_required`) holds. */
  readonly isAdmin: boolean
  readonly version: string
  /** `http://host:port/compute/v2.1`: the asked service's versioned root as the client sees it, no trailing slash. */
  readonly baseUrl: string
  /** `http://host:port`: the public root as the client sees it. */
  readonly hostUrl: string
  /** The policy rule holds for the target (default: the caller's own project and user). */
  can(rule: string, target?: PolicyTarget): boolean
  /** Throws `forbidden` naming the rule when it does not hold. */
  enforce(rule: string, target?: PolicyTarget): void
}
