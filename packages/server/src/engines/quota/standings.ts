/** Who pays first at every node that was ever asked about, kept along from one choice of victims to the next. */
import { amountOf } from './claims.ts'
import type { Claim, ClaimBook, Vector } from './claims.ts'
import { NO_NODE } from './ledger.ts'
import { Cheapest, Payers } from './siblings.ts'
import { Touched } from './touched.ts'
import type { QuotaTree } from './tree.ts'
import { orderFor } from './victim-order.ts'
import type { VictimOrder } from './victim-order.ts'

/** For whom a choice is made: with its request its path stands worse. Whom it has taken is no victim any more. */
export interface Chooser {
  leaf: number
  vector: Vector
  path: ReadonlySet<number>
  taken: ReadonlyMap<Claim, unknown>
}

/** What is kept of one resource. */
interface Column {
  /** By node: its children, the one that pays first in front. */
  payers: Map<number, Payers>
  /** By node: its children, the one whose next victim goes first in front. */
  cheapest: Map<number, Cheapest>
  /** By leaf: its next victim; null: it has none. */
  victims: Map<number, Claim | null>
}

/** Grows with what is asked about, at most to the size of the tree; made anew when its shape or policies change. */
export class Standings {
  readonly #tree: QuotaTree
  readonly #book: ClaimBook
  readonly #touched = new Touched()
  /** By resource. */
  #columns: Column[] = []
  /** By node: where it stands among its siblings. */
  readonly places: number[] = []
  #policyChanges = 0
  #chooser: Chooser | undefined

  constructor(tree: QuotaTree, book: ClaimBook) {
    this.#tree = tree
    this.#book = book
  }

  /** Looks from the claimant's side until the end of `choose`. */
  during<T>(chooser: Chooser, choose: () => T): T {
    const { ledger } = this.#tree
    if (ledger.touched !== this.#touched) this.#touched.reshaped = true
    ledger.touched = this.#touched
    this.#chooser = chooser
    this.#touched.add(chooser.leaf)
    try {
      return choose()
    } finally {
      this.#chooser = undefined
      this.#touched.add(chooser.leaf)
    }
  }

  /** The child that pays first, of those who use more than their own and the claimant's own side; or no node. */
  worstOf(node: number, resource: number): number {
    this.#settle()
    return this.#payersOf(node, resource).first
  }

  /** `isAside`: asked without success, until it is brought back. */
  setAside(node: number, child: number, resource: number, isAside: boolean): void {
    this.#payersOf(node, resource).setAside(child, isAside)
  }

  /** In the order of the project. */
  victimsAt(leaf: number, resource: number): readonly Claim[] {
    return this.#book.victimsOf(this.#tree.projectAt(leaf), orderFor(this.orderAt(leaf), resource))
  }

  /** The order of a project is its policy's; between projects it is that of the one where they meet. */
  orderAt(node: number): VictimOrder {
    return this.#tree.policy(this.#tree.projectAt(node), 'victimOrder')
  }

  isFree(claim: Claim, resource: number): boolean {
    return (
      claim.state !== 'reclaiming' && !this.#chooser?.taken.has(claim) && amountOf(claim.vector, resource) > 0
    )
  }

  /** Tells everybody above who has changed since the last time. */
  #settle(): void {
    if (this.#touched.reshaped || this.#policyChanges !== this.#tree.policyChanges) this.#startAnew()
    if (this.#touched.isEmpty) return
    for (const node of this.#touched.take()) for (const column of this.#columns) this.#note(column, node)
  }

  #startAnew(): void {
    this.#touched.take()
    this.#policyChanges = this.#tree.policyChanges
    this.#columns = this.#tree.resources.map(() => ({ payers: new Map(), cheapest: new Map(), victims: new Map() }))
  }

  #note({ payers, cheapest, victims }: Column, touched: number): void {
    victims.delete(touched)
    if (payers.size === 0) return
    const { parents } = this.#tree.ledger
    for (let node = touched, parent = parents[node]!; parent !== NO_NODE; node = parent, parent = parents[node]!) {
      payers.get(parent)?.change(node)
      cheapest.get(parent)?.change(node)
    }
  }

  #payersOf(node: number, resource: number): Payers {
    const { payers } = this.#columns[resource]!
    let found = payers.get(node)
    if (!found) payers.set(node, (found = new Payers(this.#tree, this, node, resource)))
    return found
  }

  #cheapestOf(node: number, resource: number): Cheapest {
    const { cheapest } = this.#columns[resource]!
    let found = cheapest.get(node)
    if (!found) cheapest.set(node, (found = new Cheapest(this.#tree, this, node, resource)))
    return found
  }

  /** The first victim at or below a node: at each level by the order of the node where they meet. */
  nextVictim(node: number, resource: number): Claim | null {
    if (this.#tree.ledger.children[node]!.length > 0) return this.#cheapestOf(node, resource).victim
    const { victims } = this.#columns[resource]!
    let next = victims.get(node)
    if (next === undefined) {
      next = this.victimsAt(node, resource).find((claim) => this.isFree(claim, resource)) ?? null
      victims.set(node, next)
    }
    return next
  }

  isOnPath(node: number): boolean {
    return this.#chooser?.path.has(node) ?? false
  }

  /** What the node's use counts; on the claimant's path with the request. */
  countedAt(node: number, resource: number): number {
    const { ledger } = this.#tree
    if (!this.isOnPath(node)) return ledger.counted(node, resource)
    const { leaf, vector } = this.#chooser!
    return ledger.countedWith(leaf, node, resource, amountOf(vector, resource))
  }
}
