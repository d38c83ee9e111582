/** Every plan in closed, contended systems: its victims are few, useful and permitted, and never across a fence. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Job } from './testing/closed-system.ts'
import { inf } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { assertMinimal, assertRights, eachPlan } from './testing/plans.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { crowded, systems } from './testing/random-systems.ts'

for (const [name, options, share] of [
  ['any', {}, 1],
  ['crowded', crowded, 0.5],
] as const) {
  const system = systems({ ...options, sizes: [1, 2, 3, 5], tiers: true, ceilings: true })

  test(`${name} systems: a plan has no victim too many, and every victim frees what is contested`, () => {
    fc.assert(
      fc.property(system, (one) => void eachPlan(one, assertMinimal)),
      propertyRuns(share),
    )
  })

  test(`${name} systems: each victim’s right holds by definition, at every place up to where both meet`, () => {
    fc.assert(
      fc.property(system, (one) => void eachPlan(one, assertRights)),
      propertyRuns(share),
    )
  })
}

test('crowded systems do have plans of several victims', () => {
  let several = 0
  const some = fc.sample(systems({ ...crowded, sizes: [1, 2, 3, 5], tiers: true }), { numRuns: 100, seed: 7 })
  for (const system of some) eachPlan(system, (_engine, { notices }) => void (several += Number(notices.length > 1)))
  assert.ok(several > 50, `${several} plans of several victims`)
})

const fenced = (plot: Plot): Plot => ({ ...plot, of: { units: { ...plot.of!.units, lend: 0, borrow: 0 } } })

/** The same tree with longer names. */
const named = (prefix: string, plot: Plot, name = 'r'): Record<string, Plot> => ({
  [`${prefix} ${name}`]: {
    ...plot,
    children: Object.assign(
      {},
      ...Object.entries(plot.children ?? {}).map(([below, child]) => named(prefix, child, below)),
    ),
  },
})

const movedTo = (prefix: string, jobs: readonly Job[]): Job[] =>
  jobs.map((job) => ({ ...job, project: `${prefix} ${job.project}` }))

test('nobody on one side of a fence is a victim of anybody on the other', () => {
  const some = systems({ ...crowded, sizes: [1, 2, 3, 5], tiers: true })
  const isInside = (project: string) => project.startsWith('in')
  fc.assert(
    fc.property(some, some, (inside, outside) => {
      const kept = fenced(inside.plots.r!)
      const plots = { top: { pool: 3, children: { ...named('in', kept), ...named('out', outside.plots.r!) } } }
      const jobs = [...movedTo('in', inside.jobs), ...movedTo('out', outside.jobs)].sort(
        (a, b) => a.project.length - b.project.length,
      )
      eachPlan({ plots, jobs }, (_engine, { notices }, job) => {
        for (const { project } of notices) assert.equal(isInside(project), isInside(job.project))
      })
    }),
    propertyRuns(0.3),
  )
})

test('a plan of all three rights: by share while beyond its own, by priority, then as an owner', () => {
  const plots = {
    r: { children: { owner: { own: 5, borrow: inf }, other: { own: 6, lend: 1, borrow: 3 } }, selfSettings: {} },
  }
  const taken: [string, number][] = []
  const jobs = [
    { project: 'other', amounts: { units: 3 }, priority: 0 },
    { project: 'other', amounts: { units: 1 }, priority: 0 },
    { project: 'owner', amounts: { units: 1 }, priority: 0 },
    { project: 'other', amounts: { units: 5 }, priority: 1 },
    { project: 'r', amounts: { units: 1 }, priority: 0 },
    { project: 'owner', amounts: { units: 5 }, priority: 1 },
  ]
  eachPlan({ plots, jobs }, ({ book }, { notices }) => {
    if (taken.length > 0) return
    taken.push(
      ...notices.map(({ claim, right }): [string, number] => [right, book.find(claim)!.vector.amounts[0]!]),
    )
  })
  assert.deepEqual(taken, [
    ['share', 1],
    ['priority', 1],
    ['owner', 3],
  ])
})
