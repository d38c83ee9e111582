/** Changes of the tree: what may be set and what not, to the unit; moves that fail leave nothing; growth keeps all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QuotaEngine } from './engine.ts'
import { RuleBroken } from './rules.ts'
import { audit } from './state.ts'
import { Lab } from './testing/lab.ts'
import { inf, plant } from './testing/planted.ts'
import { QuotaTree } from './tree.ts'

const codeOf = (act: () => void): string => {
  try {
    act()
    return 'ok'
  } catch (error) {
    if (error instanceof RuleBroken) return error.code
    throw error
  }
}

test('a root neither lends nor borrows, whatever is set', () => {
  const { ledger, ...tree } = plant({ P: { own: 5, lend: inf, borrow: inf } })
  void tree
  assert.deepEqual([ledger.lendable(0, 0), ledger.private(0, 0), ledger.bound(0, 0)], [0, 5, 5])
  assert.equal(ledger.available(0, 0), 5)
})

test('a tree that outgrows its arrays keeps every number', () => {
  const tree = new QuotaTree()
  tree.addResource('units')
  tree.addProject('P', null)
  tree.configure('P', 0, { own: 1_000 })
  for (let child = 0; child < 300; child++) {
    tree.addProject(`c${child}`, 'P')
    tree.configure(`c${child}`, 0, { own: 3, lend: 2, borrow: inf })
  }
  const { ledger } = tree,
    root = tree.project('P').node
  assert.equal(ledger.visible(root, 0), 300 * 2 + 100)
  assert.equal(ledger.available(tree.project('c299').leaf, 0), 3 + 299 * 2 + 100)
  assert.equal(audit(new QuotaEngine(tree)), undefined)
})

test('a lender without limit below a root without limit: all that is lent has no limit, until it goes', () => {
  const tree = plant({ P: { own: inf, children: { A: { own: 4, borrow: inf } } } })
  const { ledger } = tree,
    { node } = tree.project('P')
  assert.equal(ledger.visible(node, 0), inf)
  tree.configure('P', 0, { own: 10 })
  assert.equal(ledger.visible(node, 0), 10)
  tree.configure('P', 0, { own: inf })
  tree.removeProject('A')
  assert.deepEqual([ledger.visible(node, 0), ledger.private(node, 0)], [inf, inf])
  assert.equal(audit(new QuotaEngine(tree)), undefined)
})

test('what was forced below its use may be raised again, short of its use too', () => {
  const lab = new Lab({ P: { own: 10, children: { T: { own: 8, borrow: 0 } } } })
  lab.startMany('T', 8)
  assert.equal(lab.set('T', 4, true), 'ok')
  assert.equal(lab.set('T', 6), 'ok')
  assert.equal(lab.set('T', 5), 'min 8')
})

test('own may not fall below the pool and what the project itself uses', () => {
  const lab = new Lab({ P: { own: 10, pool: 6, selfSettings: { borrow: 0 }, children: { T: {} } } })
  lab.startMany('P', 3)
  assert.equal(lab.set('P', 8), 'min 9')
  assert.equal(lab.set('P', 9), 'ok')
  assert.equal(lab.set('P', 8, true), 'ok')
  assert.equal(lab.set('P', 5, true), 'min 6')
})

test('a ceiling below own, and a field out of its range, are refused', () => {
  const tree = plant({ P: { own: 10, children: { T: { own: 4 } } } })
  const set = (change: object) => codeOf(() => tree.configure('T', 0, change))
  assert.equal(set({ ceiling: 3 }), 'BAD_SETTING')
  assert.equal(set({ ceiling: 4 }), 'ok')
  assert.equal(set({ own: inf }), 'BAD_SETTING')
  assert.equal(set({ pool: inf }), 'BAD_SETTING')
  assert.equal(set({ pool: 5 }), 'POOL_TOO_LARGE')
  for (const wrong of [
    { lend: -1 },
    { borrow: 1.5 },
    { weight: -1 },
    { weight: 1_000_001 },
    { tier: 0 },
    { tier: 11 },
  ])
    assert.equal(set(wrong), 'BAD_SETTING', JSON.stringify(wrong))
})

const twoHouses = () =>
  new Lab({
    R: {
      own: 20,
      children: {
        A: { own: 10, lend: 0, children: { a: { own: 2, lend: 0, borrow: inf } } },
        B: { own: 4, lend: 0, borrow: 0 },
      },
    },
  })

test('a move that does not fit leaves every number and every parent as it was', () => {
  const lab = twoHouses(),
    { tree } = lab.engine
  lab.startMany('a', 6)
  const before = tree.ledger.snapshot(0)
  assert.equal(
    codeOf(() => tree.moveProject('a', 'B')),
    'DOES_NOT_FIT',
  )
  assert.equal(tree.project('a').parent!.id, 'A')
  assert.equal(tree.project('B').leaf, tree.project('B').node)
  assert.deepEqual(tree.ledger.snapshot(0).slice(0, before.length), before)
  assert.equal(audit(lab.engine), undefined)
})

test('a move takes along what is owned and used, and the old parent is a leaf again', () => {
  const lab = twoHouses(),
    { tree } = lab.engine
  lab.startMany('a', 3)
  tree.moveProject('a', 'B')
  assert.deepEqual([lab.numbers('A').allocated, lab.numbers('B').allocated], [0, 2])
  assert.equal(tree.project('A').leaf, tree.project('A').node)
  assert.equal(tree.ledger.subtree(tree.project('B').node, 0), 3)
  assert.equal(audit(lab.engine), undefined)
})

test('a move is refused where the new parent cannot grant, below itself, and for a root', () => {
  const { tree } = twoHouses().engine
  assert.equal(
    codeOf(() => tree.moveProject('A', 'B')),
    'ABOVE_PARENT',
  )
  assert.equal(
    codeOf(() => tree.moveProject('A', 'a')),
    'CYCLE',
  )
  assert.equal(
    codeOf(() => tree.moveProject('R', 'B')),
    'ROOT',
  )
})

test('a project with children or use stays; one without goes and its part is its parent’s', () => {
  const lab = twoHouses(),
    { tree } = lab.engine
  lab.start('a')
  assert.equal(
    codeOf(() => tree.removeProject('A')),
    'HAS_CHILDREN',
  )
  assert.equal(
    codeOf(() => tree.removeProject('a')),
    'IN_USE',
  )
  lab.stop('a', 1)
  tree.removeProject('a')
  assert.equal(lab.numbers('A').selfOwn, 10)
  assert.equal(
    codeOf(() => tree.project('a')),
    'NO_PROJECT',
  )
})
