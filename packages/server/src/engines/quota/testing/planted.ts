/** Plants a quota tree from a nested literal, as the tests and benchmarks write it. */
import { UNLIMITED } from '../amounts.ts'
import { QuotaTree } from '../tree.ts'
import type { Holding, Policy, SelfHolding } from '../settings.ts'

/**
 * One project with one set of numbers for every resource, or different ones in `of`. `self` is what own leaves over.
 */
export interface Plot extends Partial<Omit<Holding, 'own'>> {
  own?: number
  /** Own part of a project with children, when `own` is not given. */
  self?: number
  selfSettings?: Partial<SelfHolding>
  of?: Record<string, Partial<Holding>>
  policy?: Partial<Policy>
  children?: Record<string, Plot>
}

export const inf = UNLIMITED

export const plant = (plots: Record<string, Plot>, resources: readonly string[] = ['units']): QuotaTree => {
  const tree = new QuotaTree()
  for (const name of resources) tree.addResource(name)
  for (const [id, plot] of Object.entries(plots)) plantOne(tree, id, plot, null)
  return tree
}

/** What a plot owns: what is written, or the sum of its parts. */
export const ownOf = (plot: Plot, resource: string): number => {
  const written = plot.of?.[resource]?.own ?? plot.own
  if (written !== undefined) return written
  const pool = plot.of?.[resource]?.pool ?? plot.pool ?? 0
  return Object.values(plot.children ?? {}).reduce(
    (sum, child) => sum + ownOf(child, resource),
    pool + (plot.self ?? 0),
  )
}

const plantOne = (tree: QuotaTree, id: string, plot: Plot, parent: string | null): void => {
  tree.addProject(id, parent, plot.policy)
  tree.resources.forEach((name, resource) => {
    const { pool, borrow, ceiling, weight, tier } = plot
    const settings = defined({ pool, borrow, ceiling, weight, tier, lend: plot.lend ?? UNLIMITED, ...plot.of?.[name] })
    tree.configure(id, resource, { ...settings, own: ownOf(plot, name) })
  })
  for (const [child, below] of Object.entries(plot.children ?? {})) plantOne(tree, child, below, id)
  if (!plot.selfSettings) return
  tree.resources.forEach((_, resource) => tree.configureSelf(id, resource, plot.selfSettings!))
}

const defined = <T extends object>(object: T): Partial<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>
