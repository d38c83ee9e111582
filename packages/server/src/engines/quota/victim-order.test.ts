/** Whom a plan takes from under each order of a policy: the rule decides, and the rights stay what they are. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { explain } from './explain.ts'
import { playUntilRest } from './testing/closed-system.ts'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { assertMinimal, assertRights, eachPlan, victimsIn, without } from './testing/plans.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { systems } from './testing/random-systems.ts'
import { compareVictims, victimRules } from './victim-order.ts'
import type { VictimOrder } from './victim-order.ts'

const borrows = { own: 0, borrow: inf }

const systemOf = (policy: Plot['policy'], others: Record<string, object> = { A: borrows }) =>
  new Lab({ P: { own: 10, policy, children: { owner: { own: 10, borrow: 0 }, ...others } } })

/** Ten units in use: started in this order, with these sizes and priorities. */
const started = (lab: Lab) => {
  const ids: Record<string, string> = {}
  for (const [name, size, priority, reclaimable] of [
    ['small old', 1, 5, 'yes'],
    ['large old', 4, 5, 'yes'],
    ['low', 2, 1, 'yes'],
    ['offered', 1, 9, 'preferred'],
    ['new', 2, 5, 'yes'],
  ] as const) {
    lab.engine.claim({ id: name, project: 'A', amounts: { units: size }, priority, reclaimable }, ++lab.nowMs)
    lab.engine.commit(name)
    ids[name] = name
  }
  return ids
}

const firstVictims = (order: VictimOrder, amount: number): string[] => {
  const lab = systemOf({ victimOrder: order })
  started(lab)
  const ask = { id: 'owner', project: 'owner', amounts: { units: amount }, whenFull: 'reclaim' as const }
  const outcome = lab.engine.claim(ask, lab.nowMs)
  assert.ok(outcome.state === 'reclaiming')
  for (const notice of outcome.notices) assert.deepEqual(notice.order, order)
  return outcome.notices.map(({ claim }) => claim)
}

for (const [order, victims] of [
  [['preferred', 'priority', 'newest'], ['offered']],
  [['priority', 'newest'], ['low']],
  [['newest'], ['new']],
  [['oldest'], ['small old']],
  [['largest'], ['large old']],
  [['smallest', 'newest'], ['offered']],
  [['smallest', 'oldest'], ['small old']],
  [['priority', 'largest'], ['low']],
] as const)
  test(`${order.join(', ')}: ${victims.join(', ')} goes first`, () =>
    assert.deepEqual(firstVictims(order, 1), victims))

test('the largest first takes the fewest', () => {
  assert.deepEqual(firstVictims(['largest'], 4), ['large old'])
  assert.equal(firstVictims(['smallest'], 4).length, 3)
})

test('the order is inherited, a project’s own decides inside of it, the common parent’s between two', () => {
  const lab = systemOf(
    { victimOrder: ['oldest'] },
    { A: { ...borrows, policy: { victimOrder: ['newest'] } }, B: borrows },
  )
  for (const project of ['A', 'B', 'A', 'B']) lab.start(project, 2)
  lab.start('owner', 2)
  const { victims } = explain(lab.engine, { id: 'q', project: 'owner', amounts: { units: 4 } }, lab.nowMs)
  // Equal borrowers: by P's order the older of their next victims goes first, claim-2 of B; then the newest of A.
  assert.deepEqual(
    victims.map(({ claim, order }) => [claim, order]),
    [
      ['claim-2', ['oldest']],
      ['claim-3', ['newest']],
    ],
  )
})

test('an owner breaks into a minimum run time only when nobody else is there, if priority is no rule', () => {
  const lab = new Lab({
    P: {
      own: 2,
      policy: { victimOrder: ['newest'] },
      children: { owner: { own: 2, borrow: 0 }, A: { ...borrows, policy: { minRuntimeMs: 60_000 } } },
    },
  })
  const old = lab.start('A', 1, { priority: 9 })
  lab.nowMs += 60_000
  const young = lab.start('A', 1, { priority: 1 })
  lab.ask('owner')
  assert.equal(lab.engine.book.find(old), undefined)
  lab.ask('owner')
  assert.equal(lab.engine.book.find(young), undefined)
})

const orders = fc.shuffledSubarray([...victimRules], { minLength: 1 })

const policy = fc.record({ victimOrder: orders })

const ordered = (sizes: readonly number[]) =>
  systems({ sizes, tiers: true, depthMax: 2, jobs: { minLength: 15, maxLength: 40 }, policy })

describe('under any order', () => {
  test('closed systems come to rest, and each plan is enough with no victim too many', () => {
    fc.assert(
      fc.property(ordered([1, 2, 3, 5]), (system) => void eachPlan(system, assertMinimal)),
      propertyRuns(0.5),
    )
  })

  test('each victim’s right holds by definition', () => {
    fc.assert(
      fc.property(ordered([1, 2, 3, 5]), (system) => void eachPlan(system, assertRights)),
      propertyRuns(0.5),
    )
  })

  test('nobody who loses by share or by an owner’s right of units falls below its own', () => {
    fc.assert(
      fc.property(ordered([1]), (system) => {
        eachPlan(system, (engine, outcome) => {
          const { ledger } = engine.tree
          const taken = new Set(
            outcome.notices
              .filter(({ right }) => right !== 'priority')
              .map(({ project }) => engine.tree.project(project).leaf),
          )
          without(engine, victimsIn(engine, outcome), () => {
            for (const leaf of taken)
              assert.ok(ledger.counted(leaf, 0) >= ledger.visible(leaf, 0), `${leaf} lost of its own`)
          })
        })
      }),
      propertyRuns(0.5),
    )
  })

  test('in each project the units that go are the first of its order', () => {
    fc.assert(
      fc.property(ordered([1]), (system) => {
        eachPlan(system, (engine, outcome, job) => {
          const victims = victimsIn(engine, outcome)
          for (const victim of victims) {
            const { project } = victim,
              order = engine.tree.policy(project, 'victimOrder')
            if (project.id === job.project) continue
            const before = [...engine.book.all()].filter(
              (other) => other.project === project && compareVictims(order, other, victim, 0) < 0,
            )
            for (const other of before) assert.ok(other.reclaim, `${other.id} stays, and ${victim.id} goes`)
          }
        })
      }),
      propertyRuns(0.5),
    )
  })

  test('any two containers are ordered, the same way round whoever asks', () => {
    fc.assert(
      fc.property(orders, ordered([1, 2]), (order, system) => {
        const { engine } = playUntilRest(system)
        const claims = [...engine.book.all()]
        for (const a of claims)
          for (const b of claims)
            assert.equal(Math.sign(compareVictims(order, a, b, 0)), -Math.sign(compareVictims(order, b, a, 0)) || 0)
      }),
      propertyRuns(0.1),
    )
  })
})
