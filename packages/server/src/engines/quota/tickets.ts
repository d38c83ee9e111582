/** Tickets: claimants that gather freed capacity until they have all of it, so that nobody else takes it. */
import { minus } from './amounts.ts'
import type { Claim, Vector } from './claims.ts'
import type { Project, QuotaTree } from './tree.ts'

export interface Ticket {
  /** The id that the claim will have. */
  readonly id: string
  readonly project: Project
  readonly vector: Vector
  /** What of the vector is gathered already, resource by resource; counted in the tree as reserved. */
  readonly held: number[]
  readonly sinceMs: number
  /** Given up at this time. */
  readonly expiresAtMs: number
  /** The claims that were asked to end for it and have not yet. */
  readonly victims: Set<Claim>
  /** How the claim is made once everything is there. */
  readonly claim: Claim
}

export class TicketRack {
  readonly #tree: QuotaTree
  readonly #tickets = new Map<string, Ticket>()

  constructor(tree: QuotaTree) {
    this.#tree = tree
  }

  get size(): number {
    return this.#tickets.size
  }
  find(id: string): Ticket | undefined {
    return this.#tickets.get(id)
  }
  /** Oldest first. */
  all(): Ticket[] {
    return [...this.#tickets.values()]
  }
  add(ticket: Ticket): void {
    this.#tickets.set(ticket.id, ticket)
  }

  /** Puts back a ticket that a store remembers, with what it held. */
  restore(ticket: Ticket): void {
    this.add(ticket)
    this.#apply(ticket.project.leaf, ticket.vector.resources, ticket.held, 1)
    ticket.vector.resources.forEach((resource, index) => {
      ticket.project.reserved[resource]! += ticket.held[index]!
    })
  }

  /** Takes what is available now towards the ticket; true when nothing is missing any more. */
  gather(ticket: Ticket): boolean {
    const { ledger } = this.#tree,
      { leaf, reserved } = ticket.project
    // One that is for nothing says who leaves, and is never served.
    let complete = ticket.vector.resources.length > 0
    ticket.vector.resources.forEach((resource, index) => {
      const missing = ticket.vector.amounts[index]! - ticket.held[index]!
      const taken = Math.min(missing, ledger.available(leaf, resource))
      if (taken > 0) {
        ledger.apply(leaf, resource, taken)
        reserved[resource]! += taken
        ticket.held[index]! += taken
      }
      if (taken < missing) complete = false
    })
    return complete
  }

  /** The ticket is served: what it holds belongs to its claim from now on. */
  close(ticket: Ticket): void {
    this.#tickets.delete(ticket.id)
  }

  /** The ticket is given up: what it holds is free again. */
  giveBack(ticket: Ticket): void {
    this.#tickets.delete(ticket.id)
    ticket.vector.resources.forEach((resource, index) => {
      this.#tree.ledger.apply(ticket.project.leaf, resource, -ticket.held[index]!)
      ticket.project.reserved[resource]! -= ticket.held[index]!
    })
  }

  /** Runs `look` on the tree as it will be when all notices are obeyed and all tickets are served. */
  asSettled<T>(except: Ticket | undefined, look: () => T): T {
    const others = this.all().filter((ticket) => ticket !== except)
    const leaving = new Set(this.all().flatMap((ticket) => [...ticket.victims]))
    const shift = (sign: 1 | -1) => {
      for (const claim of leaving)
        this.#apply(claim.project.leaf, claim.vector.resources, claim.vector.amounts, -sign)
      for (const { project, vector, held } of others) {
        this.#apply(
          project.leaf,
          vector.resources,
          vector.amounts.map((amount, index) => minus(amount, held[index]!)),
          sign,
        )
      }
    }
    shift(1)
    try {
      return look()
    } finally {
      shift(-1)
    }
  }

  #apply(leaf: number, resources: readonly number[], amounts: readonly number[], sign: number): void {
    resources.forEach((resource, index) => this.#tree.ledger.apply(leaf, resource, sign * amounts[index]!))
  }
}
