/** Claims that end or shrink: what they held is free, and the history says how it came to be. */
import type { Tx } from '#platform/db/database.ts'
import type { Amounts } from '../facade.ts'
import { claimDelete, claimFetch, claimHold, claimShrink } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { claimsBehind } from '../store/owned-claims.ts'
import { privatePart } from '../store/private-part.ts'
import type { StoredProject } from '../store/projects.ts'
import { lineLock } from '../store/tree-locks.ts'
import { less, within } from './amounts-asked.ts'
import { isHold } from './history.ts'
import type { QuotaParts } from './parts.ts'
import { charge } from './path-count.ts'
import type { KnownProjects } from './projects.ts'
import type { Reclaim } from './reclaim.ts'

export type Cause = 'cancelled' | 'expired'

/** What had started is released, whatever ends it. */
const kindsOf = (cause: Cause) => ({ reserved: cause, committed: 'released' }) as const

export class GivingBack {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #beside: { readonly reclaim: Reclaim }

  constructor(parts: QuotaParts, projects: KnownProjects, beside: { readonly reclaim: Reclaim }) {
    this.#parts = parts
    this.#projects = projects
    this.#beside = beside
  }

  /** Gives back all of a claim and serves nobody; its project, if there was one. */
  async drop(tx: Tx, subject: string, cause: Cause = 'cancelled'): Promise<string | undefined> {
    const kinds = isHold(subject) ? undefined : kindsOf(cause)
    const simple = await privatePart(tx).giveBack(tx, subject, { at: this.#parts.clock.now(), kinds })
    if (simple) {
      const { history } = this.#parts
      if (kinds) history.announce(tx, history.rowsOf({ ...simple, subject, kind: kinds[simple.state] }))
      return simple.projectId
    }
    const claim = await claimFetch(tx, subject)
    if (claim) await this.giveBack(tx, claim, claim.amounts, cause)
    return claim?.projectId
  }

  /** So much of all that a row holds, of the claim under its own name first: what it took later is claims behind it. */
  async giveBackOfRow(tx: Tx, subject: string, wanted: Amounts): Promise<void> {
    const first = await claimFetch(tx, subject)
    const left = first ? less(wanted, await this.giveBack(tx, first, wanted)) : wanted
    if (Object.keys(left).length > 0) await this.#giveBackBehind(tx, subject, left)
  }

  async #giveBackBehind(tx: Tx, subject: string, wanted: Amounts): Promise<void> {
    let left = wanted
    for (const claim of await claimsBehind(tx, subject)) {
      if (Object.keys(within(claim.amounts, left)).length > 0) left = less(left, await this.giveBack(tx, claim, left))
    }
  }

  /**
   * So much of a claim as it has of what is wanted, and how much that is. Since it was seen another may have given it
   * back: what waits for rows sees more than one moment.
   */
  async giveBack(tx: Tx, seen: StoredClaim, wanted: Amounts, cause: Cause = 'cancelled'): Promise<Amounts> {
    const project = await this.#projects.ensure(tx, seen.projectId)
    const gatherLock = (): Promise<void> => lineLock(tx, project.rootId, [project.id])
    // What comes back is gathered at another's path.
    if (seen.ticket) await gatherLock()
    const claim = await claimHold(tx, seen.subject)
    if (!claim) return {}
    if (claim.ticket) await gatherLock()
    const amounts = within(claim.amounts, wanted)
    await this.#giveBackHeld(tx, project, claim, { amounts, cause })
    return amounts
  }

  async #giveBackHeld(
    tx: Tx,
    project: StoredProject,
    claim: StoredClaim,
    { amounts, cause }: { amounts: Amounts; cause: Cause },
  ): Promise<void> {
    const { subject, projectId, state, ticket } = claim,
      left = less(claim.amounts, amounts),
      isAll = Object.keys(left).length === 0
    await charge(tx, project, { amounts, apply: (walk) => walk.count(amounts, -1, state === 'reserved') })
    if (isAll) await claimDelete(tx, subject)
    else await claimShrink(tx, subject, left)
    if (ticket) await this.#beside.reclaim.receive(tx, { ...claim, amounts: left }, amounts)
    const told = { kind: kindsOf(cause)[state], projectId, subject, amounts, wasRecalled: Boolean(ticket) }
    await this.#parts.history.tell(tx, told)
  }
}
