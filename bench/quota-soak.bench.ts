/** CB1: random histories against an independent max-flow, rebuilds, and closed systems that must come to rest. */
import fc from 'fast-check'
import { plant } from '../packages/server/src/engines/quota/testing/planted.ts'
import { playUntilRest, type Job } from '../packages/server/src/engines/quota/testing/closed-system.ts'
import { isSatisfiable } from '../packages/server/src/engines/quota/testing/flow-oracle.ts'
import { judged, randomPlots } from '../packages/server/src/engines/quota/testing/random-plots.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import { randomOf } from './quota/forest.ts'

const name = 'quota-soak'
const trees = Number(process.env.QUAYSTONE_SOAK_TREES ?? 5_000)
const systems = 10_000

/** Decisions on random trees that the oracle would have taken otherwise. */
const mismatches = (random: () => number): { decided: number; wrong: number } => {
  let decided = 0,
    wrong = 0
  for (const plots of fc.sample(randomPlots({ ceilings: true }), { numRuns: trees, seed: 1 })) {
    const tree = plant(plots),
      leaves = [...tree.projects].map((project) => project.leaf),
      { ledger } = tree
    for (let step = 0; step < 40; step++) {
      const leaf = leaves[Math.floor(random() * leaves.length)]!,
        amount = 1 + Math.floor(random() * 4)
      if (random() < 0.3 && ledger.counted(leaf, 0) >= amount) {
        ledger.apply(leaf, 0, -amount)
        continue
      }
      const fits = ledger.fits(leaf, 0, amount)
      if (fits !== isSatisfiable(judged(tree, (at) => ledger.counted(at, 0) + (at === leaf ? amount : 0)))) wrong++
      if (fits) ledger.apply(leaf, 0, amount)
      decided++
    }
  }
  return { decided, wrong }
}

interface Soak {
  restless: number
  owed: number
  evictions: number
}

const closedSystems = (random: () => number): Soak => {
  const soak: Soak = { restless: 0, owed: 0, evictions: 0 }
  for (const [index, plots] of fc.sample(randomPlots({ tiers: true }), { numRuns: systems, seed: 2 }).entries()) {
    const sizes = [[1], [1, 2, 3, 5], [2, 7], [1, 4, 9]][index % 4]!,
      projects = [...plant(plots).projects].map((project) => project.id)
    const jobs = Array.from({ length: 25 }, (): Job => ({
      project: projects[Math.floor(random() * projects.length)]!,
      size: sizes[Math.floor(random() * sizes.length)]!,
      priority: Math.floor(random() * 3),
    }))
    try {
      const { engine, evictions, pending } = playUntilRest(plots, jobs)
      soak.evictions += evictions
      if (pending.some((job) => isOwed(engine, job))) soak.owed++
    } catch {
      soak.restless++
    }
  }
  return soak
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

const run = async ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const random = randomOf(13),
    none = { of: 'value', is: 'at most', limit: 0 } as const
  say(`${trees} random trees, 40 steps each, against max-flow`)
  const { decided, wrong } = mismatches(random)
  say(`${decided} decisions compared`)
  signal.throwIfAborted()
  say(`${systems} closed, contended systems`)
  const { restless, owed, evictions } = closedSystems(random)
  say(`${evictions} evictions in all`)
  return [
    figure({ bench: name, metric: 'decisions that differ from max-flow', unit: 'decisions', value: wrong, goal: none }),
    figure({ bench: name, metric: 'closed systems that never rest', unit: 'systems', value: restless, goal: none }),
    figure({ bench: name, metric: 'closed systems that owe an owner', unit: 'systems', value: owed, goal: none }),
  ]
}

export const bench: Bench = { name, about: 'Quota against max-flow, and closed systems that must come to rest', run }
