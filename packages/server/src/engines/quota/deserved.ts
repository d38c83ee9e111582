/** Fair entitlement: what each subtree satisfies itself, bottom-up, then whole units of the surplus dealt top-down. */
import { minus, positive, UNLIMITED } from './amounts.ts'
import { deal } from './deal.ts'
import { NO_NODE } from './ledger.ts'
import type { QuotaTree } from './tree.ts'

export interface Entitlement {
  /** By node number: what the subtree deserves of the resource, given everybody's demand. */
  at(node: number): number
}

/** `demandAt`: what each leaf uses, has reserved and waits for. */
export const entitlements = (tree: QuotaTree, resource: number, demandAt: (leaf: number) => number): Entitlement => {
  const water = new Water(tree, resource, demandAt)
  for (const root of tree.roots) {
    water.measure(root.node)
    water.pour(root.node, 0)
  }
  return { at: (node) => water.deserved[node]! }
}

class Water {
  readonly #tree: QuotaTree
  readonly #resource: number
  readonly #demandAt: (leaf: number) => number
  /** What the subtree satisfies with its own capacity. */
  readonly #floor: Float64Array
  /** The idle rest of that capacity that it may lend. */
  readonly #idle: Float64Array
  /** What it still wants and may borrow. */
  readonly #wanted: Float64Array
  /** The shared part of an inner node that its own children use. */
  readonly #fill: Float64Array
  readonly deserved: Float64Array

  constructor(tree: QuotaTree, resource: number, demandAt: (leaf: number) => number) {
    const size = tree.ledger.nodesMax
    this.#tree = tree
    this.#resource = resource
    this.#demandAt = demandAt
    this.#floor = new Float64Array(size)
    this.#idle = new Float64Array(size)
    this.#wanted = new Float64Array(size)
    this.#fill = new Float64Array(size)
    this.deserved = new Float64Array(size)
  }

  measure(node: number): void {
    const children = this.#tree.ledger.children[node]!
    if (children.length === 0) return this.#measureLeaf(node)
    for (const child of children) this.measure(child)
    this.#measureInner(node, children)
  }

  #measureLeaf(node: number): void {
    const { ledger } = this.#tree,
      resource = this.#resource
    const own = ledger.base(node, resource),
      ceiling = ledger.ceiling(node, resource),
      demand = this.#demandAt(node)
    const floor = Math.min(own, demand, ceiling)
    this.#floor[node] = floor
    this.#idle[node] = Math.min(ledger.lendable(node, resource), minus(own, floor, UNLIMITED))
    this.#wanted[node] = Math.min(minus(demand, floor), this.#borrow(node), minus(ceiling, floor, UNLIMITED))
  }

  #borrow(node: number): number {
    return this.#tree.ledger.parents[node] === NO_NODE ? 0 : this.#tree.ledger.borrow(node, this.#resource)
  }

  #measureInner(node: number, children: readonly number[]): void {
    const { ledger } = this.#tree,
      resource = this.#resource
    let floor = 0,
      shared = ledger.base(node, resource),
      wanted = 0
    for (const child of children) {
      floor += this.#floor[child]!
      shared += this.#idle[child]!
      wanted += this.#wanted[child]!
    }
    const room = positive(minus(ledger.ceiling(node, resource), floor, UNLIMITED))
    const fill = Math.min(shared, wanted, room)
    this.#fill[node] = fill
    this.#floor[node] = floor + fill
    this.#idle[node] = Math.min(ledger.lendable(node, resource), minus(shared, fill, UNLIMITED))
    this.#wanted[node] = Math.min(minus(wanted, fill), this.#borrow(node), minus(room, fill, UNLIMITED))
  }

  /** Deals what the subtree shares itself and `extra` from above among the children. */
  pour(node: number, extra: number): void {
    this.deserved[node] = this.#floor[node]! + extra
    const children = this.#tree.ledger.children[node]!
    if (children.length === 0) return
    const given = this.#dealt(children, this.#fill[node]! + extra)
    children.forEach((child, index) => this.pour(child, given[index]!))
  }

  #dealt(children: readonly number[], amount: number): number[] {
    const wanted = children.map((child) => this.#wanted[child]!)
    if (wanted.reduce((sum, one) => sum + one, 0) <= amount) return wanted
    return deal(
      amount,
      children.map((child, index) => {
        const { weight, tier } = this.#tree.sharing(child, this.#resource)
        return { id: this.#tree.nodeName(child), wanted: wanted[index]!, weight, tier }
      }),
    )
  }
}
