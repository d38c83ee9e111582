/** Admission on stored cells of one path: the engine's own walk, over a ledger that holds just that path. */
import { fromWire, UNLIMITED } from '#engines/quota/amounts.ts'
import { Ledger, NO_NODE } from '#engines/quota/ledger.ts'
import type { Amounts } from '../facade.ts'
import type { CellChange } from '../store/cells.ts'
import type { CellRow } from '../store/tables.ts'

export class PathWalk {
  readonly #ledger = new Ledger()
  readonly #resources = new Map<string, number>()
  readonly #nodes: number[] = []
  readonly #path: readonly string[]
  readonly #cells = new Map<string, CellRow>()
  readonly #reserved = new Map<string, number>()

  /** `path` from the leaf to the root; every resource must have its cell at every node of it. */
  constructor(path: readonly string[], cells: readonly CellRow[]) {
    this.#path = path
    for (const cell of cells) {
      this.#cells.set(`${cell.node} ${cell.resource}`, cell)
      if (!this.#resources.has(cell.resource)) this.#resources.set(cell.resource, this.#ledger.addResource())
    }
    let parent = NO_NODE
    for (const name of path.toReversed()) {
      parent = this.#ledger.addNode(parent)
      this.#nodes.unshift(parent)
      for (const [resource, number] of this.#resources) this.#restore(name, parent, resource, number)
    }
  }

  #restore(name: string, node: number, resource: string, number: number): void {
    const cell = this.#cell(name, resource)
    this.#ledger.restoreCell(node, number, {
      visible: fromWire(cell.visible),
      counted: cell.counted,
      subtree: cell.subtree,
      private: fromWire(cell.private),
      bound: fromWire(cell.bound),
      ceiling: fromWire(cell.ceiling),
      lendable: fromWire(cell.lendable),
      borrow: fromWire(cell.borrow),
    })
  }

  #cell(name: string, resource: string): CellRow {
    const cell = this.#cells.get(`${name} ${resource}`)
    if (!cell) throw new Error(`No cell of ${resource} at ${name}`)
    return cell
  }

  get #leaf(): number {
    return this.#nodes[0]!
  }

  fits(amounts: Amounts): boolean {
    return Object.entries(amounts).every(([name, amount]) =>
      this.#ledger.fits(this.#leaf, this.#resources.get(name)!, amount),
    )
  }

  available(resource: string): number {
    return this.#ledger.available(this.#leaf, this.#resources.get(resource)!)
  }

  /** How much of the amounts the project would have beyond what is its own; of what has no limit that is nothing. */
  borrowing(amounts: Amounts): Record<string, number> {
    return Object.fromEntries(
      Object.entries(amounts).map(([name, amount]) => {
        const resource = this.#resources.get(name)!
        if (this.#ledger.visible(this.#nodes.at(-1)!, resource) === UNLIMITED) return [name, 0]
        const idle = this.#ledger.visible(this.#leaf, resource) - this.#ledger.counted(this.#leaf, resource)
        return [name, Math.max(0, amount - Math.max(0, idle))]
      }),
    )
  }

  /** Counts the amounts (negative: gives them back) at the leaf, of which so much as not yet started. */
  count(amounts: Amounts, sign: 1 | -1, isReserved: boolean): true {
    for (const [name, amount] of Object.entries(amounts)) {
      this.#ledger.apply(this.#leaf, this.#resources.get(name)!, sign * amount)
      if (isReserved) this.#reserve(name, sign * amount)
    }
    return true
  }

  /** So much of what was reserved has started. */
  settle(amounts: Amounts): true {
    for (const [name, amount] of Object.entries(amounts)) this.#reserve(name, -amount)
    return true
  }

  #reserve(resource: string, amount: number): void {
    this.#reserved.set(resource, (this.#reserved.get(resource) ?? 0) + amount)
  }

  /** The cells whose stored numbers differ now, leaf first, then by name. Unwatched, `subtree` is not stored. */
  changes(): CellChange[] {
    return this.#path
      .flatMap((name, index) =>
        [...this.#resources].sort(byName).map(([resource, number]) => {
          const before = this.#cell(name, resource),
            node = this.#nodes[index]!
          const after = {
            counted: this.#ledger.counted(node, number),
            subtree: before.watched === 1 ? this.#ledger.subtree(node, number) : before.subtree,
            reserved: before.reserved + (index === 0 ? (this.#reserved.get(resource) ?? 0) : 0),
          }
          return { before, after }
        }),
      )
      .filter(
        ({ before, after }) =>
          before.counted !== after.counted || before.subtree !== after.subtree || before.reserved !== after.reserved,
      )
  }
}

const byName = ([a]: [string, number], [b]: [string, number]): number => (a < b ? -1 : 1)
