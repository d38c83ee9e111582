/** The hot numbers of the tree in flat arrays: visible, counted, used at each node, and the O(depth) walks. */
import { AMOUNT_MAX, minus, positive, UNLIMITED } from './amounts.ts'
import type { Block, CellSettings, KeptCell } from './cells.ts'
import type { Touched } from './touched.ts'

/**
 * Eight doubles (a cache line) per node, one column per resource. Two indices always name a cell: `node`, `resource`.
 *
 * - visible: the capacity that starts here or is lent by children; leaf: own; inner: pool + what children lend.
 * - counted: the use that meets it; leaf: all its use; inner: what spills past the children's private parts.
 * - subtree: all use at and below the node.
 * - private: the part of visible that is never lent.
 * - bound: what counted may reach, visible + borrow. Whoever configures a root lets it borrow nothing.
 * - ceiling: what subtree may reach.
 * - lendable: visible − private.
 */
const VISIBLE = 0,
  COUNTED = 1,
  SUBTREE = 2,
  PRIVATE = 3,
  BOUND = 4,
  CEILING = 5,
  LENDABLE = 6,
  BORROW = 7
const STRIDE = 8

export const NO_NODE = -1

export type { Barrier, Block, CellSettings, KeptCell } from './cells.ts'

interface Column {
  cells: Float64Array
  bases: Float64Array
  lends: Float64Array
  /** What all children lend, and how many of them lend without limit, so that no change has to ask them all again. */
  lent: Float64Array
  lentWithoutLimit: Int32Array
}

export class Ledger {
  parents = new Int32Array(64).fill(NO_NODE)
  readonly children: number[][] = []
  /** Of whoever keeps what follows from the numbers. */
  touched: Touched | undefined
  readonly #columns: Column[] = []
  readonly #free: number[] = []
  #nodes = 0

  get nodesMax(): number {
    return this.#nodes
  }
  get resources(): number {
    return this.#columns.length
  }

  addResource(): number {
    this.#reshape()
    const size = this.parents.length
    this.#columns.push({
      cells: new Float64Array(size * STRIDE),
      bases: new Float64Array(size),
      lends: new Float64Array(size),
      lent: new Float64Array(size),
      lentWithoutLimit: new Int32Array(size),
    })
    return this.#columns.length - 1
  }

  #reshape(): void {
    if (this.touched) this.touched.reshaped = true
  }

  /** A new node with nothing of anything; `configure` it next. */
  addNode(parent: number): number {
    const node = this.#free.pop() ?? this.#nodes++
    if (node === this.parents.length) this.#grow()
    for (const { cells } of this.#columns) cells.fill(0, node * STRIDE, (node + 1) * STRIDE)
    this.children[node] = []
    this.attach(node, parent)
    return node
  }

  #grow(): void {
    const size = this.parents.length * 2
    const parents = new Int32Array(size).fill(NO_NODE)
    parents.set(this.parents)
    this.parents = parents
    for (const column of this.#columns) {
      column.cells = enlarged(column.cells, size * STRIDE)
      column.bases = enlarged(column.bases, size)
      column.lends = enlarged(column.lends, size)
      column.lent = enlarged(column.lent, size)
      const counts = new Int32Array(size)
      counts.set(column.lentWithoutLimit)
      column.lentWithoutLimit = counts
    }
  }

  /** The node must neither hold, lend nor use anything. Its number is free for another node afterwards. */
  removeNode(node: number): void {
    this.detach(node)
    this.#free.push(node)
  }

  detach(node: number): void {
    const parent = this.parents[node]!
    this.#reshape()
    if (parent === NO_NODE) return
    const siblings = this.children[parent]!
    siblings.splice(siblings.indexOf(node), 1)
    for (const column of this.#columns) relend(column, parent, column.cells[node * STRIDE + LENDABLE]!, 0)
    this.parents[node] = NO_NODE
  }

  attach(node: number, parent: number): void {
    this.#reshape()
    this.parents[node] = parent
    if (parent === NO_NODE) return
    this.children[parent]!.push(node)
    for (const column of this.#columns) relend(column, parent, 0, column.cells[node * STRIDE + LENDABLE]!)
  }

  #cell(node: number, resource: number, field: number): number {
    return this.#columns[resource]!.cells[node * STRIDE + field]!
  }

  visible(node: number, resource: number): number {
    return this.#cell(node, resource, VISIBLE)
  }
  counted(node: number, resource: number): number {
    return this.#cell(node, resource, COUNTED)
  }
  subtree(node: number, resource: number): number {
    return this.#cell(node, resource, SUBTREE)
  }
  private(node: number, resource: number): number {
    return this.#cell(node, resource, PRIVATE)
  }
  bound(node: number, resource: number): number {
    return this.#cell(node, resource, BOUND)
  }
  ceiling(node: number, resource: number): number {
    return this.#cell(node, resource, CEILING)
  }
  lendable(node: number, resource: number): number {
    return this.#cell(node, resource, LENDABLE)
  }
  borrow(node: number, resource: number): number {
    return this.#cell(node, resource, BORROW)
  }
  base(node: number, resource: number): number {
    return this.#columns[resource]!.bases[node]!
  }

  /** How much the subtree uses of what belongs to others. */
  overOwn(node: number, resource: number): number {
    return positive(minus(this.counted(node, resource), this.visible(node, resource)))
  }

  /** How much more is used here than may be: the node is in debt. */
  debt(node: number, resource: number): number {
    const beyondBound = minus(this.counted(node, resource), this.bound(node, resource))
    return positive(Math.max(beyondBound, minus(this.subtree(node, resource), this.ceiling(node, resource))))
  }

  /** What of the node's use its parent has to carry. */
  spill(node: number, resource: number): number {
    return positive(this.counted(node, resource) - this.private(node, resource))
  }

  /** Would `amount` more at `leaf` fit on the whole path? */
  fits(leaf: number, resource: number, amount: number): boolean {
    const cells = this.#columns[resource]!.cells,
      parents = this.parents
    let spill = amount
    for (let node = leaf; node !== NO_NODE; node = parents[node]!) {
      const at = node * STRIDE
      if (cells[at + SUBTREE]! + amount > cells[at + CEILING]!) return false
      if (spill === 0) continue
      const counted = cells[at + COUNTED]!
      if (counted + spill > cells[at + BOUND]!) return false
      spill = spillChange(counted, spill, cells[at + PRIVATE]!)
    }
    return true
  }

  /** Counts `amount` (negative: gives it back) at `leaf` without asking whether it fits; exactly its own inverse. */
  apply(leaf: number, resource: number, amount: number): void {
    const { touched } = this
    if (touched !== undefined && touched.marks[leaf] !== 1) touched.add(leaf)
    const cells = this.#columns[resource]!.cells,
      parents = this.parents
    let spill = amount
    for (let node = leaf; node !== NO_NODE; node = parents[node]!) {
      const at = node * STRIDE
      cells[at + SUBTREE]! += amount
      if (spill === 0) continue
      const counted = cells[at + COUNTED]!
      cells[at + COUNTED] = counted + spill
      spill = spillChange(counted, spill, cells[at + PRIVATE]!)
    }
  }

  /** Every place where `amount` more at `leaf` does not fit, from the leaf up. */
  blocks(leaf: number, resource: number, amount: number): Block[] {
    const blocks: Block[] = []
    let spill = amount
    for (let node = leaf; node !== NO_NODE; node = this.parents[node]!) {
      if (this.subtree(node, resource) + amount > this.ceiling(node, resource)) {
        blocks.push({ node, resource, barrier: 'ceiling' })
      } else if (spill > 0 && this.counted(node, resource) + spill > this.bound(node, resource)) {
        blocks.push({ node, resource, barrier: 'bound' })
      }
      spill = spillChange(this.counted(node, resource), spill, this.private(node, resource))
    }
    return blocks
  }

  /** What would be counted at `target`, `leaf` itself or above it, with `amount` more at `leaf`. */
  countedWith(leaf: number, target: number, resource: number, amount: number): number {
    let spill = amount
    for (let node = leaf; node !== target && node !== NO_NODE; node = this.parents[node]!) {
      spill = spillChange(this.counted(node, resource), spill, this.private(node, resource))
    }
    return this.counted(target, resource) + spill
  }

  /** The most that fits at `leaf` now; without limit where nothing but what can be counted at all is in the way. */
  available(leaf: number, resource: number): number {
    let room = this.#headroom(leaf, resource)
    for (let node = leaf; node !== NO_NODE; node = this.parents[node]!) {
      const ceiling = this.ceiling(node, resource)
      if (ceiling < AMOUNT_MAX) room = Math.min(room, ceiling - this.subtree(node, resource))
    }
    return positive(room)
  }

  /** Room under the bounds alone; below zero where the node or one above it is in debt. */
  #headroom(node: number, resource: number): number {
    const counted = this.counted(node, resource),
      bound = this.bound(node, resource)
    const parent = this.parents[node]!
    if (parent === NO_NODE) return minus(bound, counted, UNLIMITED)
    const kept = this.private(node, resource)
    const beyond = minus(bound, Math.max(kept, counted), UNLIMITED)
    return positive(kept - counted) + positive(Math.min(this.#headroom(parent, resource), beyond))
  }

  /** Sets a cell and carries the change of what it lends and spills up its path: O(depth). */
  configure(node: number, resource: number, settings: CellSettings): void {
    this.touched?.add(node)
    const column = this.#columns[resource]!
    column.bases[node] = settings.base
    column.lends[node] = settings.lend
    column.cells[node * STRIDE + BORROW] = settings.borrow
    column.cells[node * STRIDE + CEILING] = settings.ceiling
    this.#carry(node, resource)
  }

  /** A cell as somebody has kept it. With a path of such cells alone the walks answer as the whole tree would. */
  restoreCell(node: number, resource: number, kept: KeptCell): void {
    this.touched?.add(node)
    const { cells } = this.#columns[resource]!,
      at = node * STRIDE
    cells[at + VISIBLE] = kept.visible
    cells[at + COUNTED] = kept.counted
    cells[at + SUBTREE] = kept.subtree
    cells[at + PRIVATE] = kept.private
    cells[at + BOUND] = kept.bound
    cells[at + CEILING] = kept.ceiling
    cells[at + LENDABLE] = kept.lendable
    cells[at + BORROW] = kept.borrow
  }

  keptCell(node: number, resource: number): KeptCell {
    return {
      visible: this.visible(node, resource),
      counted: this.counted(node, resource),
      subtree: this.subtree(node, resource),
      private: this.private(node, resource),
      bound: this.bound(node, resource),
      ceiling: this.ceiling(node, resource),
      lendable: this.lendable(node, resource),
      borrow: this.borrow(node, resource),
    }
  }

  /** Hangs a subtree, with all that it holds and uses, below another parent. The caller asks whether it fits. */
  move(node: number, parent: number): void {
    const from = this.parents[node]!
    this.detach(node)
    for (let resource = 0; resource < this.resources; resource++) {
      this.#carry(from, resource, { spill: -this.spill(node, resource), use: -this.subtree(node, resource) })
    }
    this.attach(node, parent)
    for (let resource = 0; resource < this.resources; resource++) {
      this.#derive(node, resource)
      this.#carry(parent, resource, { spill: this.spill(node, resource), use: this.subtree(node, resource) })
    }
  }

  /**
   * Derives the path upwards from `start` anew after something below or in it changed what it spills, uses or lends.
   */
  #carry(start: number, resource: number, change = { spill: 0, use: 0 }): void {
    const cells = this.#columns[resource]!.cells
    let spillDelta = change.spill
    for (let node = start; node !== NO_NODE; node = this.parents[node]!) {
      const at = node * STRIDE
      const spillBefore = this.spill(node, resource),
        lendableBefore = cells[at + LENDABLE]!
      cells[at + SUBTREE]! += change.use
      cells[at + COUNTED]! += spillDelta
      this.#derive(node, resource)
      spillDelta = this.spill(node, resource) - spillBefore
      if (spillDelta === 0 && change.use === 0 && cells[at + LENDABLE] === lendableBefore) return
    }
  }

  /** Everything about a cell that follows from its settings and what its children lend; tells its parent. */
  #derive(node: number, resource: number): void {
    const column = this.#columns[resource]!,
      { cells, bases, lends } = column
    const at = node * STRIDE,
      parent = this.parents[node]!,
      isRoot = parent === NO_NODE
    const visible = column.lentWithoutLimit[node]! > 0 ? UNLIMITED : bases[node]! + column.lent[node]!
    const lendable = isRoot ? 0 : Math.min(lends[node]!, visible)
    if (!isRoot) relend(column, parent, cells[at + LENDABLE]!, lendable)
    cells[at + VISIBLE] = visible
    cells[at + LENDABLE] = lendable
    cells[at + PRIVATE] = minus(visible, lendable)
    cells[at + BOUND] = visible + cells[at + BORROW]!
  }

  /** Derives every cell anew from settings and the use at the leaves: what the incremental numbers must equal. */
  rebuild(resource: number, roots: readonly number[], useAt: (leaf: number) => number): void {
    this.#reshape()
    const column = this.#columns[resource]!,
      { cells } = column
    const visit = (node: number): void => {
      const at = node * STRIDE,
        children = this.children[node]!
      cells[at + LENDABLE] = column.lent[node] = column.lentWithoutLimit[node] = 0
      for (const child of children) visit(child)
      this.#derive(node, resource)
      cells[at + COUNTED] =
        children.length === 0 ? useAt(node) : sum(children, (child) => this.spill(child, resource))
      cells[at + SUBTREE] =
        children.length === 0 ? useAt(node) : sum(children, (child) => this.subtree(child, resource))
    }
    for (const root of roots) visit(root)
  }

  /** All cells of a resource, for comparing states. */
  snapshot(resource: number): Float64Array {
    return this.#columns[resource]!.cells.slice(0, this.#nodes * STRIDE)
  }
}

/** How the spill past `kept` changes when `counted` changes by `delta`. */
const spillChange = (counted: number, delta: number, kept: number): number => {
  const before = counted - kept,
    after = before + delta
  return (after > 0 ? after : 0) - (before > 0 ? before : 0)
}

/** A child of `node` lends `after` and no longer `before`. */
const relend = ({ lent, lentWithoutLimit }: Column, node: number, before: number, after: number): void => {
  if (before === UNLIMITED) lentWithoutLimit[node]!--
  else lent[node]! -= before
  if (after === UNLIMITED) lentWithoutLimit[node]!++
  else lent[node]! += after
}

const enlarged = (array: Float64Array, size: number): Float64Array => {
  const larger = new Float64Array(size)
  larger.set(array)
  return larger
}

const sum = (items: readonly number[], of: (item: number) => number): number =>
  items.reduce((total, item) => total + of(item), 0)
