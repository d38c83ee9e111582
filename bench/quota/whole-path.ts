/** The naive way to the same answers: rows linked to their parents, and all of the path locked, checked and updated. */
import type { KeptCell } from '../../packages/server/src/engines/quota/ledger.ts'
import { NO_NODE } from '../../packages/server/src/engines/quota/ledger.ts'
import type { QuotaTree } from '../../packages/server/src/engines/quota/tree.ts'

/** One of each node and resource, with the limits and the numbers that the engine keeps for it. */
interface Row extends KeptCell {
  readonly lock: number
  readonly parent: Row | undefined
}

/**
 * A lock is what a mutex is while nobody contends: one atomic exchange to take it, one atomic store to give it back.
 * Nobody else is here, so that nothing is ever waited for.
 */
export class WholePathLocks {
  readonly #locks: Int32Array
  /** By node, then by resource. */
  readonly #rows: Row[][]

  /** The rows of a tree's nodes as they are now. */
  constructor({ ledger, resources }: QuotaTree) {
    this.#locks = new Int32Array(new SharedArrayBuffer(4 * ledger.nodesMax * resources.length))
    this.#rows = []
    for (let node = 0; node < ledger.nodesMax; node++) this.#rows[node] = this.#rowsOf(ledger, node)
  }

  #rowsOf(ledger: QuotaTree['ledger'], node: number): Row[] {
    const parent = ledger.parents[node]!,
      above = parent === NO_NODE ? undefined : this.#rows[parent]!
    return Array.from({ length: ledger.resources }, (_, resource) => {
      const lock = node * ledger.resources + resource
      return { ...ledger.keptCell(node, resource), lock, parent: above?.[resource] }
    })
  }

  /** As much of every resource. */
  take(leaf: number, amount: number): boolean {
    const rows = this.#rows[leaf]!
    this.#lock(rows)
    const fits = rows.every((row) => fitsOnPath(row, amount))
    if (fits) for (const row of rows) countOnPath(row, amount)
    this.#unlock(rows)
    return fits
  }

  giveBack(leaf: number, amount: number): void {
    const rows = this.#rows[leaf]!
    this.#lock(rows)
    for (const row of rows) countOnPath(row, -amount)
    this.#unlock(rows)
  }

  cell(node: number, resource: number): KeptCell {
    return this.#rows[node]![resource]!
  }

  /** From the leaf up, so that two paths are never locked in a circle. */
  #lock(rows: readonly Row[]): void {
    for (const leaf of rows) {
      for (let row: Row | undefined = leaf; row; row = row.parent)
        if (Atomics.compareExchange(this.#locks, row.lock, 0, 1) !== 0) throw new Error('Who holds this lock?')
    }
  }

  #unlock(rows: readonly Row[]): void {
    for (const leaf of rows)
      for (let row: Row | undefined = leaf; row; row = row.parent) Atomics.store(this.#locks, row.lock, 0)
  }
}

const spillOf = (row: Row, counted: number): number => Math.max(0, counted - row.private)

const fitsOnPath = (leaf: Row, amount: number): boolean => {
  let spill = amount
  for (let row: Row | undefined = leaf; row; row = row.parent) {
    if (row.subtree + amount > row.ceiling || (spill > 0 && row.counted + spill > row.bound)) return false
    spill = spillOf(row, row.counted + spill) - spillOf(row, row.counted)
  }
  return true
}

const countOnPath = (leaf: Row, amount: number): void => {
  let spill = amount
  for (let row: Row | undefined = leaf; row; row = row.parent) {
    const before = spillOf(row, row.counted)
    row.subtree += amount
    row.counted += spill
    spill = spillOf(row, row.counted) - before
  }
}
