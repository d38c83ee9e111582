/** The harder worked examples: several resources, debts, who pays, starvation, livelock, private parts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'

const repeat = (text: string, count: number) => Array.from({ length: count }, () => text)

test('H8: what one borrows of another resource does not block what one owns of this', () => {
  const tenant = { of: { cpu: { own: 8 }, gpu: { own: 4 } }, borrow: inf }
  const lab = new Lab({ P: { of: { cpu: { own: 16 }, gpu: { own: 8 } }, children: { T1: tenant, T2: tenant } } }, [
    'cpu',
    'gpu',
  ])
  lab.start('T1', { cpu: 14 })
  lab.start('T2', { cpu: 2 })
  lab.startMany('T2', 4, { gpu: 2 })
  assert.deepEqual([lab.ask('T1', { gpu: 2 }), lab.ask('T1', { gpu: 2 })], repeat('ok, evicts T2-2 by owner', 2))
  assert.deepEqual([lab.usedOf('T1', 'gpu'), lab.usedOf('T2', 'gpu')], [4, 4])
  assert.match(lab.ask('T1', { gpu: 2 }), /^NO_RIGHT/)
})

test('H9: a limit set below use evicts nobody until an owner needs the capacity', () => {
  const fixed = { own: 8, lend: 0, borrow: 0 }
  const lab = new Lab({ P: { own: 20, children: { T1: fixed, T2: fixed } } })
  lab.startMany('T1', 8)
  lab.startMany('T2', 5)
  assert.equal(lab.set('T1', 6), 'min 8')
  assert.equal(lab.set('T1', 6, true), 'ok')
  assert.deepEqual([lab.numbers('P').allocated, lab.numbers('P').free, lab.numbers('T1').free], [14, 6, -2])
  assert.deepEqual(lab.used('T1', 'T2'), [8, 5])
  assert.equal(lab.ask('T1'), 'CEILING at T1')
  assert.deepEqual(lab.askMany('T2', 3), repeat('ok', 3))
  lab.engine.tree.addProject('T3', 'P')
  assert.equal(lab.set('T3', 6), 'ok')
  assert.equal(lab.numbers('P').selfOwn, 0)
  assert.deepEqual(lab.askMany('T3', 4), repeat('ok', 4))
  assert.equal(lab.engine.tree.ledger.subtree(lab.engine.tree.project('P').node, 0), 20)
  assert.deepEqual(lab.askMany('T3', 2), repeat('ok, evicts T1-1 by owner', 2))
  assert.deepEqual(lab.used('T1', 'T2', 'T3'), [6, 8, 6])
  assert.equal(lab.ask('T3'), 'CEILING at T3')
})

test('H11: the owner is paid by the worst debtor, of equal ones by the one with the lower priority', () => {
  const group = (own: number) => ({ own, borrow: inf })
  const lab = new Lab({
    R: {
      own: 12,
      children: {
        A: { borrow: inf, own: 2, children: { Ag: group(2), Ab: group(0) } },
        B: { borrow: inf, own: 2, children: { Bg: group(2), Bb: group(0) } },
        C: { borrow: inf, own: 8, children: { Cg: group(8), Cb: group(0) } },
      },
    },
  })
  lab.start('Ab', 4, { priority: 100 })
  lab.start('Bb', 4, { priority: 50 })
  lab.start('Cb', 4, { priority: 10 })
  const overOwn = ['A', 'B', 'C'].map((id) => lab.engine.tree.ledger.overOwn(lab.engine.tree.project(id).node, 0))
  assert.deepEqual(overOwn, [2, 2, 0])
  assert.equal(lab.ask('Cg', 4), 'ok, evicts Bb-4 by owner')
  assert.equal(lab.ask('Cg', 4), 'ok, evicts Cb-4 by owner')
})

test('H12: a leaf is not starved because its sibling has a complementary dominant resource', () => {
  const none = { own: 0, borrow: inf }
  const pool = (amount: number) => ({ own: amount, pool: amount })
  const lab = new Lab(
    {
      P: {
        of: { cpu: pool(10), gpu: pool(10) },
        children: {
          n1: none,
          n2: { ...none, children: { n21: none, n22: none } },
        },
      },
    },
    ['cpu', 'gpu'],
  )
  lab.startMany('n21', 10, { cpu: 1 })
  lab.startMany('n1', 10, { gpu: 1 })
  assert.deepEqual(lab.askMany('n22', 5, { gpu: 1 }), repeat('ok, evicts n1-1 by share', 5))
  assert.match(lab.ask('n22', { gpu: 1 }), /^NO_RIGHT/)
  assert.deepEqual(lab.deserved({ n1: inf, n21: 0, n22: inf }, 1), [5, 0, 5])
  assert.deepEqual(lab.deserved({ n1: 0, n21: inf, n22: 0 }, 0), [0, 10, 0])
})

test('H12: four groups of single-resource leaves share each resource among those who ask for it', () => {
  const none = { own: 0, borrow: inf },
    pool = { own: 12, pool: 12 }
  const lab = new Lab(
    {
      P: {
        of: { cpu: pool, gpu: pool },
        children: {
          n1: none,
          n2: none,
          n3: { ...none, children: { n31: none, n32: none } },
          n4: none,
        },
      },
    },
    ['cpu', 'gpu'],
  )
  assert.deepEqual(lab.deserved({ n1: inf, n2: inf, n31: inf }, 0), [4, 4, 4])
  assert.deepEqual(lab.deserved({ n32: inf, n4: inf }, 1), [6, 6])
})

test('H13: the smallest hierarchical livelock comes to rest after five evictions', () => {
  const borrows = { own: 0, borrow: inf }
  const lab = new Lab({
    R: {
      own: 6,
      children: {
        D: { borrow: inf, pool: 2, children: { d1: { ...borrows, tier: 1 }, d2: { ...borrows, tier: 2 } } },
        E: { borrow: inf, pool: 3, children: { e1: { own: 1, borrow: inf, tier: 1 }, e2: { ...borrows, tier: 2 } } },
      },
    },
  })
  const evictions = settle(lab, [
    ['e1', 5],
    ['d2', 2],
    ['d1', 5],
    ['e2', 2],
    ['e1', 5],
    ['d2', 2],
  ])
  assert.equal(evictions, 5)
  assert.deepEqual(lab.used('d1', 'd2', 'e1', 'e2'), [0, 4, 0, 2])
})

/** First come, first tried; who is evicted joins the end of the queue; until a whole round changes nothing. */
const settle = (lab: Lab, jobs: [string, number][]): number => {
  const queue = jobs.map(([project, size], index) => ({ project, size, lineage: `job-${index}` }))
  const running = new Map<string, (typeof queue)[number]>()
  let evictions = 0,
    tries = 0,
    idle = 0
  while (queue.length > 0 && idle < queue.length) {
    assert.ok(tries < 200, 'no rest')
    const job = queue.shift()!,
      id = `${job.lineage}-${tries++}`
    const outcome = lab.engine.claim(
      {
        id,
        project: job.project,
        amounts: { units: job.size },
        whenFull: 'reclaim',
        reclaimable: 'yes',
        lineage: job.lineage,
      },
      ++lab.nowMs,
    )
    idle = outcome.state === 'refused' ? idle + 1 : 0
    if (outcome.state === 'refused') queue.push(job)
    else running.set(id, job)
    for (const notice of outcome.state === 'reclaiming' ? outcome.notices : []) {
      lab.engine.release(notice.claim, lab.nowMs)
      queue.push(running.get(notice.claim)!)
      evictions++
    }
  }
  return evictions
}

test('H14: the private part needs no reclaim, the lent part comes back, a shrunk parent is paid for first', () => {
  const start = () =>
    new Lab({ P: { pool: 8, children: { T1: { own: 8, lend: 4, borrow: 0 }, T2: { own: 0, borrow: inf } } } })
  const lab = start()
  lab.startMany('T2', 12)
  assert.deepEqual(lab.askMany('T1', 5), [...repeat('ok', 4), 'ok, evicts T2-1 by owner'])
  const shrunk = start()
  shrunk.startMany('T2', 12)
  shrunk.engine.tree.configure('P', 0, { own: 10, pool: 2 }, { force: true })
  assert.deepEqual(shrunk.used('T1', 'T2'), [0, 12])
  assert.equal(shrunk.ask('T1'), 'ok, evicts T2-1 T2-1 T2-1 by owner')
  assert.deepEqual(shrunk.askMany('T1', 7), repeat('ok, evicts T2-1 by owner', 7))
  assert.deepEqual(shrunk.used('T1', 'T2'), [8, 2])
})
