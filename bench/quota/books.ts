/** Who keeps the books under one load: the engine or the whole path locked, the decision alone or as named claims. */
import { createHash } from 'node:crypto'
import { QuotaEngine } from '../../packages/server/src/engines/quota/engine.ts'
import type { KeptCell } from '../../packages/server/src/engines/quota/ledger.ts'
import { audit } from '../../packages/server/src/engines/quota/state.ts'
import type { QuotaTree } from '../../packages/server/src/engines/quota/tree.ts'
import type { Forest } from './forest.ts'
import { WholePathLocks } from './whole-path.ts'

/** Asks are numbered; a leaf is its place among the forest's leaves; an amount is of every resource. */
export interface Books {
  take(leaf: number, amount: number, ask: number): boolean
  giveBack(leaf: number, amount: number, ask: number): void
  /** Names what is counted where: the same for all that have taken the same decisions. */
  hash(): string
}

export type OpenBooks = (forest: Forest) => Books

const hashOf = ({ ledger, resources }: QuotaTree, cell: (node: number, resource: number) => KeptCell): string => {
  const hash = createHash('sha256')
  for (let node = 0; node < ledger.nodesMax; node++) {
    for (let resource = 0; resource < resources.length; resource++) {
      const { counted, subtree } = cell(node, resource)
      hash.update(new Float64Array([counted, subtree]))
    }
  }
  return hash.digest('hex').slice(0, 16)
}

const nodesOf = ({ tree, leaves }: Forest): number[] => leaves.map((id) => tree.project(id).leaf)

/** The decision alone: does it fit on the whole path of each resource, and if so count it; or give it back. */
export const ledgerBooks: OpenBooks = (forest) => {
  const { ledger, resources } = forest.tree,
    nodes = nodesOf(forest)
  const fits = (node: number, amount: number): boolean => {
    for (let resource = 0; resource < resources.length; resource++)
      if (!ledger.fits(node, resource, amount)) return false
    return true
  }
  const count = (node: number, amount: number): void => {
    for (let resource = 0; resource < resources.length; resource++) ledger.apply(node, resource, amount)
  }
  return {
    take(leaf, amount) {
      const node = nodes[leaf]!,
        isFree = fits(node, amount)
      if (isFree) count(node, amount)
      return isFree
    },
    giveBack: (leaf, amount) => count(nodes[leaf]!, -amount),
    hash: () => hashOf(forest.tree, (node, resource) => ledger.keptCell(node, resource)),
  }
}

export const lockingBooks: OpenBooks = (forest) => {
  const path = new WholePathLocks(forest.tree),
    nodes = nodesOf(forest)
  return {
    take: (leaf, amount) => path.take(nodes[leaf]!, amount),
    giveBack: (leaf, amount) => path.giveBack(nodes[leaf]!, amount),
    hash: () => hashOf(forest.tree, (node, resource) => path.cell(node, resource)),
  }
}

/** With everything around it: named claims, idempotence, refusals with their explanation, releases by name. */
export const claimBooks: OpenBooks = ({ tree, leaves }) => {
  const engine = new QuotaEngine(tree)
  const amountsOf = (amount: number) => {
    const amounts: Record<string, number> = {}
    for (const resource of tree.resources) amounts[resource] = amount
    return amounts
  }
  return {
    take: (leaf, amount, ask) =>
      engine.claim({ id: `c${ask}`, project: leaves[leaf]!, amounts: amountsOf(amount) }, ask).state !== 'refused',
    giveBack: (_leaf, _amount, ask) => engine.release(`c${ask}`, ask),
    hash() {
      const broken = audit(engine)
      if (broken) throw new Error(`The numbers are wrong: ${JSON.stringify(broken)}`)
      return hashOf(tree, (node, resource) => tree.ledger.keptCell(node, resource))
    },
  }
}

/** The naive way with a map of who was granted what; it explains nothing. */
export const namedLockingBooks: OpenBooks = (forest) => {
  const path = new WholePathLocks(forest.tree),
    nodes = new Map(forest.leaves.map((id) => [id, forest.tree.project(id).leaf])),
    granted = new Map<string, { node: number; amount: number }>()
  return {
    take(leaf, amount, ask) {
      const name = `c${ask}`
      if (granted.has(name)) return true
      const node = nodes.get(forest.leaves[leaf]!)!,
        isFree = path.take(node, amount)
      if (isFree) granted.set(name, { node, amount })
      return isFree
    },
    giveBack(_leaf, _amount, ask) {
      const claim = granted.get(`c${ask}`)
      if (claim) path.giveBack(claim.node, claim.amount)
      granted.delete(`c${ask}`)
    },
    hash: () => hashOf(forest.tree, (node, resource) => path.cell(node, resource)),
  }
}
