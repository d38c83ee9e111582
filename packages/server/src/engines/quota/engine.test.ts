/** The life of claims: idempotence, reservations that expire, batches, tickets, changes of configuration, copies. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ask } from './asks.ts'
import type { RuleBroken } from './rules.ts'
import { audit } from './state.ts'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'

const leafOfTen = () => {
  const lab = new Lab({ P: { own: 10, lend: 0, borrow: 0 } })
  lab.startMany('P', 6)
  return lab
}
const ask = (id: string, amount: number, more: Partial<Ask> = {}): Ask => ({
  id,
  project: 'P',
  amounts: { units: amount },
  ...more,
})
const used = (lab: Lab) => lab.used('P')[0]

test('H10: of two askers of three with four free exactly one wins, and the other is told that one is left', () => {
  const lab = leafOfTen()
  assert.equal(lab.engine.claim(ask('a', 3), 0).state, 'reserved')
  const second = lab.engine.claim(ask('b', 3), 0)
  assert.equal(second.state, 'refused')
  if (second.state !== 'refused') return
  assert.equal(second.refusal.available, 1)
  assert.match(second.refusal.remedy, /at most 1/)
})

test('H10: the same claim asked five times is held once, and answered alike', () => {
  const lab = leafOfTen()
  const answers = Array.from({ length: 5 }, () => lab.engine.claim(ask('a', 3), 0))
  assert.deepEqual(
    answers,
    Array.from({ length: 5 }, () => ({ state: 'reserved', claim: 'a' })),
  )
  assert.equal(used(lab), 9)
})

test('H10: of a hundred askers of one exactly four win', () => {
  const lab = leafOfTen()
  const won = Array.from({ length: 100 }, (_, index) => lab.engine.claim(ask(`x${index}`, 1), 0)).filter(
    ({ state }) => state === 'reserved',
  )
  assert.equal(won.length, 4)
  assert.equal(used(lab), 10)
})

test('H10: an expired reservation is given back once, and cannot be committed afterwards', () => {
  const lab = leafOfTen()
  lab.engine.claim(ask('a', 3, { ttlMs: 1_000 }), 5_000)
  lab.engine.tick(5_999)
  assert.equal(used(lab), 9)
  lab.engine.tick(6_000)
  lab.engine.tick(7_000)
  assert.equal(used(lab), 6)
  assert.throws(
    () => lab.engine.commit('a'),
    (error: RuleBroken) => error.code === 'NO_CLAIM',
  )
  assert.deepEqual(
    lab.engine.takeEvents().filter(({ type }) => type === 'expired'),
    [{ type: 'expired', claim: 'a', project: 'P' }],
  )
})

test('a committed claim does not expire, and reserved becomes used', () => {
  const lab = leafOfTen()
  lab.engine.claim(ask('a', 3, { ttlMs: 1_000 }), 0)
  assert.deepEqual([lab.numbers('P').used, lab.numbers('P').reserved], [6, 3])
  lab.engine.commit('a')
  lab.engine.commit('a')
  lab.engine.tick(1_000_000)
  assert.deepEqual([lab.numbers('P').used, lab.numbers('P').reserved], [9, 0])
})

test('a batch is admitted whole or not at all, and does not take back what was there before', () => {
  const lab = leafOfTen()
  lab.engine.claim(ask('old', 1), 0)
  assert.equal(lab.engine.claimAll([ask('old', 1), ask('a', 2), ask('b', 2)], 0)[0]!.state, 'refused')
  assert.equal(used(lab), 7)
  assert.ok(lab.engine.book.find('old'))
  assert.equal(lab.engine.claimAll([ask('a', 2), ask('b', 1)], 0).length, 2)
  assert.equal(used(lab), 10)
})

test('a vector is admitted in all its resources or in none', () => {
  const lab = new Lab({ P: { of: { cores: { own: 4 }, ram: { own: 100 } } } }, ['cores', 'ram'])
  const outcome = lab.engine.claim({ id: 'a', project: 'P', amounts: { cores: 2, ram: 101 } }, 0)
  assert.equal(outcome.state === 'refused' && outcome.refusal.resource, 'ram')
  assert.equal(lab.usedOf('P', 'cores'), 0)
})

test('what is not registered, no whole number, or of nobody is refused by name', () => {
  const { engine } = leafOfTen()
  const codes = [ask('a', 1, { amounts: { cakes: 1 } }), ask('b', 1.5), ask('c', -1), ask('d', 1, { project: 'Q' })]
    .map((one) => engine.claim(one, 0))
    .map((outcome) => outcome.state === 'refused' && outcome.refusal.code)
  assert.deepEqual(codes, ['NOT_REGISTERED', 'BAD_AMOUNT', 'BAD_AMOUNT', 'NO_PROJECT'])
})

test('a claim shrinks, to nothing too, and releasing twice is releasing once', () => {
  const lab = leafOfTen()
  lab.engine.claim(ask('a', 3), 0)
  lab.engine.shrink('a', { units: 2 }, 0)
  assert.equal(used(lab), 7)
  lab.engine.shrink('a', { units: -3 }, 0)
  assert.equal(used(lab), 7)
  lab.engine.shrink('a', { units: 5 }, 0)
  lab.engine.release('a', 0)
  lab.engine.release('a', 0)
  assert.equal(used(lab), 6)
})

const borrowed = () => {
  const lab = new Lab({ P: { own: 16, children: { T1: { own: 8, borrow: 0 }, T2: { own: 8, borrow: inf } } } })
  lab.startMany('T2', 16)
  return lab
}

test('freed capacity goes to the ticket it was freed for; neither victims nor third parties slip in', () => {
  const lab = borrowed(),
    { engine } = lab
  const outcome = engine.claim({ id: 'owner', project: 'T1', amounts: { units: 3 }, whenFull: 'reclaim' }, 2_000_000)
  assert.ok(outcome.state === 'reclaiming')
  assert.deepEqual(
    outcome.notices.map(({ project, deadlineMs, right }) => [project, deadlineMs, right]),
    Array.from({ length: 3 }, () => ['T2', 2_030_000, 'owner']),
  )
  for (const notice of outcome.notices.slice(0, 2)) {
    engine.release(notice.claim, 2_000_001)
    assert.equal(engine.claim({ id: 'again', project: 'T2', amounts: { units: 1 } }, 2_000_001).state, 'refused')
    assert.equal(engine.claim({ id: 'third', project: 'T1', amounts: { units: 1 } }, 2_000_001).state, 'refused')
  }
  engine.takeEvents()
  engine.release(outcome.notices[2]!.claim, 2_000_002)
  assert.deepEqual(engine.takeEvents(), [{ type: 'granted', claim: 'owner', project: 'T1' }])
  assert.deepEqual(lab.used('T1', 'T2'), [3, 13])
})

test('nobody is evicted twice for what is on its way already', () => {
  const lab = borrowed(),
    { engine } = lab
  const plans = ['a', 'b'].map((id) =>
    engine.claim({ id, project: 'T1', amounts: { units: 4 }, whenFull: 'reclaim' }, 2_000_000),
  )
  const victims = plans.flatMap((plan) => (plan.state === 'reclaiming' ? plan.notices.map(({ claim }) => claim) : []))
  assert.equal(victims.length, 8)
  assert.equal(new Set(victims).size, 8)
  assert.equal(
    engine.claim({ id: 'c', project: 'T1', amounts: { units: 1 }, whenFull: 'reclaim' }, 2_000_000).state,
    'refused',
  )
})

test('an owner who gives up lets the borrowers stay', () => {
  const lab = borrowed(),
    { engine } = lab
  const plan = engine.claim({ id: 'owner', project: 'T1', amounts: { units: 2 }, whenFull: 'reclaim' }, 2_000_000)
  assert.ok(plan.state === 'reclaiming')
  engine.release('owner', 2_000_001)
  const types = engine.takeEvents().map(({ type }) => type)
  assert.deepEqual(types, ['notice', 'notice', 'noticeCancelled', 'noticeCancelled'])
  assert.deepEqual(
    plan.notices.map(({ claim }) => engine.book.find(claim)!.state),
    ['committed', 'committed'],
  )
  assert.equal(audit(engine), undefined)
})

test('a container whose grace is over is named until it ends; the lender caps the borrower’s grace', () => {
  const lab = new Lab({
    P: {
      own: 2,
      children: {
        T1: { own: 2, borrow: 0, policy: { graceMaxMs: 5_000 } },
        T2: { own: 0, borrow: inf, policy: { graceMs: 60_000 } },
      },
    },
  })
  const id = lab.start('T2', 2)
  const plan = lab.engine.claim({ id: 'owner', project: 'T1', amounts: { units: 1 }, whenFull: 'reclaim' }, 2_000_000)
  assert.equal(plan.state === 'reclaiming' && plan.dueMs, 2_005_000)
  lab.engine.takeEvents()
  lab.engine.tick(2_004_999)
  assert.deepEqual(lab.engine.takeEvents(), [])
  lab.engine.tick(2_005_000)
  assert.deepEqual(lab.engine.takeEvents(), [{ type: 'due', claim: id, project: 'T2' }])
})

test('a share reclaim waits for the minimum run time, an owner only if it said so', () => {
  const young = { policy: { minRuntimeMs: 60_000 } }
  const shared = new Lab({
    P: { pool: 2, ...young, children: { T1: { own: 0, borrow: inf }, T2: { own: 0, borrow: inf } } },
  })
  shared.startMany('T2', 2)
  assert.equal(shared.ask('T1'), 'NO_RIGHT at P')
  shared.nowMs += 60_000
  assert.equal(shared.ask('T1'), 'ok, evicts T2-1 by share')
  const owned = (waitsForMinRuntime: boolean) => {
    const lab = new Lab({
      P: {
        own: 2,
        children: { T1: { own: 2, policy: { waitsForMinRuntime } }, T2: { own: 0, borrow: inf, ...young } },
      },
    })
    lab.startMany('T2', 2)
    return lab.ask('T1')
  }
  assert.deepEqual([owned(false), owned(true)], ['ok, evicts T2-1 by owner', 'SHORTAGE at P'])
})

test('a reclaimed container may not take by share until its cool-down ends', () => {
  const lab = new Lab({ P: { pool: 4, children: { T1: { own: 0, borrow: inf }, T2: { own: 0, borrow: inf } } } })
  lab.engine.histories.set('tired', { lineage: 'tired', reclaims: 1, ownOnlyUntilMs: lab.nowMs + 50_000 })
  lab.startMany('T2', 4)
  assert.equal(lab.ask('T1', 1, { lineage: 'tired' }), 'NO_RIGHT at P')
  lab.nowMs += 50_000
  assert.equal(lab.ask('T1', 1, { lineage: 'tired' }), 'ok, evicts T2-1 by share')
})

test('under a root without limit sums stay whole numbers: what cannot be counted is refused', () => {
  const lab = new Lab({ P: { own: inf, children: { A: { own: 0, borrow: inf }, B: { own: 0, borrow: inf } } } })
  const most = Number.MAX_SAFE_INTEGER
  assert.equal(lab.ask('A', most - 1), 'ok')
  assert.equal(lab.ask('B', 2), 'NO_RIGHT at P')
  assert.equal(lab.ask('B', 1), 'ok')
  assert.equal(lab.ask('B', most), 'NO_RIGHT at P')
  const refused = lab.engine.claim({ id: 'more', project: 'P', amounts: { units: 1 } }, lab.nowMs)
  assert.ok(refused.state === 'refused')
  assert.equal(refused.refusal.limit, -1)
  lab.stop('A', 1)
  lab.stop('B', 1)
  assert.deepEqual(lab.used('A', 'B'), [0, 0])
  assert.equal(audit(lab.engine), undefined)
})

test('a root without limit gives away what can be counted, and takes it back without a trace', () => {
  const lab = new Lab({ P: { own: inf, children: { A: {}, B: {} } } }),
    most = Number.MAX_SAFE_INTEGER
  const before = lab.engine.tree.ledger.snapshot(0)
  assert.equal(lab.set('A', most - 3), 'ok')
  assert.equal(lab.set('B', 4), 'max 3')
  assert.equal(lab.set('B', 3), 'ok')
  assert.deepEqual([lab.set('A', 0), lab.set('B', 0)], ['ok', 'ok'])
  assert.deepEqual(lab.engine.tree.ledger.snapshot(0), before)
})

test('an audit finds what was tampered with, and where', () => {
  const lab = leafOfTen(),
    { tree } = lab.engine,
    project = tree.project('P')
  assert.equal(audit(lab.engine), undefined)
  project.reserved[0]! += 1
  assert.deepEqual(audit(lab.engine), { resource: 'units', node: 'P', what: 'reserved' })
  project.reserved[0]! -= 1
  tree.ledger.apply(project.leaf, 0, 1)
  assert.deepEqual(audit(lab.engine), { resource: 'units', node: 'P', what: 'counted' })
  tree.ledger.apply(project.leaf, 0, -1)
  project.allocated[0]! += 1
  assert.deepEqual(audit(lab.engine), { resource: 'units', node: 'P', what: 'allocated' })
})
