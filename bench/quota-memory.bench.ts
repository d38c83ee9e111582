/** QB1: quota decisions in memory on trees of every shape and size, beside locking the whole path on the same one. */
import type { Bench, BenchContext, Figure, Goal } from './bench.ts'
import { figure } from './bench.ts'
import { claimBooks, ledgerBooks, lockingBooks, namedLockingBooks } from './quota/books.ts'
import type { OpenBooks } from './quota/books.ts'
import type { ForestShape } from './quota/forest.ts'
import { growForest, regular, sizesOfOneDepth } from './quota/forest.ts'
import { latenciesOf, Load, ratesInTurn } from './quota/load.ts'
import type { Rate } from './quota/load.ts'
import { median } from './support/statistics.ts'

const name = 'quota-memory'
const rounds = 5
/** Depth is counted in steps from the root: 6 makes paths of seven projects. */
const main: ForestShape = { branches: regular(5, 6), resources: 3, mode: 'mixed', own: 24 }

const shapes: [string, ForestShape][] = [
  ['11,111 projects, depth 4', { ...main, branches: regular(10, 4) }],
  ['exclusive', { ...main, mode: 'exclusive' }],
  ['all lend', { ...main, mode: 'lend' }],
  ['20,440 projects, depth 3', { ...main, branches: regular(27, 3) }],
  ['9,841 projects, depth 8', { ...main, branches: regular(3, 8) }],
  ['8 resources', { ...main, resources: 8 }],
]

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const own = (rates: readonly Rate[]): number[] => rates.map((rate) => rate.own)

const describe = (title: string, rates: readonly Rate[]): string =>
  `${title}: ${whole.format(median(own(rates)))} /CPU s (${whole.format(Math.min(...own(rates)))} to ` +
  `${whole.format(Math.max(...own(rates)))}), ${whole.format(median(rates.map(({ clock }) => clock)))} /s by ` +
  `the clock, ${(100 * rates[0]!.refused).toFixed(1)} % refused`

/** Which leaves ask, by their places. */
type Choice = (leaves: number) => number[]

const all: Choice = (leaves) => Array.from({ length: leaves }, (_, leaf) => leaf)
const neighbours: Choice = () => all(600)
const scattered: Choice = (leaves) => all(600).map((leaf) => Math.floor((leaf * leaves) / 600))

const loadOf = (open: OpenBooks, shape: ForestShape, choose: Choice = all): Load => {
  const forest = growForest(shape)
  return new Load(open(forest), choose(forest.leaves.length))
}

interface Comparison {
  title: string
  shape: ForestShape
  ours: OpenBooks
  naive: OpenBooks
  /** Decisions a round. */
  total: number
  goal: Goal
}

const rate = { bench: name, unit: 'decisions/CPU s' }
const atLeast = (limit: number): Goal => ({ of: 'value', is: 'at least', limit })

/** The same steps by the engine and by the naive way, which must lead to the same numbers. */
const compare = ({ title, shape, ours, naive, total, goal }: Comparison, say: BenchContext['say']): Figure => {
  const loads = [loadOf(ours, shape), loadOf(naive, shape)]
  const [rates, naiveRates] = ratesInTurn(loads, rounds, total)
  const [state, naiveState] = loads.map((load) => load.hash())
  if (state !== naiveState) throw new Error(`${title}: the same decisions led to different numbers.`)
  say(describe(title, rates!))
  say(`${describe('  the whole path locked', naiveRates!)}; both end in state ${state}`)
  return figure({ ...rate, metric: title, value: median(own(rates!)), baseline: median(own(naiveRates!)), goal })
}

const decisions = { ours: ledgerBooks, naive: lockingBooks, shape: main, total: 600_000 }
const comparisons: Comparison[] = [
  { ...decisions, title: '19,531 projects, depth 6, mixed', goal: atLeast(500_000) },
  {
    ...decisions,
    title: 'the same as named, idempotent claims',
    ours: claimBooks,
    naive: namedLockingBooks,
    total: 150_000,
    goal: atLeast(200_000),
  },
  ...shapes.map(([title, shape]) => ({ ...decisions, title, shape, total: 200_000, goal: atLeast(200_000) })),
]

const latency = (say: BenchContext['say']): Figure => {
  const [ours, naive] = [ledgerBooks, lockingBooks].map((open) => latenciesOf(loadOf(open, main), 600_000))
  const [p50, p99, p999] = ours!
  say(`one decision by the clock: p50 ${p50.toFixed(1)} µs, p99 ${p99.toFixed(1)} µs, p99.9 ${p999.toFixed(1)} µs`)
  const metric = 'p99 of one decision, by the clock'
  return figure({
    bench: name,
    metric,
    unit: 'µs',
    value: p99,
    baseline: naive![1],
    goal: { of: 'value', is: 'at most', limit: 20 },
  })
}

interface InUse {
  title: string
  choose: Choice
  /** For the larger trees; the baseline is the smallest. */
  goal: Goal
}

/**
 * Neighbours touch as much memory whatever the size: what differs is the tree alone. Scattered ones share less of their
 * paths, and all of them touch a hundred times the memory; what that costs is the cache's part.
 */
const inUse: InUse[] = [
  { title: '600 neighbours ask', choose: neighbours, goal: { of: 'ratio', is: 'at least', limit: 0.8 } },
  { title: '600 scattered ask', choose: scattered, goal: atLeast(200_000) },
  { title: 'all ask', choose: all, goal: atLeast(200_000) },
]

/** What a decision costs must grow with the depth only: each size beside the smallest. */
const bySize = ({ title, choose, goal }: InUse, say: BenchContext['say']): Figure[] => {
  const loads = sizesOfOneDepth.map(({ branches }) => loadOf(ledgerBooks, { ...main, branches }, choose))
  const titles = sizesOfOneDepth.map((size) => `${size.title}, depth 6, ${title}`)
  const medians = ratesInTurn(loads, rounds, 400_000).map((rates, index) => {
    say(describe(titles[index]!, rates))
    return median(own(rates))
  })
  const [first, ...larger] = medians.map((value, index) => ({ ...rate, metric: titles[index]!, value }))
  const beside = larger.map((one) => figure({ ...one, baseline: first!.value, goal }))
  return [figure({ ...first!, goal: atLeast(200_000) }), ...beside]
}

const run = ({ say, signal }: BenchContext): Promise<Figure[]> => {
  say('Asks and releases, 55 to 45, on full trees of mixed modes with three resources, where not said otherwise')
  const steps: (() => Figure | Figure[])[] = [
    ...comparisons.map((comparison) => () => compare(comparison, say)),
    () => latency(say),
    ...inUse.map((choice) => () => bySize(choice, say)),
  ]
  const figures = steps.map((step) => {
    signal.throwIfAborted()
    return step()
  })
  return Promise.resolve(figures.flat())
}

export const bench: Bench = { name, about: 'Quota decisions in memory, beside locking the whole path', run }
