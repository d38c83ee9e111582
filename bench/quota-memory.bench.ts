/** QB1: quota decisions in memory on trees of every shape, beside locking the whole path. */
import { QuotaEngine } from '../packages/server/src/engines/quota/engine.ts'
import { audit } from '../packages/server/src/engines/quota/state.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import type { ForestShape } from './quota/forest.ts'
import { growForest, randomOf } from './quota/forest.ts'
import { WholePathLocks } from './quota/whole-path.ts'

const name = 'quota-memory'
const decisions = 1_500_000
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
  p99Us: number
  refused: number
}

/** Runs `step` so often, timed in slices of 100 for the percentile, after a warm-up. */
const time = (step: () => boolean, total: number): Run => {
  for (let warm = 0; warm < 200_000; warm++) step()
  const slices = new Float64Array(total / 100),
    start = performance.now()
  let refused = 0
  for (let slice = 0; slice < slices.length; slice++) {
    const before = performance.now()
    for (let op = 0; op < 100; op++) if (!step()) refused++
    slices[slice] = (performance.now() - before) * 10
  }
  const perSecond = total / ((performance.now() - start) / 1000)
  return { perSecond, p99Us: slices.sort()[Math.floor(slices.length * 0.99)]!, refused: refused / total }
}

/** The decision alone: does the vector fit on the whole path, and if so count it; or give one back. */
const decide = (shape: ForestShape, total: number): Run => {
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
  return time(() => {
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
  }, total)
}

/** The same with everything around it: named claims, idempotence, refusals with their explanation, releases by name. */
const keepClaims = (shape: ForestShape, total: number): Run => {
  const { tree, leaves } = growForest(shape),
    engine = new QuotaEngine(tree),
    random = randomOf(7)
  const live: string[] = []
  let made = 0
  const result = time(() => {
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
  }, total)
  const broken = audit(engine)
  if (broken) throw new Error(`The numbers are wrong: ${JSON.stringify(broken)}`)
  return result
}

const driveNaive = async (shape: ForestShape): Promise<number> => {
  const { tree, leaves } = growForest(shape),
    locks = new WholePathLocks(tree.resources),
    random = randomOf(7)
  for (const project of tree.projects) locks.add(project.id, project.parent?.id ?? null, project.holdings[0]!.own)
  const start = performance.now()
  const worker = async (count: number) => {
    for (let op = 0; op < count; op++) {
      const amounts = Object.fromEntries(tree.resources.map((resource) => [resource, 1 + Math.floor(random() * 4)]))
      await locks.take(leaves[Math.floor(random() * leaves.length)]!, amounts)
    }
  }
  await Promise.all(Array.from({ length: 16 }, () => worker(naiveDecisions / 16)))
  return naiveDecisions / ((performance.now() - start) / 1000)
}

const run = async ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const rate = { bench: name, unit: 'decisions/s' }
  say(`${decisions.toLocaleString('en')} claims and releases on 19,531 projects, depth 6, mixed modes`)
  const first = decide(main, decisions),
    naive = await driveNaive(main),
    kept = keepClaims(main, decisions / 3)
  say(`refused: ${(100 * first.refused).toFixed(1)} % and ${(100 * kept.refused).toFixed(1)} %`)
  const figures = [
    figure({
      ...rate,
      metric: '19,531 projects, depth 6, mixed',
      value: first.perSecond,
      baseline: naive,
      goal: { of: 'value', is: 'at least', limit: 500_000 },
    }),
    figure({
      bench: name,
      metric: 'p99 of a decision, mean of 100',
      unit: 'µs',
      value: first.p99Us,
      goal: { of: 'value', is: 'at most', limit: 20 },
    }),
    figure({
      ...rate,
      metric: 'the same as named, idempotent claims',
      value: kept.perSecond,
      baseline: naive,
      goal: { of: 'ratio', is: 'at least', limit: 2 },
    }),
  ]
  for (const [metric, shape] of shapes) {
    signal.throwIfAborted()
    say(metric)
    const { perSecond } = decide(shape, decisions / 3)
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

export const bench: Bench = { name, about: 'Quota decisions in memory, beside locking the whole path', run }
