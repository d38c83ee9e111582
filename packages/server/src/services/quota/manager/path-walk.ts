/** Admission on stored cells of one path: the engine's own walk, over a ledger that holds it while it is asked. */
import { fromWire, UNLIMITED } from '#engines/quota/amounts.ts'
import { Ledger, NO_NODE } from '#engines/quota/ledger.ts'
import type { KeptCell } from '#engines/quota/ledger.ts'
import type { Amounts } from '../facade.ts'
import type { CellChange } from '../store/cells.ts'
import type { CellRow } from '../store/tables.ts'

/** One path of one resource, the root first: whoever asks puts its numbers there, and takes them along. */
const scratch = new Ledger()
const column = scratch.addResource()
const chain: number[] = []

/** `cells` from the leaf to the root; the leaf's node. */
const laidOut = (cells: readonly WalkedCell[]): number => {
  while (chain.length < cells.length) chain.push(scratch.addNode(chain.at(-1) ?? NO_NODE))
  for (const [index, { kept }] of cells.entries()) scratch.restoreCell(chain[cells.length - 1 - index]!, column, kept)
  return chain[cells.length - 1]!
}

interface WalkedCell {
  readonly row: CellRow
  readonly kept: KeptCell
}

const walked = (row: CellRow): WalkedCell => ({
  row,
  kept: {
    visible: fromWire(row.visible),
    counted: row.counted,
    subtree: row.subtree,
    private: fromWire(row.private),
    bound: fromWire(row.bound),
    ceiling: fromWire(row.ceiling),
    lendable: fromWire(row.lendable),
    borrow: fromWire(row.borrow),
  },
})

export class PathWalk {
  /** Of each resource, from the leaf to the root. */
  readonly #cells = new Map<string, WalkedCell[]>()
  readonly #reserved = new Map<string, number>()

  /** `path` from the leaf to the root; every resource must have its cell at every node of it. */
  constructor(path: readonly string[], rows: readonly CellRow[]) {
    const places = new Map(path.map((name, place) => [name, place]))
    for (const row of rows) {
      const cells = this.#cells.get(row.resource) ?? []
      if (cells.length === 0) this.#cells.set(row.resource, cells)
      cells[places.get(row.node)!] = walked(row)
    }
    for (const [resource, cells] of this.#cells) {
      const missing = path.find((_, place) => cells[place] === undefined)
      if (missing !== undefined) throw new Error(`No cell of ${resource} at ${missing}`)
    }
  }

  fits(amounts: Amounts): boolean {
    return Object.entries(amounts).every(([name, amount]) =>
      scratch.fits(laidOut(this.#cells.get(name)!), column, amount),
    )
  }

  available(resource: string): number {
    return scratch.available(laidOut(this.#cells.get(resource)!), column)
  }

  /** How much of the amounts the project would have beyond what is its own; of what has no limit that is nothing. */
  borrowing(amounts: Amounts): Record<string, number> {
    return Object.fromEntries(
      Object.entries(amounts).map(([name, amount]) => {
        const cells = this.#cells.get(name)!,
          { visible, counted } = cells[0]!.kept
        if (cells.at(-1)!.kept.visible === UNLIMITED) return [name, 0]
        return [name, Math.max(0, amount - Math.max(0, visible - counted))]
      }),
    )
  }

  /** Counts the amounts (negative: gives them back) at the leaf, of which so much as not yet started. */
  count(amounts: Amounts, sign: 1 | -1, isReserved: boolean): true {
    for (const [name, amount] of Object.entries(amounts)) {
      this.#apply(this.#cells.get(name)!, sign * amount)
      if (isReserved) this.#reserve(name, sign * amount)
    }
    return true
  }

  #apply(cells: readonly WalkedCell[], amount: number): void {
    scratch.apply(laidOut(cells), column, amount)
    for (const [index, { kept }] of cells.entries()) {
      const node = chain[cells.length - 1 - index]!
      kept.counted = scratch.counted(node, column)
      kept.subtree = scratch.subtree(node, column)
    }
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
    const columns = [...this.#cells].sort(byName),
      nodes = columns[0]?.[1] ?? []
    return nodes.flatMap((_, place) =>
      columns.map(([resource, cells]) => this.#change(cells[place]!, place, resource)).filter(isChange),
    )
  }

  #change({ row, kept }: WalkedCell, place: number, resource: string): CellChange {
    const after = {
      counted: kept.counted,
      subtree: row.watched === 1 ? kept.subtree : row.subtree,
      reserved: row.reserved + (place === 0 ? (this.#reserved.get(resource) ?? 0) : 0),
    }
    return { before: row, after }
  }
}

const isChange = ({ before, after }: CellChange): boolean =>
  before.counted !== after.counted || before.subtree !== after.subtree || before.reserved !== after.reserved

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)
