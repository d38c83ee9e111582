/** Whom a plan takes from: each rule of the order and of the rights by itself, in a case where only it decides. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'

const borrows = { own: 0, borrow: inf }

/** An owner whose ten units others use, as many as said. */
const ownerOfTen = (others: Record<string, object>) =>
  new Lab({ P: { own: 10, children: { owner: { own: 10, borrow: 0 }, ...others } } })

test('one plan takes evenly from equal borrowers, and from the larger until they are equal', () => {
  const even = ownerOfTen({ A: borrows, B: borrows })
  even.startMany('A', 5)
  even.startMany('B', 5)
  even.ask('owner', 6)
  assert.deepEqual(even.used('A', 'B'), [2, 2])
  const uneven = ownerOfTen({ A: borrows, B: borrows })
  uneven.startMany('A', 7)
  uneven.startMany('B', 3)
  uneven.ask('owner', 6)
  assert.deepEqual(uneven.used('A', 'B'), [2, 2])
})

test('weight counts: who has borrowed most for its weight pays first', () => {
  const lab = ownerOfTen({ heavy: { ...borrows, weight: 3 }, light: borrows })
  lab.startMany('heavy', 6)
  lab.startMany('light', 4)
  assert.equal(lab.ask('owner', 2), 'ok, evicts light-1 light-1 by owner')
  lab.ask('owner', 4)
  assert.deepEqual(lab.used('heavy', 'light'), [3, 1])
})

test('a later tier pays before an earlier one, however little it has', () => {
  const lab = ownerOfTen({ first: borrows, second: { ...borrows, tier: 2 } })
  lab.startMany('first', 9)
  lab.startMany('second', 1)
  assert.equal(lab.ask('owner'), 'ok, evicts second-1 by owner')
  assert.equal(lab.ask('owner'), 'ok, evicts first-1 by owner')
})

const evictions = (...projects: string[]) => projects.map((id) => `ok, evicts ${id}-1 by owner`)

test('of two equal borrowers the one whose next container has the lower priority pays', () => {
  const lab = ownerOfTen({ A: borrows, B: borrows })
  for (const priority of [1, 9, 9, 9, 9]) lab.start('A', 1, { priority })
  for (const priority of [2, 2, 9, 9, 9]) lab.start('B', 1, { priority })
  assert.deepEqual(lab.askMany('owner', 3), evictions('A', 'B', 'B'))
})

test('in one project: preferred ones first, then lower priority, then the newest', () => {
  const lab = ownerOfTen({ A: borrows })
  const start = (id: string, priority: number, reclaimable: 'yes' | 'preferred' = 'yes') => {
    lab.engine.claim({ id, project: 'A', amounts: { units: 2 }, priority, reclaimable }, ++lab.nowMs)
    lab.engine.commit(id)
  }
  start('old', 5)
  start('new', 5)
  start('low', 1)
  start('offered', 9, 'preferred')
  start('high', 9)
  const order = Array.from({ length: 5 }, (_, index) => {
    const ask = { id: `owner ${index}`, project: 'owner', amounts: { units: 2 }, whenFull: 'reclaim' as const }
    const outcome = lab.engine.claim(ask, ++lab.nowMs)
    assert.ok(outcome.state === 'reclaiming')
    for (const { claim } of outcome.notices) lab.engine.release(claim, lab.nowMs)
    return outcome.notices.map(({ claim }) => claim).join()
  })
  assert.deepEqual(order, ['offered', 'low', 'new', 'old', 'high'])
})

test('the newest is who started last, not who asked last', () => {
  const lab = ownerOfTen({ A: borrows })
  for (const [id, startedAtMs] of [
    ['waited long', 900],
    ['asked later', 800],
  ] as const) {
    lab.engine.claim({ id, project: 'A', amounts: { units: 5 }, reclaimable: 'yes' }, startedAtMs)
  }
  const outcome = lab.engine.claim({ id: 'own', project: 'owner', amounts: { units: 1 }, whenFull: 'reclaim' }, 1_000)
  assert.deepEqual(outcome.state === 'reclaiming' && outcome.notices.map(({ claim }) => claim), ['waited long'])
})

test('what is not reclaimable is never taken, not by its owner either', () => {
  const lab = ownerOfTen({ A: borrows })
  lab.engine.claim({ id: 'kept', project: 'A', amounts: { units: 10 } }, 0)
  assert.equal(lab.ask('owner'), 'SHORTAGE at P')
})

test('an owner breaks into the minimum run time of the lowest priority rather than take a higher one', () => {
  const lab = new Lab({
    P: {
      own: 2,
      children: { owner: { own: 2, borrow: 0 }, A: { ...borrows, policy: { minRuntimeMs: 60_000 } } },
    },
  })
  lab.start('A', 1, { priority: 5 })
  lab.nowMs += 60_000
  const young = lab.start('A', 1, { priority: 1 })
  lab.ask('owner')
  assert.equal(lab.engine.book.find(young), undefined)
})

test('of equal priority those past their minimum run time go first', () => {
  const lab = new Lab({
    P: {
      own: 2,
      children: { owner: { own: 2, borrow: 0 }, A: { ...borrows, policy: { minRuntimeMs: 60_000 } } },
    },
  })
  const old = lab.start('A', 1)
  lab.nowMs += 60_000
  lab.start('A', 1)
  lab.ask('owner')
  assert.equal(lab.engine.book.find(old), undefined)
})

test('a project’s own lower priorities give way, not equal ones, and not within their minimum run time', () => {
  const lab = new Lab({ P: { own: 2, policy: { minRuntimeMs: 60_000 } } })
  lab.start('P', 2, { priority: 3 })
  assert.equal(lab.ask('P', 1, { priority: 4 }), 'SHORTAGE at P')
  lab.nowMs += 60_000
  assert.equal(lab.ask('P', 1, { priority: 3 }), 'SHORTAGE at P')
  assert.equal(lab.ask('P', 1, { priority: 4 }), 'ok, evicts P-2 by priority')
})

test('a share reclaim leaves every group on the victim’s side its own, not only the project', () => {
  const lab = new Lab({
    P: {
      pool: 1,
      children: { V: { pool: 4, borrow: inf, tier: 2, children: { v: borrows } }, C: { ...borrows, tier: 1 } },
    },
  })
  lab.start('v', 3)
  lab.start('v', 2)
  assert.equal(lab.ask('C'), 'NO_RIGHT at P')
  lab.stop('v', 1)
  lab.startMany('v', 2)
  assert.equal(lab.ask('C'), 'ok, evicts v-1 by share')
  assert.equal(lab.ask('C'), 'NO_RIGHT at P')
})

test('dominant shares count weight: two to one, two of three resources alike', () => {
  const pool = { own: 12, pool: 12 }
  const lab = new Lab(
    { P: { of: { cpu: pool, mem: pool }, children: { A: { ...borrows, weight: 2 }, B: borrows } } },
    ['cpu', 'mem'],
  )
  const task = { cpu: 1, mem: 1 }
  lab.startMany('B', 12, task)
  assert.equal(lab.askMany('A', 9, task).filter((answer) => answer === 'ok, evicts B-1 by share').length, 8)
  assert.deepEqual(lab.used('A', 'B'), [8, 4])
})

test('a dominant share is of what can be reached where the two meet, past no group’s borrow limit', () => {
  const lab = new Lab(
    {
      R: {
        of: { cpu: { own: 100, pool: 100 }, gpu: { own: 10, pool: 10 } },
        children: { P: { own: 0, borrow: 10, children: { A: borrows, B: borrows } } },
      },
    },
    ['cpu', 'gpu'],
  )
  lab.start('A', { gpu: 5 })
  lab.start('A', { cpu: 2 })
  lab.startMany('B', 4, { cpu: 2 })
  assert.equal(lab.ask('A', { cpu: 1, gpu: 1 }), 'ok, evicts B-2 by share')
})

test('a resource without limit makes no share, whatever its place among those asked for', () => {
  const lab = new Lab(
    {
      P: {
        of: { ports: { own: inf }, gpu: { own: 4, pool: 4 } },
        children: { A: { ...borrows, of: {} }, B: borrows },
      },
    },
    ['ports', 'gpu'],
  )
  lab.startMany('B', 4, { ports: 1, gpu: 1 })
  const task = { ports: 1, gpu: 1 }
  assert.deepEqual(lab.askMany('A', 2, task), ['ok, evicts B-1 by share', 'ok, evicts B-1 by share'])
  assert.match(lab.ask('A', task), /^NO_RIGHT/)
})

test('whoever’s end gave the claimant its right over another one is not spared, though there would be room', () => {
  const lab = new Lab({ P: { pool: 1, children: { T: { own: 3, borrow: inf }, V: borrows } } })
  lab.start('T', 1, { priority: 0 })
  lab.start('V', 3, { priority: 0 })
  assert.equal(lab.ask('T', 3, { priority: 1 }), 'ok, evicts T-1 by priority, V-3 by owner')
})
