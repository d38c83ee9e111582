/** A tree as judges see it that share no code with the engine: from settings alone, use as given. */
import type { Project, QuotaTree } from '../tree.ts'
import type { JudgedNode } from './flow-oracle.ts'

export type UseAt = (leaf: number) => number

interface PlacedNode extends JudgedNode {
  /** Its number in the tree. */
  node: number
}

/** Parents before children. */
export const judged = (tree: QuotaTree, useAt: UseAt, resource = 0): PlacedNode[] => {
  const nodes: PlacedNode[] = [],
    places = new Map<number, number>()
  const put = (node: PlacedNode) => places.set(node.node, nodes.push(node) - 1)
  for (const project of parentsFirst(tree)) {
    const above = project.parent ? places.get(project.parent.node)! : -1
    put({ ...ownNode(project, resource, useAt), parent: above })
    if (project.leaf !== project.node) put({ ...selfNode(project, resource, useAt), parent: places.get(project.node)! })
  }
  return nodes
}

const parentsFirst = (tree: QuotaTree): Project[] => {
  const below = (project: Project): Project[] => [project, ...[...project.children].flatMap(below)]
  return tree.roots.flatMap(below)
}

const ownNode = ({ node, leaf, parent, holdings }: Project, resource: number, useAt: UseAt) => {
  const { own, pool, lend, borrow, ceiling } = holdings[resource]!,
    isLeaf = leaf === node
  const cap = ceiling ?? own + (parent ? borrow : 0)
  return { node, base: isLeaf ? own : pool, lend, borrow, ceiling: cap, use: isLeaf ? useAt(leaf) : 0 }
}

const selfNode = ({ leaf, children, holdings, selfHoldings }: Project, resource: number, useAt: UseAt) => {
  const { own, pool } = holdings[resource]!,
    { lend, borrow, ceiling } = selfHoldings[resource]!
  const base = own - pool - [...children].reduce((sum, child) => sum + child.holdings[resource]!.own, 0)
  return { node: leaf, base, lend, borrow, ceiling: ceiling ?? base + borrow, use: useAt(leaf) }
}

export interface DefinedNumbers {
  visible: number
  private: number
  counted: number
  subtree: number
  bound: number
  ceiling: number
}

/** The numbers of every node, literally as they are defined, by its number in the tree. */
export const byDefinition = (tree: QuotaTree, useAt: UseAt, resource = 0): Map<number, DefinedNumbers> => {
  const nodes = judged(tree, useAt, resource)
  const sums = nodes.map(({ base, use }) => ({ visible: base, counted: use, subtree: use }))
  const numbers = new Map<number, DefinedNumbers>()
  for (const [index, { node, parent, lend, borrow, ceiling }] of [...nodes.entries()].reverse()) {
    const { visible, counted, subtree } = sums[index]!
    const lent = parent < 0 ? 0 : Math.min(lend, visible),
      kept = lent === visible ? 0 : visible - lent
    numbers.set(node, {
      visible,
      private: kept,
      counted,
      subtree,
      bound: visible + (parent < 0 ? 0 : borrow),
      ceiling,
    })
    if (parent < 0) continue
    sums[parent]!.visible += lent
    sums[parent]!.counted += Math.max(0, counted - kept)
    sums[parent]!.subtree += subtree
  }
  return numbers
}
