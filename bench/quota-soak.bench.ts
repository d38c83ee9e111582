/** CB1: random histories against an independent max-flow, rebuilds, and closed systems that must come to rest. */
import { AssertionError } from 'node:assert'
import fc from 'fast-check'
import { plant, type Plot } from '../packages/server/src/engines/quota/testing/planted.ts'
import { playUntilRest, type Job } from '../packages/server/src/engines/quota/testing/closed-system.ts'
import { isSatisfiable } from '../packages/server/src/engines/quota/testing/flow-oracle.ts'
import type { QuotaTree } from '../packages/server/src/engines/quota/tree.ts'
import { judged, randomPlots } from '../packages/server/src/engines/quota/testing/random-plots.ts'
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

const sizesOf = [[1], [1, 2, 3, 5], [2, 7], [1, 4, 9]]

const closedSystems = (random: () => number, signal: AbortSignal): Soak => {
  const soak: Soak = { restless: 0, owed: 0, evictions: 0 }
  for (const [index, plots] of fc.sample(randomPlots({ tiers: true }), { numRuns: systems, seed: 2 }).entries()) {
    signal.throwIfAborted()
    const sizes = sizesOf[index % sizesOf.length]!,
      projects = [...plant(plots).projects].map((project) => project.id)
    const jobs = Array.from({ length: 25 }, (): Job => ({
      project: projects[Math.floor(random() * projects.length)]!,
      size: sizes[Math.floor(random() * sizes.length)]!,
      priority: Math.floor(random() * 3),
    }))
    playSystem(plots, jobs, soak)
  }
  return soak
}

const playSystem = (plots: Record<string, Plot>, jobs: readonly Job[], soak: Soak): void => {
  try {
    const { engine, evictions, pending } = playUntilRest(plots, jobs)
    soak.evictions += evictions
    if (pending.some((job) => isOwed(engine, job))) soak.owed++
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    soak.restless++
  }
}

/** Within own at its project and at everything above it, and still waiting. */
const isOwed = ({ tree }: ReturnType<typeof playUntilRest>['engine'], { project, size }: Job): boolean => {
  const start = tree.project(project)
  if (tree.ledger.counted(start.leaf, 0) + size > tree.ledger.base(start.leaf, 0)) return false
  for (let at: typeof start | null = start; at; at = at.parent) {
    if (tree.ledger.subtree(at.node, 0) + size > at.holdings[0]!.own) return false
  }
  return true
}

const run = ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const none = { of: 'value', is: 'at most', limit: 0 } as const
  say(`${operations} operations on random trees, against max-flow and a rebuild`)
  const { decided, wrong, drifted } = compareWithOracle({ say, signal })
  say(`${decided} decisions compared`)
  say(`${systems} closed, contended systems`)
  const { restless, owed, evictions } = closedSystems(randomOf(17), signal)
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
