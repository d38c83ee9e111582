/** Random quota trees: every mode, at every level, with and without containers on inner projects. */
import fc from 'fast-check'
import { UNLIMITED } from '../amounts.ts'
import type { QuotaTree } from '../tree.ts'
import type { JudgedNode } from './flow-oracle.ts'
import type { Plot } from './planted.ts'

const limits = fc.oneof(
  { weight: 2, arbitrary: fc.constant(UNLIMITED) },
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.nat(6) },
)

export interface PlotOptions {
  ceilings?: boolean
  tiers?: boolean
  depthMax?: number
}

interface InnerPlot extends Plot {
  slack: number | null
  below: (Plot | null)[]
  leaves: Plot[]
}

const plotOf = (depth: number, options: PlotOptions): fc.Arbitrary<Plot> =>
  fc
    .record<InnerPlot>({
      pool: fc.nat(6),
      self: fc.nat(6),
      lend: limits,
      borrow: limits,
      weight: fc.nat(4),
      tier: options.tiers ? fc.integer({ min: 1, max: 3 }) : fc.constant(1),
      slack: options.ceilings ? fc.option(fc.nat(4), { nil: null }) : fc.constant(null),
      selfSettings: fc.record({ lend: limits, borrow: limits, weight: fc.nat(3) }),
      below:
        depth <= 1
          ? fc.constant([])
          : fc.array(
              fc.oneof(
                { weight: 3, arbitrary: fc.constant(null) },
                { weight: 2, arbitrary: plotOf(depth - 1, options) },
              ),
              { maxLength: 3 },
            ),
      leaves: fc.array(leafOf(options), { minLength: 2, maxLength: 4 }),
    })
    .map(({ below, leaves, slack, ...plot }) => {
      const children = [...leaves, ...below.filter((child) => child !== null)]
      const named = Object.fromEntries(children.map((child, index) => [`c${index}`, child]))
      return withCeiling({ ...plot, children: named }, slack)
    })

const leafOf = (options: PlotOptions): fc.Arbitrary<Plot> =>
  fc
    .record({
      own: fc.nat(8),
      lend: limits,
      borrow: limits,
      weight: fc.nat(4),
      tier: options.tiers ? fc.integer({ min: 1, max: 3 }) : fc.constant(1),
      slack: options.ceilings ? fc.option(fc.nat(4), { nil: null }) : fc.constant(null),
    })
    .map(({ slack, ...plot }) => withCeiling(plot, slack))

const totalOwn = (plot: Plot): number =>
  plot.own ??
  Object.values(plot.children ?? {}).reduce((sum, child) => sum + totalOwn(child), (plot.pool ?? 0) + (plot.self ?? 0))

const withCeiling = (plot: Plot, slack: number | null): Plot =>
  slack === null ? plot : { ...plot, ceiling: totalOwn(plot) + slack }

/** Children of different parents get different names: their path. */
const withPaths = (plot: Plot, path: string): Plot => ({
  ...plot,
  children: Object.fromEntries(
    Object.entries(plot.children ?? {}).map(([name, child]) => [
      `${path}.${name}`,
      withPaths(child, `${path}.${name}`),
    ]),
  ),
})

export const randomPlots = (options: PlotOptions = {}): fc.Arbitrary<Record<string, Plot>> =>
  plotOf(options.depthMax ?? 4, options).map((plot) => ({ r: withPaths(plot, 'r') }))

/** The tree as the oracle sees it: from configuration alone, use as given. */
export const judged = (tree: QuotaTree, useAt: (leaf: number) => number, resource = 0): JudgedNode[] => {
  const nodes: JudgedNode[] = [],
    places = new Map<number, number>()
  const put = (node: number, parent: number, rest: Omit<JudgedNode, 'parent'>) => {
    places.set(node, nodes.length)
    nodes.push({ parent, ...rest })
  }
  for (const project of tree.projects) {
    const { own, pool, lend, borrow, ceiling } = project.holdings[resource]!
    const above = project.parent ? places.get(project.parent.node)! : -1
    const cap = ceiling ?? own + (project.parent ? borrow : 0)
    const isLeaf = project.leaf === project.node
    put(project.node, above, {
      base: isLeaf ? own : pool,
      lend,
      borrow,
      ceiling: cap,
      use: isLeaf ? useAt(project.leaf) : 0,
    })
    if (isLeaf) continue
    const self = project.selfHoldings[resource]!,
      children = [...project.children]
    const base = own - pool - children.reduce((sum, child) => sum + child.holdings[resource]!.own, 0)
    put(project.leaf, places.get(project.node)!, {
      base,
      lend: self.lend,
      borrow: self.borrow,
      ceiling: self.ceiling ?? base + self.borrow,
      use: useAt(project.leaf),
    })
  }
  return nodes
}
