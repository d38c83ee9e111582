/** Whom a plan takes from under each order of a policy: the rule decides, and the rights stay what they are. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Outcome } from './asks.ts'
import type { Claim } from './claims.ts'
import type { QuotaEngine } from './engine.ts'
import { explain } from './explain.ts'
import { playUntilRest } from './testing/closed-system.ts'
import type { Job } from './testing/closed-system.ts'
import { Lab } from './testing/lab.ts'
import { inf, plant } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { randomPlots } from './testing/random-plots.ts'
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

interface System {
  plots: Record<string, Plot>
  jobs: Job[]
}

const systems = (sizes: readonly number[]): fc.Arbitrary<System> =>
  fc
    .record({
      plots: randomPlots({ tiers: true, depthMax: 2 }),
      order: orders,
      jobs: fc.array(fc.record({ at: fc.nat(1000), size: fc.constantFrom(...sizes), priority: fc.nat(2) }), {
        minLength: 15,
        maxLength: 40,
      }),
    })
    .map(({ plots, order, jobs }) => {
      const ordered = { r: { ...plots.r!, policy: { victimOrder: order } } }
      const projects = [...plant(ordered).projects].map((project) => project.id)
      return {
        plots: ordered,
        jobs: jobs.map(({ at, ...job }) => ({ ...job, project: projects[at % projects.length]! })),
      }
    })

type Reclaiming = Extract<Outcome, { state: 'reclaiming' }>
const eachPlan = ({ plots, jobs }: System, look: (engine: QuotaEngine, job: Job, outcome: Reclaiming) => void) =>
  playUntilRest(plots, jobs, {
    decided: (engine, job, outcome) => {
      if (outcome.state === 'reclaiming') look(engine, job, outcome)
    },
  })

const victimsIn = (engine: QuotaEngine, { notices }: Reclaiming): Claim[] =>
  notices.map(({ claim }) => engine.book.find(claim)!)

/** Runs `look` as if these had ended already. */
const without = (engine: QuotaEngine, victims: readonly Claim[], look: () => void): void => {
  const { ledger } = engine.tree
  for (const { project, vector } of victims) ledger.apply(project.leaf, 0, -vector.amounts[0]!)
  look()
  for (const { project, vector } of victims) ledger.apply(project.leaf, 0, vector.amounts[0]!)
}

describe('under any order', () => {
  test('closed systems come to rest, and each plan is enough with no victim too many', () => {
    fc.assert(
      fc.property(systems([1, 2, 3, 5]), (system) => {
        eachPlan(system, (engine, job, outcome) => {
          const ticket = engine.tickets.find(outcome.claim)
          if (!ticket) return
          const victims = victimsIn(engine, outcome),
            missing = job.size - ticket.held[0]!
          const fits = () => engine.tree.ledger.fits(ticket.project.leaf, 0, missing)
          without(engine, victims, () => assert.ok(fits()))
          for (const spared of victims)
            without(
              engine,
              victims.filter((victim) => victim !== spared),
              () => assert.ok(!fits(), `${spared.id} is not needed`),
            )
        })
      }),
      propertyRuns(0.2),
    )
  })

  test('nobody who loses by share or by an owner’s right of units falls below its own', () => {
    fc.assert(
      fc.property(systems([1]), (system) => {
        eachPlan(system, (engine, _job, outcome) => {
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
      propertyRuns(0.2),
    )
  })

  test('in each project the units that go are the first of its order', () => {
    fc.assert(
      fc.property(systems([1]), (system) => {
        eachPlan(system, (engine, job, outcome) => {
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
      propertyRuns(0.2),
    )
  })

  test('any two containers are ordered, the same way round whoever asks', () => {
    fc.assert(
      fc.property(orders, systems([1, 2]), (order, system) => {
        const { engine } = playUntilRest(system.plots, system.jobs)
        const claims = [...engine.book.all()]
        for (const a of claims)
          for (const b of claims)
            assert.equal(Math.sign(compareVictims(order, a, b, 0)), -Math.sign(compareVictims(order, b, a, 0)) || 0)
      }),
      propertyRuns(0.05),
    )
  })
})
