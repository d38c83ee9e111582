/** What is kept along between choices of victims: the same as if everything were made anew for each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QuotaEngine } from './engine.ts'
import { planShrink } from './shrinking.ts'
import { exportState, importState } from './state.ts'
import { Lab } from './testing/lab.ts'
import { inf, plant } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { randomPlots } from './testing/random-plots.ts'
import { perform, stepsOf } from './testing/random-steps.ts'
import { victimRules } from './victim-order.ts'
import type { VictimOrder } from './victim-order.ts'

const policies = fc.array(
  fc.record({ before: fc.nat(40), at: fc.nat(1000), victimOrder: fc.shuffledSubarray([...victimRules]) }),
  { maxLength: 5 },
)

/** Of the engine that is kept, and of one that was made of its state a moment ago. */
const both = (engine: QuotaEngine): QuotaEngine[] => [engine, importState(exportState(engine))]

const setPolicies = (engine: QuotaEngine, sets: readonly { at: number; victimOrder: VictimOrder }[]): void => {
  const projects = [...engine.tree.projects].sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const { at, victimOrder } of sets) {
    const project = projects[at % Math.max(1, projects.length)]
    if (project) project.policy = { ...project.policy, victimOrder }
  }
}

const shrinksOf = (engine: QuotaEngine, nowMs: number) =>
  [...engine.tree.projects].map(({ id }) => planShrink(engine, id, engine.tree.resources, nowMs))

for (const resources of [['units'], ['units', 'more']])
  test(`${resources.length} resources: after any history the next choice is as of an engine made anew`, () => {
    const plots = randomPlots({ resources, tiers: true, ceilings: true })
    fc.assert(
      fc.property(plots, stepsOf, policies, (planted, steps, sets) => {
        const engine = new QuotaEngine(plant(planted, resources))
        for (const [number, step] of steps.entries()) {
          setPolicies(
            engine,
            sets.filter(({ before }) => before === number),
          )
          const engines = both(engine)
          for (const one of engines) perform(one, step, number)
          const [kept, anew] = engines.map((one) => ({ state: exportState(one), shrinks: shrinksOf(one, number) }))
          assert.deepEqual(kept, anew)
        }
      }),
      propertyRuns(0.2),
    )
  })

const borrowers = (count: number): Record<string, Plot> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`B${at}`, { own: 0, borrow: inf }]))

const planned = (engine: QuotaEngine, id: string, amounts: Record<string, number>): string[] => {
  const outcome = engine.claim({ id, project: 'owner', amounts, whenFull: 'reclaim' }, 2_000_000)
  assert.ok(outcome.state === 'reclaiming', JSON.stringify(outcome))
  return outcome.notices.map(({ claim }) => claim)
}

const lentOut = (): Lab => {
  const lab = new Lab({ P: { own: 6, children: { owner: { own: 6, borrow: 0 }, ...borrowers(2) } } })
  for (const project of ['B0', 'B1', 'B0', 'B1', 'B0', 'B1']) lab.start(project, 1)
  return lab
}

test('who has notice is passed over, and who may stay after all is next again', () => {
  const { engine } = lentOut()
  assert.deepEqual(planned(engine, 'one', { units: 1 }), ['claim-6'])
  assert.deepEqual(planned(engine, 'two', { units: 1 }), ['claim-5'])
  engine.release('one', 2_000_000)
  assert.deepEqual(planned(engine, 'three', { units: 1 }), ['claim-6'])
})

test('a resource that comes later is chosen by as well', () => {
  const { engine } = lentOut(),
    { tree } = engine
  planned(engine, 'one', { units: 1 })
  const more = tree.addResource('more')
  tree.configure('P', more, { own: 1 })
  tree.configure('owner', more, { own: 1, lend: inf })
  tree.configure('B0', more, { borrow: inf })
  engine.claim({ id: 'late', project: 'B0', amounts: { more: 1 }, reclaimable: 'yes' }, 1_500_000)
  assert.deepEqual(planned(engine, 'two', { more: 1 }), ['late'])
})

test('two engines on one tree do not mistake each other’s choices for their own', () => {
  const { engine } = lentOut(),
    other = new QuotaEngine(engine.tree)
  engine.release('claim-6', 2_000_000)
  other.claim({ id: 'other', project: 'B1', amounts: { units: 1 }, reclaimable: 'yes' }, 1_900_000)
  assert.deepEqual(planned(other, 'one', { units: 1 }), ['other'])
  assert.deepEqual(planned(engine, 'two', { units: 1 }), ['claim-5'])
})
