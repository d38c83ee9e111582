/** What a change of settings costs on trees of one depth and a hundred times the size. */
import type { Bench, BenchContext, Figure, Goal } from './bench.ts'
import { figure } from './bench.ts'
import { UNLIMITED } from '../packages/server/src/engines/quota/amounts.ts'
import { QuotaTree } from '../packages/server/src/engines/quota/tree.ts'
import { type Forest, growForest, sizesOfOneDepth } from './quota/forest.ts'
import { ownMs } from './quota/own-time.ts'
import { median } from './support/statistics.ts'

const name = 'quota-change'
const rounds = 5
const operations = 40_000
/** So many neighbours change, whatever the size: what differs is the tree, not how much of it a cache must hold. */
const leavesUsed = 200

type Operation = (forest: Forest) => (number: number) => void

/** What a leaf lends becomes one less, and one more: it is carried to the root. */
const lendLess: Operation = ({ tree, leaves }) => {
  const chosen = leaves.slice(0, leavesUsed)
  return (number) => tree.configure(chosen[number % chosen.length]!, 0, { lend: number % 2 })
}

/** A project comes below a leaf's parent, may borrow one unit, and goes again. */
const addAndRemove: Operation = ({ tree, leaves }) => {
  const chosen = leaves.slice(0, leavesUsed)
  return (number) => {
    const parent = tree.project(chosen[number % chosen.length]!).parent!.id
    tree.addProject('guest', parent)
    tree.configure('guest', 0, { borrow: 1 })
    tree.removeProject('guest')
  }
}

/** A leaf that owns nothing goes to another parent. */
const move: Operation = ({ tree, leaves }) => {
  const parents = leaves.slice(0, leavesUsed).map((id) => tree.project(id).parent!.id)
  tree.addProject('nomad', parents[0]!)
  return (number) => tree.moveProject('nomad', parents[number % parents.length]!)
}

interface Cost {
  title: string
  operation: Operation
  goal: Goal
}

const noDearer: Goal = { of: 'ratio', is: 'at most', limit: 2 }

/** Adding and removing pays for the runtime's own maps of names, which are slow to forget when they are large. */
const costs: Cost[] = [
  { title: 'set what a leaf lends', operation: lendLess, goal: noDearer },
  { title: 'move a project', operation: move, goal: noDearer },
  {
    title: 'add, set and remove a project',
    operation: addAndRemove,
    goal: { of: 'value', is: 'at most', limit: 1_000 },
  },
]

/** Median over rounds, in µs of the process's own time each. */
const costOf = (operation: (number: number) => void): number => {
  const each = Math.floor(operations / rounds)
  let number = 0
  const timed = () => {
    const ms = ownMs(() => {
      for (let done = 0; done < each; done++) operation(number++)
    })
    return (ms * 1000) / each
  }
  timed()
  return median(Array.from({ length: rounds }, timed))
}

const grow = (branches: readonly number[]): Forest => growForest({ branches, resources: 3, mode: 'mixed', own: 24 })

const bySize = (say: BenchContext['say'], signal: AbortSignal): Figure[] => {
  const [small, ...larger] = sizesOfOneDepth.map(({ title, branches }) => {
    signal.throwIfAborted()
    const forest = grow(branches)
    say(title)
    return { title, measured: costs.map(({ operation }) => costOf(operation(forest))) }
  })
  return costs.flatMap(({ title, goal }, index) =>
    larger.map((one) =>
      figure({
        bench: name,
        metric: `${title}, ${one.title} to ${small!.title}`,
        unit: 'CPU µs',
        value: one.measured[index]!,
        baseline: small!.measured[index]!,
        goal,
      }),
    ),
  )
}

/** One parent with very many children: a change at one of them must not ask its siblings. */
const wide = (children: number): Forest => {
  const tree = new QuotaTree(),
    resource = tree.addResource('units')
  tree.addProject('org', null)
  tree.configure('org', resource, { own: children * 2 })
  for (let child = 0; child < children; child++) {
    tree.addProject(`t${child}`, 'org')
    tree.configure(`t${child}`, resource, { own: 2, lend: 1, borrow: UNLIMITED })
  }
  return { tree, leaves: [...tree.projects].slice(1).map(({ id }) => id), projects: children + 1 }
}

const bySiblings = (say: BenchContext['say']): Figure => {
  const [few, many] = [100, 100_000].map((children) => {
    say(`${children} siblings`)
    return costOf(lendLess(wide(children)))
  })
  return figure({
    bench: name,
    metric: 'set what one of 100,000 siblings lends, to one of 100',
    unit: 'CPU µs',
    value: many!,
    baseline: few!,
    goal: noDearer,
  })
}

const largest = sizesOfOneDepth[2]

/** The alternative to carrying a change up: derive everything anew. */
const againstRebuild = (): Figure => {
  const forest = grow(largest.branches),
    { ledger, roots } = forest.tree
  const change = costOf(lendLess(forest))
  const rebuild = () =>
    ledger.rebuild(
      0,
      roots.map(({ node }) => node),
      (leaf) => ledger.counted(leaf, 0),
    )
  return figure({
    bench: name,
    metric: `set what a leaf lends, to deriving ${largest.title} anew`,
    unit: 'CPU µs',
    value: change,
    baseline: 1000 * median(Array.from({ length: rounds }, () => ownMs(rebuild))),
    goal: { of: 'ratio', is: 'at most', limit: 0.01 },
  })
}

const run = ({ say, signal }: BenchContext): Promise<Figure[]> =>
  Promise.resolve([...bySize(say, signal), bySiblings(say), againstRebuild()])

export const bench: Bench = { name, about: 'Changes of quota settings on small and large trees', run }
