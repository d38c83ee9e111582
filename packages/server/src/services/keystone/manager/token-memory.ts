/** What this process remembers of tokens: answers of validation, and the marks that refuse tokens before their end. */
import { hash } from 'node:crypto'
import type { TokenGrant } from './token-grants.ts'

/** What has changed; tokens that it may concern are looked at anew. */
export interface Change { users?: string[]; projects?: string[]; everything?: boolean; catalog?: boolean }

export interface Mark { mark: string; issuedBefore: number; expiresAt: number }

/** Marks a token answers to. */
export const marksOf = (grant: {
  userId: string
  projectId?: string
  domainId?: string
  auditIds: string[]
  trustId?: string
}): string[] => [
  `user:${grant.userId}`,
  ...(grant.projectId ? [`project:${grant.projectId}`] : []),
  ...(grant.domainId ? [`domain:${grant.domainId}`] : []),
  ...(grant.trustId ? [`trust:${grant.trustId}`] : []),
  `audit:${grant.auditIds[0]}`,
  `chain:${grant.auditIds.at(-1)}`,
]

interface Entry { grant: TokenGrant; until: number }

export class TokenMemory {
  readonly #entriesMax: number
  readonly #entries = new Map<string, Entry>()
  readonly #marks = new Map<string, Mark>()
  #generation = 0

  constructor(entriesMax: number) { this.#entriesMax = entriesMax }

  /** Changes with every change: what was looked up in one generation must not be remembered in another. */
  get generation(): number { return this.#generation }
  get size(): number { return this.#entries.size }

  recall(token: string, now: number): TokenGrant | undefined {
    const key = keyOf(token)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    if (entry.until <= now) return undefined
    this.#entries.set(key, entry)
    return entry.grant
  }

  remember(token: string, grant: TokenGrant, options: { until: number; generation: number }): void {
    if (options.generation !== this.#generation) return
    this.#entries.set(keyOf(token), { grant, until: Math.min(options.until, grant.data.expiresAt) })
    if (this.#entries.size > this.#entriesMax) this.#entries.delete(this.#entries.keys().next().value!)
  }

  apply(change: Change): void {
    this.#generation += 1
    if (change.everything) { this.#entries.clear(); return }
    const users = new Set(change.users)
    const projects = new Set(change.projects)
    for (const [key, { grant }] of this.#entries) {
      if (grant.userIds.some((id) => users.has(id)) || projects.has(
        grant.data.project?.id ?? ''
      )) this.#entries.delete(key)
    }
  }

  addMark(mark: Mark): void {
    this.#generation += 1
    const before = this.#marks.get(mark.mark)
    if (!before || before.issuedBefore < mark.issuedBefore) this.#marks.set(mark.mark, mark)
    for (const [key, { grant }] of this.#entries) {
      if (grant.data.issuedAt <= mark.issuedBefore && grant.marks.includes(mark.mark)) this.#entries.delete(key)
    }
  }

  knowsMark(mark: string, issuedBefore: number): boolean {
    return (this.#marks.get(mark)?.issuedBefore ?? -1) >= issuedBefore
  }

  isRevoked(marks: readonly string[], issuedAt: number): boolean {
    return marks.some((mark) => issuedAt <= (this.#marks.get(mark)?.issuedBefore ?? -1))
  }

  /** The earliest moment at which a token of these marks may be issued and live. */
  earliest(marks: readonly string[], now: number): number {
    return marks.reduce((at, mark) => Math.max(at, (this.#marks.get(mark)?.issuedBefore ?? -1) + 1), now)
  }

  /** As if anything had changed, for what is remembered by generation: in case the bus has lost a change. */
  renew(): void { this.#generation += 1 }

  forgetMarks(now: number): void {
    for (const [key, { expiresAt }] of this.#marks) if (expiresAt <= now) this.#marks.delete(key)
  }
}

/** Not the token itself: a memory dump must not hold what opens the cloud. */
const keyOf = (token: string): string => hash('sha256', token, 'base64url')
