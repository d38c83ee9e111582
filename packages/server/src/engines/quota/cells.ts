/** What is said, kept and told of a cell: one node of one resource. */

/**
 * What configuration says of one cell. `base` is the capacity that starts here: own of a leaf, pool of an inner node.
 */
export interface CellSettings {
  base: number
  lend: number
  borrow: number
  ceiling: number
}

/** What stops a walk: the subtree's hard cap, or the capacity that is visible and borrowable. */
export type Barrier = 'ceiling' | 'bound'

export interface Block {
  node: number
  resource: number
  barrier: Barrier
}

/** All that a walk needs of one cell. */
export interface KeptCell {
  visible: number
  counted: number
  subtree: number
  private: number
  bound: number
  ceiling: number
  lendable: number
  borrow: number
}
