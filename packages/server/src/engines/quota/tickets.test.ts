/** Tickets and notices: what they hold, who is served first, how long anybody waits, and how each of it ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ask, Outcome } from './asks.ts'
import { explain } from './explain.ts'
import { audit } from './state.ts'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'

const NOW = 2_000_000

/** Two owners of four each, and a guest who uses all eight. */
const lentOut = (owners: Partial<Plot> = {}, guest: Partial<Plot> = {}): Lab => {
  const owner = { own: 4, borrow: 0, ...owners }
  const lab = new Lab({ P: { own: 8, children: { A: owner, B: owner, guest: { own: 0, borrow: inf, ...guest } } } })
  lab.startMany('guest', 8)
  return lab
}

const want = (lab: Lab, project: string, amount: number, more: Partial<Ask> = {}): Outcome =>
  lab.engine.claim({ id: `of ${project}`, project, amounts: { units: amount }, whenFull: 'reclaim', ...more }, NOW)

const victimsOf = (outcome: Outcome): string[] => {
  assert.ok(outcome.state === 'reclaiming')
  return outcome.notices.map(({ claim }) => claim)
}

test('what a ticket has gathered is reserved, and free again when it is given up', () => {
  const lab = lentOut()
  const [first] = victimsOf(want(lab, 'A', 3))
  lab.engine.release(first!, NOW)
  assert.deepEqual([lab.numbers('A').used, lab.numbers('A').reserved], [0, 1])
  lab.engine.release('of A', NOW)
  assert.deepEqual([lab.numbers('A').used, lab.numbers('A').reserved], [0, 0])
  assert.deepEqual([lab.engine.tickets.size, audit(lab.engine)], [0, undefined])
  assert.equal(lab.ask('guest'), 'ok')
})

test('what is freed goes to the ticket it was freed for, though another has waited longer', () => {
  const lab = lentOut()
  want(lab, 'A', 2)
  const later = victimsOf(want(lab, 'B', 1))
  lab.engine.release(later[0]!, NOW)
  assert.ok(lab.engine.book.find('of B'))
  assert.equal(lab.engine.book.find('of A'), undefined)
})

test('what ends for nobody goes to the ticket that has waited longest', () => {
  const lab = lentOut()
  const asked = [...victimsOf(want(lab, 'A', 1)), ...victimsOf(want(lab, 'B', 1))]
  const bystander = [...lab.engine.book.all()].find(({ id }) => !asked.includes(id))!
  lab.engine.release(bystander.id, NOW)
  assert.ok(lab.engine.book.find('of A'))
  assert.equal(lab.engine.book.find('of B'), undefined)
})

test('whoever has a notice keeps it while the ticket has more to come, and nobody else gets one', () => {
  const lab = lentOut()
  const asked = victimsOf(want(lab, 'A', 2))
  lab.engine.takeEvents()
  lab.engine.tick(NOW + 1)
  assert.deepEqual(lab.engine.takeEvents(), [])
  assert.deepEqual(
    [...lab.engine.book.all()].filter(({ state }) => state === 'reclaiming').map(({ id }) => id),
    asked.toSorted(),
  )
})

test('a ticket without victims plans again when there is somebody to take from', () => {
  const lab = new Lab({
    P: {
      own: 2,
      children: {
        A: { own: 2, borrow: 0, policy: { reclaim: 'natural' } },
        guest: { own: 0, borrow: inf },
      },
    },
  })
  lab.startMany('guest', 2)
  assert.deepEqual(want(lab, 'A', 1), { state: 'waiting', claim: 'of A' })
  lab.engine.tree.project('A').policy = { reclaim: 'onDemand' }
  lab.engine.tick(NOW + 1)
  assert.deepEqual(
    lab.engine.takeEvents().map(({ type }) => type),
    ['notice'],
  )
})

test('under the policy natural an owner waits for no known time, and says so; who owns nothing is refused', () => {
  const lab = lentOut({ policy: { reclaim: 'natural' } }, { policy: { reclaim: 'natural' } })
  const { verdict, refusal } = explain(lab.engine, { id: 'q', project: 'A', amounts: { units: 1 } }, NOW)
  assert.deepEqual([verdict, refusal?.code], ['waits', 'SHORTAGE'])
  assert.deepEqual(want(lab, 'A', 1), { state: 'waiting', claim: 'of A' })
  assert.deepEqual(want(lab, 'A', 1), { state: 'waiting', claim: 'of A' })
  assert.equal(want(lab, 'guest', 1).state, 'refused')
  lab.stop('guest', 1)
  assert.deepEqual(want(lab, 'A', 1), { state: 'reserved', claim: 'of A' })
})

test('under the policy natural it waits for its own also where its own group has borrowed more', () => {
  const lab = new Lab({
    P: {
      policy: { reclaim: 'natural' },
      children: {
        D: { borrow: inf, children: { A: { own: 4 }, sibling: { own: 0, borrow: inf } } },
        E: { own: 1 },
      },
    },
  })
  lab.startMany('sibling', 5)
  assert.equal(want(lab, 'A', 4).state, 'waiting')
})

test('a ticket ends at its time to the millisecond, and its victims may stay', () => {
  const lab = lentOut()
  const asked = victimsOf(want(lab, 'A', 2, { ttlMs: 1_000 }))
  lab.engine.tick(NOW + 999)
  assert.equal(lab.engine.tickets.size, 1)
  lab.engine.tick(NOW + 1_000)
  assert.equal(lab.engine.tickets.size, 0)
  assert.deepEqual(
    asked.map((id) => lab.engine.book.find(id)!.state),
    ['committed', 'committed'],
  )
})

test('the grace is the container’s or its project’s, capped by the lender; an aggressive one grants none', () => {
  const deadlineOf = (lender: Plot['policy'], graceMs?: number): number => {
    const lab = new Lab({
      P: {
        own: 1,
        children: { A: { own: 1, policy: lender }, guest: { own: 0, borrow: inf, policy: { graceMs: 7_000 } } },
      },
    })
    lab.start('guest', 1, graceMs === undefined ? {} : { graceMs })
    const outcome = want(lab, 'A', 1)
    assert.ok(outcome.state === 'reclaiming')
    assert.equal(outcome.dueMs, outcome.notices[0]!.deadlineMs)
    return outcome.dueMs - NOW
  }
  assert.equal(deadlineOf({}), 7_000)
  assert.equal(deadlineOf({}, 3_000), 3_000)
  assert.equal(deadlineOf({}, 0), 0)
  assert.equal(deadlineOf({ graceMaxMs: 2_000 }, 3_000), 2_000)
  assert.equal(deadlineOf({ reclaim: 'aggressive' }, 3_000), 0)
})

test('under the policy never an owner neither takes back nor waits', () => {
  const lab = lentOut({ policy: { reclaim: 'never' } })
  const outcome = want(lab, 'A', 1)
  assert.equal(outcome.state === 'refused' && outcome.refusal.code, 'SHORTAGE')
  assert.equal(lab.engine.tickets.size, 0)
})

test('who does not ask to take back is told of a shortage, who asks and may not, of a missing right', () => {
  const lab = lentOut()
  const codes = (['refuse', 'reclaim'] as const).map((whenFull) => {
    const outcome = want(lab, 'guest', 1, { whenFull })
    return outcome.state === 'refused' && outcome.refusal.code
  })
  assert.deepEqual(codes, ['SHORTAGE', 'NO_RIGHT'])
})

test('a project that goes takes its tickets with it, and its victims stay', () => {
  const lab = lentOut()
  const asked = victimsOf(want(lab, 'A', 1))
  lab.engine.removeProject('A')
  assert.equal(lab.engine.tickets.size, 0)
  assert.equal(lab.engine.book.find(asked[0]!)!.state, 'committed')
  assert.equal(audit(lab.engine), undefined)
})

test('a reservation that gets a notice counts as started: it does not expire any more', () => {
  const lab = new Lab({ P: { own: 1, children: { A: { own: 1 }, guest: { own: 0, borrow: inf } } } })
  const ask = { id: 'fresh', project: 'guest', amounts: { units: 1 }, reclaimable: 'yes', ttlMs: 10 } as const
  lab.engine.claim(ask, NOW)
  assert.deepEqual(victimsOf(want(lab, 'A', 1)), ['fresh'])
  assert.deepEqual([lab.numbers('guest').used, lab.numbers('guest').reserved], [1, 0])
  lab.engine.tick(NOW + 10)
  assert.equal(lab.engine.book.find('fresh')?.state, 'reclaiming')
})

test('what a ticket still waits for counts as demand, once', () => {
  const lab = lentOut()
  const [first] = victimsOf(want(lab, 'A', 3))
  lab.engine.release(first!, NOW)
  const { tree } = lab.engine
  assert.equal(lab.engine.deserved(0).at(tree.project('A').leaf), 3)
  const roomy = new Lab({ P: { pool: 4, children: { A: { borrow: inf }, guest: { borrow: inf, tier: 2 } } } })
  roomy.startMany('guest', 4)
  const [notice] = victimsOf(want(roomy, 'A', 2))
  roomy.engine.release(notice!, NOW)
  assert.equal(roomy.engine.deserved(0).at(roomy.engine.tree.project('A').leaf), 2)
})
