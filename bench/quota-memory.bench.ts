/** QB1: quota decisions in memory on trees of every shape, beside locking the whole path. */
import { createHash } from 'node:crypto'
import { QuotaEngine } from '../packages/server/src/engines/quota/engine.ts'
import { audit } from '../packages/server/src/engines/quota/state.ts'
import type { QuotaTree } from '../packages/server/src/engines/quota/tree.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import type { ForestShape } from './quota/forest.ts'
import { growForest, randomOf } from './quota/forest.ts'
import { stopwatch } from './quota/own-time.ts'
import { WholePathLocks } from './quota/whole-path.ts'
import { median } from './support/statistics.ts'

const name = 'quota-memory'
const rounds = 5
const decisionsEach = 600_000
const naiveDecisions = 60_000
const main: ForestShape = { branch: 5, depth: 6, resources: 3, mode: 'mixed', own: 24 }

const shapes: [string, ForestShape][] = [
  ['11,111 projects, depth 4', { ...main, branch: 10, depth: 4 }],
  ['exclusive', { ...main, mode: 'exclusive' }],
  ['all lend', { ...main, mode: 'lend' }],
  ['depth 3', { ...main, branch: 27, depth: 3 }],
  ['depth 8', { ...main, branch: 3, depth: 8 }],
  ['8 resources', { ...main, resources: 8 }],
  ['1,093 projects', { ...main, branch: 3, depth: 6 }],
  ['111,111 projects', { ...main, branch: 10, depth: 5 }],
]

interface Run {
  perSecond: number
  refused: number
}

/** Something that can be asked again and again; a step is false when it was refused. */
interface Load {
  step(): boolean
  /** Names the state, so that runs from the same seed can be compared. */
  hash(): string
}

const warmUp = (load: Load): void => {
  for (let warm = 0; warm < 200_000; warm++) load.step()
}

const rateOf = (load: Load, total: number): Run => {
  warmUp(load)
  const seconds = stopwatch()
  let refused = 0
  for (let op = 0; op < total; op++) if (!load.step()) refused++
  return { perSecond: total / seconds(), refused: refused / total }
}

/** Each step timed by itself, which costs some itself: p50, p99 and p99.9 in µs. */
const latenciesOf = (load: Load, total: number): [number, number, number] => {
  warmUp(load)
  const took = new Float64Array(total)
  for (let op = 0; op < total; op++) {
    const before = performance.now()
    load.step()
    took[op] = (performance.now() - before) * 1000
  }
  took.sort()
  const at = (part: number) => took[Math.floor(total * part)]!
  return [at(0.5), at(0.99), at(0.999)]
}

const hashOf = ({ ledger, resources }: QuotaTree): string => {
  const hash = createHash('sha256')
  resources.forEach((_, resource) => hash.update(ledger.snapshot(resource)))
  return hash.digest('hex').slice(0, 16)
}

/** The decision alone: does the vector fit on the whole path, and if so count it; or give one back. */
const decide = (shape: ForestShape): Load => {
  const { tree, leaves } = growForest(shape),
    { ledger } = tree,
    random = randomOf(7),
    resources = shape.resources
  const live: { leaf: number; amount: number }[] = []
  const fits = (leaf: number, amount: number): boolean => {
    for (let resource = 0; resource < resources; resource++) if (!ledger.fits(leaf, resource, amount)) return false
    return true
  }
  const count = (leaf: number, amount: number): void => {
    for (let resource = 0; resource < resources; resource++) ledger.apply(leaf, resource, amount)
  }
  const step = (): boolean => {
    if (live.length > 0 && random() < 0.45) {
      const at = Math.floor(random() * live.length),
        { leaf, amount } = live[at]!
      live[at] = live.at(-1)!
      live.pop()
      count(leaf, -amount)
      return true
    }
    const { leaf } = tree.project(leaves[Math.floor(random() * leaves.length)]!),
      amount = 1 + Math.floor(random() * 4)
    if (!fits(leaf, amount)) return false
    count(leaf, amount)
    live.push({ leaf, amount })
    return true
  }
  return { step, hash: () => hashOf(tree) }
}

/** The same with everything around it: named claims, idempotence, refusals with their explanation, releases by name. */
const keepClaims = (shape: ForestShape): Load => {
  const { tree, leaves } = growForest(shape),
    engine = new QuotaEngine(tree),
    random = randomOf(7)
  const live: string[] = []
  let made = 0
  const step = (): boolean => {
    if (live.length > 0 && random() < 0.45) {
      const at = Math.floor(random() * live.length),
        id = live[at]!
      live[at] = live.at(-1)!
      live.pop()
      engine.release(id, made)
      return true
    }
    const id = `c${made++}`,
      amounts: Record<string, number> = {}
    for (const resource of tree.resources) amounts[resource] = 1 + Math.floor(random() * 4)
    const outcome = engine.claim({ id, project: leaves[Math.floor(random() * leaves.length)]!, amounts }, made)
    if (outcome.state !== 'refused') live.push(id)
    return outcome.state !== 'refused'
  }
  const hash = (): string => {
    const broken = audit(engine)
    if (broken) throw new Error(`The numbers are wrong: ${JSON.stringify(broken)}`)
    return hashOf(tree)
  }
  return { step, hash }
}

const driveNaive = async (shape: ForestShape): Promise<number> => {
  const { tree, leaves } = growForest(shape),
    locks = new WholePathLocks(tree.resources),
    random = randomOf(7)
  for (const project of tree.projects) locks.add(project.id, project.parent?.id ?? null, project.holdings[0]!.own)
  const seconds = stopwatch()
  const worker = async (count: number) => {
    for (let op = 0; op < count; op++) {
      const amounts = Object.fromEntries(tree.resources.map((resource) => [resource, 1 + Math.floor(random() * 4)]))
      await locks.take(leaves[Math.floor(random() * leaves.length)]!, amounts)
    }
  }
  await Promise.all(Array.from({ length: 16 }, () => worker(naiveDecisions / 16)))
  return naiveDecisions / seconds()
}

const rates = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** The same seed five times: the median rate. Every run must end in the same state. */
const repeat = (title: string, load: () => Load, total: number, say: BenchContext['say']): number => {
  const runs = Array.from({ length: rounds }, () => {
    const one = load()
    return { ...rateOf(one, total), hash: one.hash() }
  })
  const hashes = new Set(runs.map(({ hash }) => hash))
  if (hashes.size > 1) throw new Error(`The same decisions led to ${hashes.size} different states.`)
  const found = runs.map(({ perSecond }) => perSecond)
  const { refused, hash } = runs[0]!
  say(
    `${title}: ${rounds} runs of ${rates.format(total)}, ${rates.format(Math.min(...found))} to ` +
      `${rates.format(Math.max(...found))} /CPU s, ${(100 * refused).toFixed(1)} % refused, state ${hash}`,
  )
  return median(found)
}

const run = async ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const rate = { bench: name, unit: 'decisions/CPU s' }
  say('Claims and releases, 55 to 45, on 19,531 projects, depth 6, mixed modes, three resources each')
  const naive = await driveNaive(main)
  const first = repeat('decisions', () => decide(main), decisionsEach, say)
  signal.throwIfAborted()
  const kept = repeat('named claims', () => keepClaims(main), decisionsEach / 4, say)
  const figures = [
    figure({
      ...rate,
      metric: '19,531 projects, depth 6, mixed',
      value: first,
      baseline: naive,
      goal: { of: 'value', is: 'at least', limit: 500_000 },
    }),
    ...latencyFigures(say),
    figure({
      ...rate,
      metric: 'the same as named, idempotent claims',
      value: kept,
      baseline: naive,
      goal: { of: 'ratio', is: 'at least', limit: 2 },
    }),
  ]
  for (const [metric, shape] of shapes) {
    signal.throwIfAborted()
    const { perSecond } = rateOf(decide(shape), decisionsEach)
    figures.push(
      figure({
        ...rate,
        metric,
        value: perSecond,
        baseline: naive,
        goal: { of: 'value', is: 'at least', limit: 200_000 },
      }),
    )
  }
  return figures
}

const latencyFigures = (say: BenchContext['say']): Figure[] => {
  const [p50, p99, p999] = latenciesOf(decide(main), decisionsEach)
  say(`one decision: p50 ${p50.toFixed(1)} µs, p99 ${p99.toFixed(1)} µs, p99.9 ${p999.toFixed(1)} µs`)
  return [
    figure({
      bench: name,
      metric: 'p99 of one decision',
      unit: 'µs',
      value: p99,
      baseline: p50,
      goal: { of: 'value', is: 'at most', limit: 20 },
    }),
  ]
}

export const bench: Bench = { name, about: 'Quota decisions in memory, beside locking the whole path', run }
