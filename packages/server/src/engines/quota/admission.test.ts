/** Admission against max-flow, and the conservation laws of the incremental numbers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isSatisfiable, satisfiable } from './testing/flow-oracle.ts'
import { plant } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { judged, randomPlots } from './testing/random-plots.ts'
import { entitlements } from './deserved.ts'
import type { QuotaTree } from './tree.ts'

const leavesOf = (tree: QuotaTree) => [...tree.projects].map((project) => project.leaf)
const steps = fc.array(
  fc.record({ at: fc.nat(1000), amount: fc.integer({ min: 1, max: 5 }), release: fc.boolean() }),
  {
    maxLength: 30,
  },
)
const choose = <T>(items: readonly T[], at: number): T => items[at % items.length]!

const play = (
  tree: QuotaTree,
  moves: { at: number; amount: number; release: boolean }[],
  check: (leaf: number, amount: number, admitted: boolean) => void,
) => {
  const leaves = leavesOf(tree),
    held = new Map<number, number[]>()
  for (const { at, amount, release } of moves) {
    const leaf = choose(leaves, at),
      mine = held.get(leaf) ?? []
    if (release && mine.length > 0) {
      tree.ledger.apply(leaf, 0, -mine.pop()!)
      continue
    }
    const admitted = tree.ledger.fits(leaf, 0, amount)
    check(leaf, amount, admitted)
    if (!admitted) continue
    tree.ledger.apply(leaf, 0, amount)
    held.set(leaf, [...mine, amount])
  }
}

test('a request is admitted exactly when lenders and borrowers can be matched', () => {
  fc.assert(
    fc.property(randomPlots({ ceilings: true }), steps, (plots, moves) => {
      const tree = plant(plots)
      play(tree, moves, (leaf, amount, admitted) => {
        const nodes = judged(tree, (at) => tree.ledger.counted(at, 0) + (at === leaf ? amount : 0))
        assert.equal(admitted, isSatisfiable(nodes))
      })
    }),
    propertyRuns(0.5),
  )
})

test('the available amount is admitted and one more is not', () => {
  fc.assert(
    fc.property(randomPlots({ ceilings: true }), steps, (plots, moves) => {
      const tree = plant(plots)
      play(tree, moves, (leaf) => {
        const available = tree.ledger.available(leaf, 0)
        assert.ok(available === 0 || tree.ledger.fits(leaf, 0, available))
        assert.ok(!tree.ledger.fits(leaf, 0, available + 1))
      })
    }),
    propertyRuns(),
  )
})

test('the incremental numbers equal a rebuild from configuration and use', () => {
  fc.assert(
    fc.property(randomPlots({ ceilings: true }), steps, (plots, moves) => {
      const tree = plant(plots)
      play(tree, moves, () => undefined)
      const kept = tree.ledger.snapshot(0)
      const use = new Map(leavesOf(tree).map((leaf) => [leaf, tree.ledger.counted(leaf, 0)]))
      tree.ledger.rebuild(
        0,
        tree.roots.map((root) => root.node),
        (leaf) => use.get(leaf)!,
      )
      assert.deepEqual(kept, tree.ledger.snapshot(0))
    }),
    propertyRuns(),
  )
})

test('nothing is over-committed at any ancestor after any sequence', () => {
  fc.assert(
    fc.property(randomPlots({ ceilings: true }), steps, (plots, moves) => {
      const tree = plant(plots),
        { ledger } = tree
      play(tree, moves, () => undefined)
      for (let node = 0; node < ledger.nodesMax; node++) {
        assert.ok(ledger.subtree(node, 0) <= ledger.ceiling(node, 0))
        assert.ok(ledger.counted(node, 0) <= ledger.bound(node, 0))
      }
    }),
    propertyRuns(),
  )
})

test('admit and release restore the state, and the order of admissions leaves no trace', () => {
  fc.assert(
    fc.property(
      randomPlots(),
      fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 5 })), { maxLength: 20 }),
      (plots, uses) => {
        const tree = plant(plots),
          leaves = leavesOf(tree),
          empty = tree.ledger.snapshot(0)
        for (const [at, amount] of uses) tree.ledger.apply(choose(leaves, at), 0, amount)
        const forward = tree.ledger.snapshot(0)
        for (const [at, amount] of uses) tree.ledger.apply(choose(leaves, at), 0, -amount)
        assert.deepEqual(tree.ledger.snapshot(0), empty)
        for (const [at, amount] of uses.toReversed()) tree.ledger.apply(choose(leaves, at), 0, amount)
        assert.deepEqual(tree.ledger.snapshot(0), forward)
      },
    ),
    propertyRuns(),
  )
})

test('the free private part is never denied because of what others use', () => {
  fc.assert(
    fc.property(randomPlots(), steps, (plots, moves) => {
      const tree = plant(plots),
        { ledger } = tree
      play(tree, moves, (leaf, amount, admitted) => {
        if (ledger.counted(leaf, 0) + amount <= ledger.private(leaf, 0)) assert.ok(admitted)
      })
    }),
    propertyRuns(),
  )
})

test('a fence with lend and borrow 0 keeps the outside from mattering inside', () => {
  fc.assert(
    fc.property(randomPlots({ depthMax: 3 }), randomPlots({ depthMax: 3 }), steps, (inside, outside, moves) => {
      const fenced = { ...inside.r!, lend: 0, borrow: 0, children: inside.r!.children }
      const tree = plant({ top: { pool: 3, children: { r: fenced, o: renamed(outside.r!) } } })
      const within = leavesOf(tree).filter((leaf) => tree.projectAt(leaf).id.startsWith('r'))
      const room = within.map((leaf) => tree.ledger.available(leaf, 0))
      play(
        tree,
        moves.map((move) => ({ ...move, release: false })),
        () => undefined,
      )
      for (const leaf of within) tree.ledger.apply(leaf, 0, -tree.ledger.counted(leaf, 0))
      assert.deepEqual(
        within.map((leaf) => tree.ledger.available(leaf, 0)),
        room,
      )
    }),
    propertyRuns(),
  )
})

const renamed = (plot: Plot): Plot => ({
  ...plot,
  children: Object.fromEntries(
    Object.entries(plot.children ?? {}).map(([name, child]) => [`o${name}`, renamed(child)]),
  ),
})

const demands = fc.array(fc.nat(20), { minLength: 1, maxLength: 24 })
const demandOf = (tree: QuotaTree, list: readonly number[]) => {
  const byLeaf = new Map(leavesOf(tree).map((leaf, index) => [leaf, choose(list, index)]))
  return (leaf: number) => byLeaf.get(leaf) ?? 0
}

test('what everybody deserves adds up to the max-flow of demand, and stays between floor and demand', () => {
  fc.assert(
    fc.property(randomPlots({ ceilings: true, tiers: true }), demands, (plots, list) => {
      const tree = plant(plots),
        demandAt = demandOf(tree, list)
      const deserved = entitlements(tree, 0, demandAt)
      const leaves = leavesOf(tree)
      assert.equal(
        leaves.reduce((sum, leaf) => sum + deserved.at(leaf), 0),
        satisfiable(judged(tree, demandAt)),
      )
      for (const leaf of leaves) {
        assert.ok(deserved.at(leaf) <= Math.min(demandAt(leaf), tree.ledger.ceiling(leaf, 0)))
      }
    }),
    propertyRuns(0.5),
  )
})

test('nobody deserves less than its own part, nor less than its static share of the pool', () => {
  fc.assert(
    fc.property(randomPlots(), demands, (plots, list) => {
      const tree = plant(plots),
        demandAt = demandOf(tree, list),
        deserved = entitlements(tree, 0, demandAt)
      for (const project of tree.projects) {
        const own = tree.ledger.base(project.leaf, 0)
        assert.ok(deserved.at(project.leaf) >= Math.min(own, demandAt(project.leaf)))
      }
      for (const project of tree.projects) checkSharingIncentive(tree, project.node, demandAt, deserved.at)
    }),
    propertyRuns(),
  )
})

const checkSharingIncentive = (
  tree: QuotaTree,
  node: number,
  demandAt: (leaf: number) => number,
  at: (node: number) => number,
) => {
  const { ledger } = tree,
    children = ledger.children[node]!
  const weights = children.map((child) => tree.sharing(child, 0).weight)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  children.forEach((child, index) => {
    if (ledger.children[child]!.length > 0 || total === 0) return
    const share = Math.floor((ledger.base(node, 0) * weights[index]!) / total)
    const due = ledger.base(child, 0) + Math.min(share, ledger.borrow(child, 0))
    assert.ok(at(child) >= Math.min(demandAt(child), due))
  })
}

test('telling a wrong demand never brings more of what is truly needed', () => {
  fc.assert(
    fc.property(randomPlots({ tiers: true }), demands, fc.nat(1000), fc.nat(40), (plots, list, who, told) => {
      const tree = plant(plots),
        demandAt = demandOf(tree, list),
        liar = choose(leavesOf(tree), who)
      const honest = entitlements(tree, 0, demandAt).at(liar)
      const lied = entitlements(tree, 0, (leaf) => (leaf === liar ? told : demandAt(leaf))).at(liar)
      assert.ok(Math.min(lied, demandAt(liar)) <= honest)
    }),
    propertyRuns(),
  )
})

test('more demand of others never raises, more pool never lowers what a leaf deserves', () => {
  fc.assert(
    fc.property(randomPlots({ tiers: true }), demands, fc.nat(1000), fc.nat(1000), (plots, list, who, other) => {
      const tree = plant(plots),
        demandAt = demandOf(tree, list),
        leaves = leavesOf(tree)
      const mine = choose(leaves, who),
        theirs = choose(leaves, other)
      const before = entitlements(tree, 0, demandAt).at(mine)
      if (mine !== theirs)
        assert.ok(entitlements(tree, 0, (leaf) => demandAt(leaf) + (leaf === theirs ? 1 : 0)).at(mine) <= before)
      const root = tree.project('r').holdings[0]!
      tree.configure('r', 0, { own: root.own + 1, pool: root.pool + 1 })
      assert.ok(entitlements(tree, 0, demandAt).at(mine) >= before)
    }),
    propertyRuns(),
  )
})
