/** Builds what a handler knows of its caller. */
import { forbidden } from '#platform/errors/errors.ts'
import type { Enforcer } from '#platform/auth/enforcer.ts'
import type { PolicyTarget, RequestContext, TokenData } from '#platform/auth/context.ts'
import { deniedMessage } from './faults.ts'
import type { FaultStyle } from '#platform/api-kit/service.ts'

export interface ContextParts {
  requestId: string
  globalRequestId?: string
  remoteAddress: string
  token: TokenData
  version: string
  baseUrl: string
  hostUrl: string
  policy: Enforcer
  adminRule: string
  faults: FaultStyle
}

const nobody: TokenData = {
  methods: [],
  auditIds: [],
  issuedAt: 0,
  expiresAt: 0,
  roles: [],
  user: { id: '', name: '', domain: { id: '', name: '' } },
}

class DoorContext implements RequestContext {
  readonly #parts: ContextParts
  readonly userId: string
  readonly projectId: string
  readonly roles: readonly string[]
  #isAdmin: boolean | undefined
  constructor(parts: ContextParts) {
    this.#parts = parts
    this.userId = parts.token.user.id
    this.projectId = parts.token.project?.id ?? ''
    this.roles = parts.token.roles.map((role) => role.name)
  }
  get requestId() {
    return this.#parts.requestId
  }
  get globalRequestId() {
    return this.#parts.globalRequestId
  }
  get remoteAddress() {
    return this.#parts.remoteAddress
  }
  get token() {
    return this.#parts.token
  }
  get version() {
    return this.#parts.version
  }
  get baseUrl() {
    return this.#parts.baseUrl
  }
  get hostUrl() {
    return this.#parts.hostUrl
  }
  get isAdmin() {
    return (this.#isAdmin ??= this.can(this.#parts.adminRule))
  }

  can(rule: string, target?: PolicyTarget): boolean {
    return this.#parts.policy.check(rule, target ?? this.#ownTarget(), this.#parts.token)
  }

  enforce(rule: string, target?: PolicyTarget): void {
    if (this.can(rule, target)) return
    throw forbidden(deniedMessage(this.#parts.faults, rule), { rule })
  }

  #ownTarget(): PolicyTarget {
    const { token } = this.#parts
    return {
      project_id: this.projectId,
      tenant_id: this.projectId,
      user_id: this.userId,
      domain_id: token.domain?.id,
    }
  }
}

export const makeContext = (parts: ContextParts): RequestContext => new DoorContext(parts)
export const openContext = (parts: Omit<ContextParts, 'token'>): RequestContext =>
  new DoorContext({ ...parts, token: nobody })
