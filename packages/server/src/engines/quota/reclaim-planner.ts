/** Decides whom a claim may take back from, and on which terms; does nothing of it. */
import type { Claim, ClaimBook } from './claims.ts'
import { isOwnOnly } from './reclaim-memory.ts'
import type { ReclaimMemory } from './reclaim-memory.ts'
import { isWithinOwn } from './rights.ts'
import type { Claimant } from './rights.ts'
import { Standings } from './standings.ts'
import type { Ticket, TicketRack } from './tickets.ts'
import type { Project, QuotaTree } from './tree.ts'
import { choosePayers, chooseVictims } from './victims.ts'
import type { Debt, Scene, Victim } from './victims.ts'

/** What a plan is made of. */
export interface PlannerSources {
  tree: QuotaTree
  book: ClaimBook
  tickets: TicketRack
  /** By lineage. */
  histories: ReadonlyMap<string, ReclaimMemory>
}

export class ReclaimPlanner {
  readonly #tree: QuotaTree
  readonly #tickets: TicketRack
  readonly #histories: ReadonlyMap<string, ReclaimMemory>
  readonly #standings: Standings

  constructor({ tree, book, tickets, histories }: PlannerSources) {
    this.#tree = tree
    this.#tickets = tickets
    this.#histories = histories
    this.#standings = new Standings(tree, book)
  }

  /** Whom a claim would take back from, without doing it. Nothing: it has no right to enough. */
  plan(claim: Claim, nowMs: number, ticket?: Ticket): Victim[] | undefined {
    if (!this.mayReclaim(claim.project)) return undefined
    return this.#tickets.asSettled(ticket, () =>
      chooseVictims(this.#scene(nowMs), this.#claimant(claim, nowMs, ticket)),
    )
  }

  #claimant(claim: Claim, nowMs: number, ticket?: Ticket): Claimant {
    const { resources, amounts } = claim.vector
    const missing = ticket ? amounts.map((amount, index) => amount - ticket.held[index]!) : amounts
    const ownOnly = isOwnOnly(this.#histories.get(claim.lineage), nowMs)
    return { leaf: claim.project.leaf, vector: { resources, amounts: missing }, priority: claim.priority, ownOnly }
  }

  /** Whom to take from until nothing of these debts is left; `leaf`: of who owes. */
  planPayers(leaf: number, debts: readonly Debt[], nowMs: number): Victim[] {
    return this.#tickets.asSettled(undefined, () => choosePayers(this.#scene(nowMs), leaf, debts))
  }

  /** What a choice of victims looks at. */
  #scene(nowMs: number): Scene {
    const tree = this.#tree
    const isProtected = (claim: Claim, side: number) =>
      nowMs - claim.startedAtMs < tree.policy(tree.projectAt(side), 'minRuntimeMs')
    return { tree, standings: this.#standings, isProtected }
  }

  mayReclaim(project: Project): boolean {
    const mode = this.#tree.policy(project, 'reclaim')
    return mode !== 'never' && mode !== 'natural'
  }

  /** Within its own, or that of all above it: what is missing was lent out and comes back when the borrowers end. */
  isOwner(claim: Claim): boolean {
    return this.#tickets.asSettled(undefined, () => {
      const claimant = this.#claimant(claim, 0)
      if (isWithinOwn(this.#tree.ledger, claimant, claimant.leaf)) return true
      for (let project: Project | null = claim.project; project?.parent; project = project.parent) {
        if (!isWithinOwn(this.#tree.ledger, claimant, project.node)) return false
      }
      return true
    })
  }

  /** The borrower's grace, as long as the lender waits at most. */
  graceOf(claim: Claim, lender: Project): number {
    if (this.#tree.policy(lender, 'reclaim') === 'aggressive') return 0
    const grace = claim.graceMs >= 0 ? claim.graceMs : this.#tree.policy(claim.project, 'graceMs')
    return Math.min(grace, this.#tree.policy(lender, 'graceMaxMs'))
  }
}
