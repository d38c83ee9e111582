/** The children of one node: who of them pays first, and whose next victim goes first; kept while they change. */
import { compareRatios, compareText } from './amounts.ts'
import type { Claim } from './claims.ts'
import { NO_NODE } from './ledger.ts'
import { rankOf } from './rights.ts'
import { NOBODY, Tournament } from './tournament.ts'
import type { QuotaTree } from './tree.ts'
import { compareVictims } from './victim-order.ts'
import type { VictimOrder } from './victim-order.ts'

/** The tree, as a choice of victims looks at it. */
interface Look {
  /** By node: where it stands among its siblings. */
  readonly places: number[]
  orderAt(node: number): VictimOrder
  /** On the claimant's path, which stands worse with the request. */
  isOnPath(node: number): boolean
  /** What is counted at the node; on the claimant's path with the request. */
  countedAt(node: number, resource: number): number
  /** The first victim at or below a node; null: there is none. */
  nextVictim(node: number, resource: number): Claim | null
}

/** The children of one node as a tournament between them. */
abstract class Siblings {
  protected readonly tree: QuotaTree
  protected readonly look: Look
  protected readonly resource: number
  protected readonly children: readonly number[]
  protected readonly order: VictimOrder
  readonly #tournament: Tournament

  constructor(tree: QuotaTree, look: Look, node: number, resource: number) {
    this.tree = tree
    this.look = look
    this.resource = resource
    this.children = tree.ledger.children[node]!
    this.order = look.orderAt(node)
    for (const [place, child] of this.children.entries()) look.places[child] = place
    this.#tournament = new Tournament(this.children.length, {
      enter: (place) => this.enter(place),
      before: (a, b) => this.compare(a, b) < 0,
    })
  }

  protected abstract enter(place: number): boolean
  protected abstract compare(a: number, b: number): number

  protected placeOf(child: number): number {
    return this.look.places[child]!
  }
  protected get firstPlace(): number {
    return this.#tournament.first
  }
  change(child: number): void {
    this.#tournament.change(this.placeOf(child))
  }
}

/** The latest tier first, then who uses most beyond its own per weight, then whose next victim is the cheapest. */
export class Payers extends Siblings {
  readonly #over = new Float64Array(this.children.length)
  readonly #weights = new Float64Array(this.children.length)
  readonly #ranks = new Int32Array(this.children.length)
  readonly #isAside = new Uint8Array(this.children.length)

  get first(): number {
    const place = this.firstPlace
    return place === NOBODY ? NO_NODE : this.children[place]!
  }

  setAside(child: number, isAside: boolean): void {
    this.#isAside[this.placeOf(child)] = Number(isAside)
    this.change(child)
  }

  protected enter(place: number): boolean {
    const { tree, resource } = this,
      node = this.children[place]!
    const over = Math.max(0, this.look.countedAt(node, resource) - tree.ledger.visible(node, resource))
    this.#over[place] = over
    this.#weights[place] = tree.sharing(node, resource).weight || 1
    this.#ranks[place] = rankOf(tree, node, resource)
    return this.#isAside[place] === 0 && (over > 0 || this.look.isOnPath(node))
  }

  protected compare(a: number, b: number): number {
    const over = this.#over,
      weights = this.#weights
    return (
      this.#ranks[b]! - this.#ranks[a]! ||
      compareRatios(over[b]!, weights[b]!, over[a]!, weights[a]!) ||
      over[b]! - over[a]! ||
      this.#compareVictims(this.children[a]!, this.children[b]!)
    )
  }

  #compareVictims(a: number, b: number): number {
    const { tree, look, resource } = this
    const first = look.nextVictim(a, resource),
      second = look.nextVictim(b, resource)
    if (first && second) return compareVictims(this.order, first, second, resource)
    return Number(!first) - Number(!second) || compareText(tree.nodeName(a), tree.nodeName(b))
  }
}

/** Of those who use more than their own: whose next victim goes first. */
export class Cheapest extends Siblings {
  readonly #victims: (Claim | null)[] = []

  get victim(): Claim | null {
    const place = this.firstPlace
    return place === NOBODY ? null : this.#victims[place]!
  }

  protected enter(place: number): boolean {
    const { resource } = this,
      node = this.children[place]!
    const isOver = this.tree.ledger.overOwn(node, resource) > 0
    const victim = isOver ? this.look.nextVictim(node, resource) : null
    this.#victims[place] = victim
    return victim !== null
  }

  protected compare(a: number, b: number): number {
    return compareVictims(this.order, this.#victims[a]!, this.#victims[b]!, this.resource)
  }
}
