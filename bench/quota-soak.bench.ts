/** CB1: random histories against an independent max-flow, rebuilds, and closed systems that must come to rest. */
import { AssertionError } from 'node:assert'
import fc from 'fast-check'
import { plant } from '../packages/server/src/engines/quota/testing/planted.ts'
import { playUntilRest, type ClosedSystem } from '../packages/server/src/engines/quota/testing/closed-system.ts'
import { isSatisfiable } from '../packages/server/src/engines/quota/testing/flow-oracle.ts'
import { judged } from '../packages/server/src/engines/quota/testing/judged-tree.ts'
import { owed } from '../packages/server/src/engines/quota/testing/plans.ts'
import { randomPlots } from '../packages/server/src/engines/quota/testing/random-plots.ts'
import {
  crowded,
  systems as randomSystems,
  type SystemOptions,
} from '../packages/server/src/engines/quota/testing/random-systems.ts'
import type { QuotaTree } from '../packages/server/src/engines/quota/tree.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import { randomOf } from './quota/forest.ts'

const name = 'quota-soak'
/** Ten million by definition; by default what takes a quarter of a minute. */
const operations = Number(process.env.QUAYSTONE_SOAK_OPERATIONS ?? 200_000)
const systems = Number(process.env.QUAYSTONE_SOAK_SYSTEMS ?? 10_000)
const treesAtOnce = 500
const operationsEach = 40

interface Compared {
  done: number
  decided: number
  /** Decisions that the oracle would have taken otherwise. */
  wrong: number
  /** Trees whose running numbers are not what settings and use give. */
  drifted: number
}

const compareWithOracle = ({ say, signal }: BenchContext): Compared => {
  const compared: Compared = { done: 0, decided: 0, wrong: 0, drifted: 0 },
    random = randomOf(13)
  for (let seed = 1; compared.done < operations; seed++) {
    signal.throwIfAborted()
    for (const plots of fc.sample(randomPlots({ ceilings: true }), { numRuns: treesAtOnce, seed }))
      playTree(plant(plots), random, compared)
    if (seed % 50 === 0) say(`${compared.done} operations: ${compared.wrong} wrong, ${compared.drifted} drifted`)
  }
  return compared
}

const playTree = (tree: QuotaTree, random: () => number, compared: Compared): void => {
  const { ledger } = tree,
    leaves = [...tree.projects].map((project) => project.leaf)
  for (let step = 0; step < operationsEach; step++, compared.done++) {
    const leaf = leaves[Math.floor(random() * leaves.length)]!,
      amount = 1 + Math.floor(random() * 4)
    if (random() < 0.3 && ledger.counted(leaf, 0) >= amount) {
      ledger.apply(leaf, 0, -amount)
      continue
    }
    const fits = ledger.fits(leaf, 0, amount)
    const flows = isSatisfiable(judged(tree, (at) => ledger.counted(at, 0) + (at === leaf ? amount : 0)))
    if (fits !== flows) compared.wrong++
    if (fits) ledger.apply(leaf, 0, amount)
    compared.decided++
  }
  if (hasDrifted(tree)) compared.drifted++
}

const hasDrifted = ({ ledger, roots, projects }: QuotaTree): boolean => {
  const use = new Map([...projects].map(({ leaf }) => [leaf, ledger.counted(leaf, 0)])),
    kept = ledger.snapshot(0)
  ledger.rebuild(
    0,
    roots.map(({ node }) => node),
    (leaf) => use.get(leaf)!,
  )
  return ledger.snapshot(0).some((value, at) => value !== kept[at])
}

interface Soak {
  restless: number
  owed: number
  evictions: number
}

/** Trees of all shapes with ceilings, crowded ones where cool-downs end, and three resources at once. */
const kinds: readonly SystemOptions[] = [
  ...[[1], [1, 2, 3, 5], [2, 7], [1, 4, 9]].map((sizes) => ({ sizes, jobs: { minLength: 25, maxLength: 25 } })),
  { sizes: [1, 2, 4], ...crowded, stepMs: fc.constantFrom(1, 10_000, 60_000) },
  { sizes: [1, 2, 4], resources: ['cpu', 'mem', 'gpu'], jobs: { minLength: 25, maxLength: 25 } },
].map((kind) => ({ tiers: true, ceilings: true, ...kind }))

const systemsAtOnce = 250

const closedSystems = (signal: AbortSignal): Soak => {
  const soak: Soak = { restless: 0, owed: 0, evictions: 0 }
  for (let played = 0, seed = 2; played < systems; played += systemsAtOnce, seed++) {
    signal.throwIfAborted()
    const numRuns = Math.min(systemsAtOnce, systems - played)
    for (const system of fc.sample(randomSystems(kinds[seed % kinds.length]!), { numRuns, seed }))
      playSystem(system, soak)
  }
  return soak
}

const playSystem = (system: ClosedSystem, soak: Soak): void => {
  try {
    const rest = playUntilRest(system)
    soak.evictions += rest.evictions
    if (owed(rest).length > 0) soak.owed++
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    soak.restless++
  }
}

const run = ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const none = { of: 'value', is: 'at most', limit: 0 } as const
  say(`${operations} operations on random trees, against max-flow and a rebuild`)
  const { decided, wrong, drifted } = compareWithOracle({ say, signal })
  say(`${decided} decisions compared`)
  say(`${systems} closed, contended systems`)
  const { restless, owed, evictions } = closedSystems(signal)
  say(`${evictions} evictions in all`)
  const count = (metric: string, unit: string, value: number): Figure =>
    figure({ bench: name, metric, unit, value, goal: none })
  return Promise.resolve([
    count('decisions that differ from max-flow', 'decisions', wrong),
    count('trees whose numbers differ from a rebuild', 'trees', drifted),
    count('closed systems that never rest', 'systems', restless),
    count('closed systems that owe an owner', 'systems', owed),
  ])
}

export const bench: Bench = { name, about: 'Quota against max-flow, and closed systems that must come to rest', run }
