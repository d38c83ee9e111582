/** The worked examples: the article's four scenarios and fourteen harder ones, every number as computed by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayTakeByShare } from './rights.ts'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'
import { nextInLine } from './waiting.ts'

const repeat = (text: string, count: number) => Array.from({ length: count }, () => text)

const twoLenders = (t1 = {}, root = {}) =>
  new Lab({
    P: {
      own: 16,
      ...root,
      children: {
        T1: { own: 8, borrow: 0, ...t1 },
        T2: { own: 8, borrow: 4 },
      },
    },
  })

test('A2: T2 borrows four idle units, T1 takes exactly its own back', () => {
  const lab = twoLenders()
  lab.startMany('T1', 4)
  lab.startMany('T2', 8)
  assert.deepEqual(lab.available('T1', 'T2'), [4, 4])
  lab.startMany('T2', 4)
  assert.equal(lab.ask('T2'), 'CEILING at T2')
  assert.deepEqual(lab.askMany('T1', 4), repeat('ok, evicts T2-1 by owner', 4))
  assert.deepEqual(lab.used('T1', 'T2'), [8, 8])
  assert.equal(lab.ask('T1'), 'CEILING at T1')
})

test('A2: with a lend limit of 2 the borrower reaches ten and the lender six without any reclaim', () => {
  const lab = twoLenders({ lend: 2 })
  lab.startMany('T2', 10)
  assert.equal(lab.ask('T2'), 'NO_RIGHT at P')
  assert.deepEqual(lab.askMany('T1', 6), repeat('ok', 6))
})

test('A2: under the natural policy the owner waits and is first in line when the borrower ends', () => {
  const lab = twoLenders({ policy: { reclaim: 'natural' } })
  lab.startMany('T1', 4)
  lab.startMany('T2', 12)
  const { tree } = lab.engine
  const refused = lab.engine.claim({ id: 'now', project: 'T1', amounts: { units: 1 } }, lab.nowMs)
  assert.equal(refused.state, 'refused')
  if (refused.state === 'refused') {
    assert.equal(refused.refusal.code, 'SHORTAGE')
    assert.equal(refused.refusal.node, 'P')
    assert.deepEqual(refused.refusal.heldBy, [{ project: 'T2', amount: 4 }])
  }
  assert.equal(lab.ask('T1'), 'waits')
  lab.stop('T2', 1)
  assert.deepEqual(lab.used('T1', 'T2'), [5, 11])
  assert.equal(tree.ledger.available(tree.project('T2').leaf, 0), 0)
})

test('A3: a pool of sixteen shared 1:1 lets T2 use twelve until T1 wants its eight', () => {
  const lab = new Lab({ P: { pool: 16, children: { T1: { own: 0, borrow: inf }, T2: { own: 0, borrow: inf } } } })
  assert.deepEqual(lab.deserved({ T1: inf, T2: inf }), [8, 8])
  assert.deepEqual(lab.deserved({ T1: 4, T2: inf }), [4, 12])
  lab.startMany('T1', 4)
  lab.startMany('T2', 12)
  assert.deepEqual(lab.askMany('T1', 4), repeat('ok, evicts T2-1 by share', 4))
  assert.deepEqual(lab.used('T1', 'T2'), [8, 8])
  assert.equal(lab.ask('T1'), 'NO_RIGHT at P')
  assert.equal(lab.ask('T2'), 'NO_RIGHT at P')
  lab.stop('T1', 4)
  assert.deepEqual(lab.available('T2'), [4])
})

test('A3: weights 3:1 share sixteen as 12 and 4', () => {
  const lab = new Lab({
    P: { pool: 16, children: { T1: { own: 0, borrow: inf, weight: 3 }, T2: { own: 0, borrow: inf } } },
  })
  assert.deepEqual(lab.deserved({ T1: inf, T2: inf }), [12, 4])
})

test('A4: part owned, part shared', () => {
  const mixed = (lend: number) =>
    new Lab({
      P: {
        pool: 16,
        children: {
          T1: { own: 4, borrow: inf, lend },
          T2: { own: 4, borrow: inf, lend },
        },
      },
    })
  assert.deepEqual(mixed(inf).deserved({ T1: inf, T2: inf }), [12, 12])
  assert.deepEqual(mixed(inf).deserved({ T1: 6, T2: 30 }), [6, 18])
  assert.deepEqual(mixed(inf).deserved({ T1: 2, T2: 30 }), [2, 22])
  assert.deepEqual(mixed(0).deserved({ T1: 2, T2: 30 }), [2, 20])
})

test('A4: played with claims: one’s own comes back by the owner’s right, what one deserves beyond it by share', () => {
  const played = (lend: number, wanted: number) => {
    const lab = new Lab({
      P: {
        pool: 16,
        children: { T1: { own: 4, borrow: inf, lend }, T2: { own: 4, borrow: inf, lend } },
      },
    })
    lab.askMany('T2', 30)
    const answers = lab.askMany('T1', wanted)
    return { used: lab.used('T1', 'T2'), answers }
  }
  const [owner, share] = ['ok, evicts T2-1 by owner', 'ok, evicts T2-1 by share']
  assert.deepEqual(played(inf, 13), {
    used: [12, 12],
    answers: [...repeat(owner, 4), ...repeat(share, 8), 'NO_RIGHT at P'],
  })
  assert.deepEqual(played(inf, 6), { used: [6, 18], answers: [...repeat(owner, 4), ...repeat(share, 2)] })
  assert.deepEqual(played(inf, 2), { used: [2, 22], answers: repeat(owner, 2) })
  assert.deepEqual(played(0, 2), { used: [2, 20], answers: repeat('ok', 2) })
})

test('H1: two levels with limits: who may take from whom is decided where the two meet', () => {
  const lab = new Lab({
    R: {
      own: 40,
      children: {
        D1: {
          own: 20,
          lend: 0,
          borrow: 5,
          children: { D1a: { own: 10, borrow: inf }, D1b: { own: 10, borrow: inf } },
        },
        D2: { own: 20, lend: 10, borrow: 0, children: { D2a: { own: 20, lend: 15, borrow: inf } } },
      },
    },
  })
  const { ledger } = lab.engine.tree,
    node = (id: string) => lab.engine.tree.project(id).node
  const shape = (id: string) => [
    ledger.visible(node(id), 0),
    ledger.lendable(node(id), 0),
    ledger.private(node(id), 0),
  ]
  assert.deepEqual(['D1a', 'D1', 'D2a', 'D2'].map(shape), [
    [10, 10, 0],
    [20, 0, 20],
    [20, 15, 5],
    [15, 10, 5],
  ])
  assert.equal(ledger.visible(node('R'), 0), 10)
  assert.deepEqual(lab.available('D1a', 'D1b', 'D2a'), [25, 25, 20])
  lab.startMany('D1a', 25)
  assert.deepEqual([ledger.counted(node('D1'), 0), ledger.counted(node('R'), 0)], [25, 5])
  assert.deepEqual(lab.available('D1a', 'D1b', 'D2a'), [0, 0, 15])
  assert.equal(lab.ask('D1a'), 'CEILING at D1')
  assert.deepEqual(lab.askMany('D2a', 20), [...repeat('ok', 15), ...repeat('ok, evicts D1a-1 by owner', 5)])
  assert.equal(lab.ask('D2a'), 'CEILING at D2')
  assert.deepEqual(lab.askMany('D1b', 4), repeat('ok, evicts D1a-1 by owner', 4))
  assert.deepEqual(lab.used('D1a', 'D1b'), [16, 4])
  assert.equal(lab.ask('D1b', 8), 'CEILING at D1')
  assert.deepEqual(lab.used('D1a', 'D1b'), [16, 4])
  assert.equal(freedByShare(lab, { from: 'D1a', to: 'D1b', amount: 8 }), 4)
})

/** How many unit containers of a sibling one container could take by share alone: down to equal excess. */
const freedByShare = ({ engine }: Lab, { from, to, amount }: { from: string; to: string; amount: number }): number => {
  const { tree, book } = engine,
    victim = tree.project(from),
    { leaf } = tree.project(to)
  const claimant = { leaf, vector: { resources: [0], amounts: [amount] }, priority: 0, ownOnly: false },
    sides = { claimant: leaf, victim: victim.leaf }
  const one = [...book.all()].find(({ project }) => project === victim)!
  let freed = 0
  for (; mayTakeByShare(tree, claimant, sides, one, 0); freed++) tree.ledger.apply(victim.leaf, 0, -1)
  tree.ledger.apply(victim.leaf, 0, freed)
  return freed
}

test('H2: an owner takes back alternately and evenly from two borrowers, and nobody cascades', () => {
  const borrows = { borrow: inf }
  const lab = new Lab({
    P: { own: 64, children: { A: { own: 32, ...borrows }, B: { own: 16, ...borrows }, C: { own: 16, ...borrows } } },
  })
  lab.startMany('A', 16)
  lab.startMany('B', 24)
  lab.startMany('C', 24)
  const answers = lab.askMany('A', 16)
  assert.equal(answers.filter((answer) => answer === 'ok, evicts B-1 by owner').length, 8)
  assert.equal(answers.filter((answer) => answer === 'ok, evicts C-1 by owner').length, 8)
  answers.forEach((answer, index) => {
    if (index > 0) assert.notEqual(answer, answers[index - 1])
  })
  assert.deepEqual(lab.used('A', 'B', 'C'), [32, 16, 16])
  assert.deepEqual(
    ['A', 'B', 'C'].map((id) => lab.ask(id)),
    repeat('NO_RIGHT at P', 3),
  )
})

test('H3: an indivisible victim goes once and cannot come back by force', () => {
  const lab = new Lab({ P: { own: 8, children: { Q1: { own: 3, borrow: inf }, Q2: { own: 5, borrow: inf } } } })
  lab.start('Q1', 4, { lineage: 'big' })
  lab.start('Q2', 1)
  assert.equal(lab.ask('Q2', 4), 'ok, evicts Q1-4 by owner')
  assert.deepEqual([...lab.used('Q1', 'Q2'), ...lab.available('Q1')], [0, 5, 3])
  assert.equal(lab.ask('Q1', 4, { lineage: 'big' }), 'NO_RIGHT at P')
  assert.equal(lab.ask('Q1', 4), 'NO_RIGHT at P')
  assert.equal(lab.ask('Q1', 3), 'ok')
})

test('H4: what four tenants deserve of a hundred with owned parts and weights', () => {
  const lab = new Lab({
    P: {
      pool: 40,
      children: {
        A: { own: 15, weight: 1, borrow: inf },
        B: { own: 15, weight: 60, borrow: inf },
        C: { own: 20, weight: 50, borrow: inf },
        D: { own: 10, weight: 80, borrow: inf },
      },
    },
  })
  assert.deepEqual(lab.deserved({ A: 10, B: 20, C: 100, D: 100 }), [10, 20, 35, 35])
})

test('H5: ceilings and tiers', () => {
  const shop = (tier: number) =>
    new Lab({
      P: {
        pool: 45,
        children: {
          X: { own: 10, ceiling: 25, weight: 3, borrow: inf },
          Y: { own: 5, weight: 2, borrow: inf },
          Z: { own: 0, weight: 1, tier, borrow: inf },
        },
      },
    })
  const demands = [
    { X: 100, Y: 30, Z: 50 },
    { X: 4, Y: 30, Z: 50 },
    { X: 0, Y: 3, Z: 70 },
  ]
  assert.deepEqual(
    demands.map((demand) => shop(1).deserved(demand)),
    [
      [25, 25, 10],
      [4, 30, 26],
      [0, 3, 57],
    ],
  )
  assert.deepEqual(
    demands.map((demand) => shop(2).deserved(demand)),
    [
      [25, 30, 5],
      [4, 30, 26],
      [0, 3, 57],
    ],
  )
})

test('H6: nested pools', () => {
  const borrows = { own: 0, borrow: inf }
  const lab = new Lab({
    R: {
      pool: 300,
      children: {
        C1: { ...borrows, children: { '1A': borrows, '1B': borrows, '1C': { ...borrows, weight: 3 } } },
        C2: { ...borrows, children: { '2A': borrows } },
      },
    },
  })
  const named = (a: number, b: number, c: number, d: number) => ({ '1A': a, '1B': b, '1C': c, '2A': d })
  assert.deepEqual(lab.deserved(named(inf, inf, inf, inf)), [30, 30, 90, 150])
  assert.deepEqual(lab.deserved(named(inf, inf, inf, 60)), [48, 48, 144, 60])
  assert.deepEqual(lab.deserved(named(inf, inf, 100, 60)), [70, 70, 100, 60])
  assert.deepEqual(lab.deserved(named(inf, 0, 0, 0)), [300, 0, 0, 0])
  assert.deepEqual(lab.deserved(named(10, 5, 0, inf)), [10, 5, 0, 285])
})

test('H7: dominant resources: served in fair order from empty A gets three tasks and B two', () => {
  const { engine } = twoShapes()
  const line = Array.from({ length: 12 }, (_, at) => ({
    id: `w${10 + at}`,
    leaf: engine.tree.project(at < 6 ? 'B' : 'A').leaf,
    vector: { resources: [0, 1], amounts: at < 6 ? [3, 1] : [1, 4] },
    priority: 0,
    sinceMs: 0,
  }))
  while (line.length > 0) {
    const next = nextInLine(engine.tree, line)!
    line.splice(line.indexOf(next), 1)
    if (!engine.fits(next.leaf, next.vector)) continue
    next.vector.resources.forEach((resource, at) =>
      engine.tree.ledger.apply(next.leaf, resource, next.vector.amounts[at]!),
    )
  }
  const uses = (project: string) =>
    [0, 1].map((resource) => engine.tree.ledger.counted(engine.tree.project(project).leaf, resource))
  assert.deepEqual([uses('A'), uses('B')], [[3, 12], [6, 2]])
})

const twoShapes = () => {
  const tenant = { own: 0, borrow: inf }
  return new Lab(
    { P: { of: { cpu: { own: 9, pool: 9 }, mem: { own: 18, pool: 18 } }, children: { A: tenant, B: tenant } } },
    ['cpu', 'mem'],
  )
}

test('H7: dominant resources: from a full cluster of B, A gets three tasks and B keeps two', () => {
  const lab = twoShapes()
  const a = { cpu: 1, mem: 4 },
    b = { cpu: 3, mem: 1 }
  lab.startMany('B', 3, b)
  assert.equal(lab.ask('A', a), 'ok, evicts B-3 by share')
  assert.deepEqual([lab.ask('A', a), lab.ask('A', a)], ['ok', 'ok'])
  assert.match(lab.ask('A', a), /^NO_RIGHT/)
  assert.match(lab.ask('B', b), /^NO_RIGHT/)
  assert.deepEqual([lab.usedOf('A', 'mem'), lab.usedOf('B', 'cpu')], [12, 6])
})
