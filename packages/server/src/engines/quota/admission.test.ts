/** Admission against max-flow, and the conservation laws of the incremental numbers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isSatisfiable, satisfiable } from './testing/flow-oracle.ts'
import type { JudgedNode } from './testing/flow-oracle.ts'
import { judged } from './testing/judged-tree.ts'
import { plant } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { randomPlots } from './testing/random-plots.ts'
import { entitlements } from './deserved.ts'
import type { Project, QuotaTree } from './tree.ts'

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
    propertyRuns(),
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
      const fenced = { ...inside.r!, of: { units: { ...inside.r!.of!.units, lend: 0, borrow: 0 } } }
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
    propertyRuns(),
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

/** Of every child, a group too: what it satisfies itself, and its static share of the pool, as far as it wants it. */
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
  if (total === 0) return
  children.forEach((child, index) => {
    const share = Math.floor((ledger.base(node, 0) * weights[index]!) / total)
    const due = satisfiable(withShare(tree, child, demandAt, share))
    assert.ok(at(child) >= due, `${tree.nodeName(child)} deserves ${at(child)} of its ${due}`)
  })
}

/** A child's subtree by itself, beside so much of its parent's pool. */
const withShare = (tree: QuotaTree, child: number, demandAt: (leaf: number) => number, share: number): JudgedNode[] => {
  const nodes = judged(tree, demandAt),
    isBelow = (at: number): boolean => at >= 0 && (nodes[at]!.node === child || isBelow(nodes[at]!.parent))
  return nodes.map((one, at) => {
    const isParent = one.node === tree.ledger.parents[child]
    return isBelow(at) ? one : { ...one, base: isParent ? share : 0, lend: 0, borrow: 0, use: 0 }
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

test('others’ demand never raises what a leaf deserves; more of its own, and more weight, never lowers it', () => {
  fc.assert(
    fc.property(randomPlots({ tiers: true }), demands, fc.nat(1000), fc.nat(1000), (plots, list, who, other) => {
      const tree = plant(plots),
        demandAt = demandOf(tree, list),
        leaves = leavesOf(tree)
      const mine = choose(leaves, who),
        theirs = choose(leaves, other)
      const withOneMore = (at: number) => (leaf: number) => demandAt(leaf) + (leaf === at ? 1 : 0)
      const before = entitlements(tree, 0, demandAt).at(mine)
      if (mine !== theirs) assert.ok(entitlements(tree, 0, withOneMore(theirs)).at(mine) <= before)
      assert.ok(entitlements(tree, 0, withOneMore(mine)).at(mine) >= before)
      weighMore(tree, mine)
      assert.ok(entitlements(tree, 0, demandAt).at(mine) >= before)
    }),
    propertyRuns(),
  )
})

const weighMore = (tree: QuotaTree, leaf: number): void => {
  const { id } = tree.projectAt(leaf),
    weight = tree.sharing(leaf, 0).weight + 1
  if (tree.isSelf(leaf)) tree.configureSelf(id, 0, { weight })
  else tree.configure(id, 0, { weight })
}

test('a larger pool, of the root or of any group, never lowers what anybody deserves', () => {
  fc.assert(
    fc.property(randomPlots({ tiers: true }), demands, fc.nat(1000), (plots, list, where) => {
      const tree = plant(plots),
        demandAt = demandOf(tree, list)
      const groups = [...tree.projects].filter(({ children }) => children.size > 0)
      const before = entitlements(tree, 0, demandAt)
      enlargePool(tree, choose(groups, where))
      const after = entitlements(tree, 0, demandAt)
      for (const leaf of leavesOf(tree))
        assert.ok(after.at(leaf) >= before.at(leaf), `${tree.nodeName(leaf)}: ${before.at(leaf)} to ${after.at(leaf)}`)
    }),
    propertyRuns(),
  )
})

/** By one unit, which comes from outside of the tree. */
const enlargePool = (tree: QuotaTree, group: Project): void => {
  for (let at: Project | null = group; at; at = at.parent) {
    const { own, pool } = at.holdings[0]!
    tree.restoreHolding(at.id, 0, { ...at.holdings[0]!, own: own + 1, pool: at === group ? pool + 1 : pool })
  }
}
