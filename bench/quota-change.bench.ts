/** What a decision and a change of settings cost on trees of one depth and a hundred times the size. */
import type { Bench, BenchContext, Figure, Goal } from './bench.ts'
import { figure } from './bench.ts'
import { UNLIMITED } from '../packages/server/src/engines/quota/amounts.ts'
import { QuotaTree } from '../packages/server/src/engines/quota/tree.ts'
import { type Forest, growForest, randomOf } from './quota/forest.ts'
import { median } from './support/statistics.ts'

const name = 'quota-change'
const rounds = 5
const operations = 40_000
/** So many leaves are used, whatever the size: what differs then is the tree, not how much of it a cache must hold. */
const leavesUsed = 200

/** All of depth 6, with three resources and mixed modes. */
const sizes = [
  { branch: 3, title: '1,093' },
  { branch: 5, title: '19,531' },
  { branch: 7, title: '137,257' },
] as const

type Operation = (forest: Forest) => (number: number) => void

const choiceOf = <T>(items: readonly T[], seed: number): T[] => {
  const random = randomOf(seed)
  return Array.from({ length: Math.min(leavesUsed, items.length) }, () => items[Math.floor(random() * items.length)]!)
}

/** Claims one and gives one back, of each resource. */
const decide: Operation = ({ tree, leaves }) => {
  const { ledger } = tree,
    chosen = choiceOf(leaves, 3).map((id) => tree.project(id).leaf)
  return (number) => {
    const leaf = chosen[number % chosen.length]!
    for (let resource = 0; resource < 3; resource++)
      if (!ledger.fits(leaf, resource, 1)) throw new Error('It must fit.')
    for (let resource = 0; resource < 3; resource++) ledger.apply(leaf, resource, 1)
    for (let resource = 0; resource < 3; resource++) ledger.apply(leaf, resource, -1)
  }
}

/** What a leaf lends becomes one less, and one more: it is carried to the root. */
const lendLess: Operation = ({ tree, leaves }) => {
  const chosen = choiceOf(leaves, 5)
  return (number) => tree.configure(chosen[number % chosen.length]!, 0, { lend: number % 2 })
}

/** A project comes below a leaf's parent, may borrow one unit, and goes again. */
const addAndRemove: Operation = ({ tree, leaves }) => {
  const chosen = choiceOf(leaves, 7)
  return (number) => {
    const parent = tree.project(chosen[number % chosen.length]!).parent!.id
    tree.addProject('guest', parent)
    tree.configure('guest', 0, { borrow: 1 })
    tree.removeProject('guest')
  }
}

/** A leaf that owns nothing goes to another parent. */
const move: Operation = ({ tree, leaves }) => {
  const parents = choiceOf(leaves, 11).map((id) => tree.project(id).parent!.id)
  tree.addProject('nomad', parents[0]!)
  return (number) => tree.moveProject('nomad', parents[number % parents.length]!)
}

interface Cost {
  title: string
  operation: Operation
  goal: Goal
}

const noDearer: Goal = { of: 'ratio', is: 'at most', limit: 3 }

/** Adding and removing pays for the runtime's own maps of names, which are slow to forget when they are large. */
const costs: Cost[] = [
  { title: 'a claim and its release', operation: decide, goal: noDearer },
  { title: 'set what a leaf lends', operation: lendLess, goal: noDearer },
  { title: 'move a project', operation: move, goal: noDearer },
  {
    title: 'add, set and remove a project',
    operation: addAndRemove,
    goal: { of: 'value', is: 'at most', limit: 1_000 },
  },
]

/** Median over rounds, in µs each. */
const costOf = (operation: (number: number) => void): number => {
  const each = Math.floor(operations / rounds)
  let number = 0
  const timed = () => {
    const start = performance.now()
    for (let done = 0; done < each; done++) operation(number++)
    return ((performance.now() - start) * 1000) / each
  }
  timed()
  return median(Array.from({ length: rounds }, timed))
}

const grow = (branch: number): Forest => growForest({ branch, depth: 6, resources: 3, mode: 'mixed', own: 24 })

const bySize = (say: BenchContext['say'], signal: AbortSignal): Figure[] => {
  const measured = sizes.map(({ branch, title }) => {
    signal.throwIfAborted()
    const forest = grow(branch)
    say(`${title} projects`)
    return costs.map(({ operation }) => costOf(operation(forest)))
  })
  return costs.map(({ title, goal }, index) =>
    figure({
      bench: name,
      metric: `${title}, ${sizes.at(-1)!.title} projects to ${sizes[0].title}`,
      unit: 'µs',
      value: measured.at(-1)![index]!,
      baseline: measured[0]![index]!,
      goal,
    }),
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
    unit: 'µs',
    value: many!,
    baseline: few!,
    goal: noDearer,
  })
}

/** The alternative to carrying a change up: derive everything anew. */
const againstRebuild = (): Figure => {
  const forest = grow(sizes.at(-1)!.branch),
    { ledger, roots } = forest.tree
  const change = costOf(lendLess(forest))
  const start = performance.now()
  ledger.rebuild(
    0,
    roots.map(({ node }) => node),
    (leaf) => ledger.counted(leaf, 0),
  )
  const rebuild = (performance.now() - start) * 1000
  return figure({
    bench: name,
    metric: `set what a leaf lends, to deriving ${sizes.at(-1)!.title} projects anew`,
    unit: 'µs',
    value: change,
    baseline: rebuild,
    goal: { of: 'ratio', is: 'at most', limit: 0.01 },
  })
}

const run = ({ say, signal }: BenchContext): Promise<Figure[]> =>
  Promise.resolve([...bySize(say, signal), bySiblings(say), againstRebuild()])

export const bench: Bench = { name, about: 'Quota decisions and changes of settings on small and large trees', run }
