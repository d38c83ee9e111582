/** The tree as rows: a project's settings and numbers of one resource each, the parents first. */
import { toWire } from '#engines/quota/amounts.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { SelfHolding } from '#engines/quota/settings.ts'
import type { Project } from '#engines/quota/tree.ts'
import { Balances } from './balances.ts'
import type { ResourceBalance } from './balances.ts'

export interface BoardRow extends ResourceBalance {
  project: string
  parent: string | null
  depth: number
  resource: string
  lend: number
  borrow: number
  ceiling: number | null
  weight: number
  tier: number
  /** How its own containers take part beside its children; null where there are none. */
  self: SelfHolding | null
  deserved: number
  /** Of the project and everything below it. */
  subtree: number
}

export const branchRows = (engine: QuotaEngine, project: Project): BoardRow[] =>
  rowsBelow(engine, new Balances(engine), { project, depth: 0 })

interface Place {
  project: Project
  depth: number
}

const rowsBelow = (engine: QuotaEngine, balances: Balances, { project, depth }: Place): BoardRow[] => {
  const rows = engine.tree.resources.map((_, resource) => rowOf(engine, balances, { project, depth }, resource))
  const below = [...project.children].sort((a, b) => (a.id < b.id ? -1 : 1))
  return [...rows, ...below.flatMap((child) => rowsBelow(engine, balances, { project: child, depth: depth + 1 }))]
}

const rowOf = ({ tree }: QuotaEngine, balances: Balances, { project, depth }: Place, resource: number): BoardRow => ({
  project: project.id,
  parent: project.parent?.id ?? null,
  depth,
  resource: tree.resources[resource]!,
  ...balances.of(project, resource),
  ...termsOf(project.holdings[resource]!),
  self: project.leaf === project.node ? null : termsOf(project.selfHoldings[resource]!),
  deserved: balances.deserved(project, resource),
  subtree: tree.ledger.subtree(project.node, resource),
})

/** As people set them: −1 for no limit. */
export const termsOf = ({ lend, borrow, ceiling, weight, tier }: SelfHolding): SelfHolding => ({
  lend: toWire(lend),
  borrow: toWire(borrow),
  ceiling: ceiling === null ? null : toWire(ceiling),
  weight,
  tier,
})
