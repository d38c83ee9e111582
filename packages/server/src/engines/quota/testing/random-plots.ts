/** Random quota trees: every mode, at every level, with and without containers on inner projects. */
import fc from 'fast-check'
import { UNLIMITED } from '../amounts.ts'
import type { Holding } from '../settings.ts'
import { ownOf } from './planted.ts'
import type { Plot } from './planted.ts'

const limits = fc.oneof(
  { weight: 2, arbitrary: fc.constant(UNLIMITED) },
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.nat(6) },
)

export interface PlotOptions {
  ceilings?: boolean
  tiers?: boolean
  /** Levels of inner projects at most. Default: four, and every fourth tree is narrow and has seven. */
  depthMax?: number
  /** Default: `units` alone. Each has numbers of its own. */
  resources?: readonly string[]
}

const depthDefault = 4
const depthNarrow = 7

interface Numbers extends Partial<Holding> {
  /** How far its ceiling is above what it owns; null: it has none. */
  slack: number | null
}

const sharing = ({ ceilings, tiers }: PlotOptions) => ({
  lend: limits,
  borrow: limits,
  weight: fc.nat(4),
  tier: tiers ? fc.integer({ min: 1, max: 3 }) : fc.constant(1),
  slack: ceilings ? fc.option(fc.nat(4), { nil: null }) : fc.constant(null),
})

const ofEach = (options: PlotOptions, numbers: fc.Arbitrary<Numbers>): fc.Arbitrary<Record<string, Numbers>> =>
  fc.record(Object.fromEntries((options.resources ?? ['units']).map((name) => [name, numbers])))

const leafOf = (options: PlotOptions): fc.Arbitrary<Plot> =>
  ofEach(options, fc.record({ own: fc.nat(8), ...sharing(options) })).map((numbers) => withNumbers({}, numbers))

/** How many leaves and how many groups a project has. */
interface Shape {
  leaves(leaf: fc.Arbitrary<Plot>): fc.Arbitrary<Plot[]>
  groups(group: fc.Arbitrary<Plot>): fc.Arbitrary<Plot[]>
}

const broad: Shape = {
  leaves: (leaf) => fc.array(leaf, { minLength: 2, maxLength: 4 }),
  groups: (group) =>
    fc
      .array(
        fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 2, arbitrary: group }),
        { maxLength: 3 },
      )
      .map((list) => list.filter((one) => one !== null)),
}

const narrow: Shape = {
  leaves: (leaf) => fc.array(leaf, { minLength: 1, maxLength: 2 }),
  groups: (group) => fc.tuple(group),
}

const groupOf = (depth: number, options: PlotOptions, shape: Shape): fc.Arbitrary<Plot> =>
  fc
    .record({
      self: fc.nat(6),
      selfSettings: fc.record({ lend: limits, borrow: limits, weight: fc.nat(3) }),
      numbers: ofEach(options, fc.record({ pool: fc.nat(6), ...sharing(options) })),
      groups: depth <= 1 ? fc.constant([]) : shape.groups(groupOf(depth - 1, options, shape)),
      leaves: shape.leaves(leafOf(options)),
    })
    .map(({ groups, leaves, numbers, ...plot }) => {
      const children = Object.fromEntries([...leaves, ...groups].map((child, index) => [`c${index}`, child]))
      return withNumbers({ ...plot, children }, numbers)
    })

const withNumbers = (plot: Plot, numbers: Record<string, Numbers>): Plot => {
  const bare = { ...plot, of: numbers }
  const capped = Object.entries(numbers).map(([name, { slack, ...holding }]) => {
    const ceiling = slack === null ? null : ownOf(bare, name) + slack
    return [name, { ...holding, ceiling }] as const
  })
  return { ...plot, of: Object.fromEntries(capped) }
}

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

export const randomPlots = (options: PlotOptions = {}): fc.Arbitrary<Record<string, Plot>> => {
  const wide = groupOf(options.depthMax ?? depthDefault, options, broad)
  const deep = { weight: 1, arbitrary: groupOf(depthNarrow, options, narrow) }
  const tree = options.depthMax === undefined ? fc.oneof({ weight: 3, arbitrary: wide }, deep) : wide
  return tree.map((plot) => ({ r: withPaths(plot, 'r') }))
}
