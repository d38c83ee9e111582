/** Whom a lowered limit costs: those beyond their own, worst first, the fewest, and nobody who does not help. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planShrink } from './shrinking.ts'
import { audit } from './state.ts'
import { Lab } from './testing/lab.ts'
import { inf } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { randomPlots } from './testing/random-plots.ts'

const lower = (lab: Lab, id: string, change: object, resource = 0) =>
  lab.engine.tree.configure(id, resource, change, { force: true })

/** The claims that would go, and nothing else changes. */
const payers = (lab: Lab, id: string, resources: readonly string[] = ['units']): string[] => {
  const plan = planShrink(lab.engine, id, resources, lab.nowMs)
  assert.equal(audit(lab.engine), undefined)
  return plan.map(({ claim }) => claim).sort()
}

/** Each claim under its own name. */
const start = (lab: Lab, project: string, sizes: Record<string, number | Record<string, number>>): void => {
  for (const [id, amounts] of Object.entries(sizes)) lab.start(project, amounts, { id })
}

test('whose limit was lowered gives up what is beyond it, the newest first', () => {
  const lab = new Lab({ P: { own: 16, children: { T: { own: 8, borrow: 2 } } } })
  start(lab, 'T', { a: 2, b: 2, c: 2, d: 2 })
  assert.deepEqual(payers(lab, 'T'), [])
  lower(lab, 'T', { own: 4 })
  assert.deepEqual(payers(lab, 'T'), ['d'])
  lower(lab, 'T', { borrow: 0 })
  assert.deepEqual(payers(lab, 'T'), ['c', 'd'])
})

test('below a parent that shrank those pay who use more than their own, the worst first', () => {
  const children = { A: { own: 2, borrow: inf }, B: { own: 2, borrow: inf }, C: { own: 6, borrow: 0 } }
  const lab = new Lab({ P: { own: 20, pool: 10, children } })
  start(lab, 'A', { a1: 2, a2: 2, a3: 2, a4: 2 })
  start(lab, 'B', { b1: 2, b2: 2 })
  start(lab, 'C', { c1: 3, c2: 3 })
  lower(lab, 'P', { own: 14, pool: 4 })
  assert.deepEqual(payers(lab, 'P'), ['a3', 'a4'])
  lower(lab, 'P', { own: 10, pool: 0 })
  assert.deepEqual(payers(lab, 'P'), ['a2', 'a3', 'a4', 'b2'])
})

test('a large one makes the small ones before it unnecessary', () => {
  const lab = new Lab({ P: { own: 16, children: { T: { own: 12 } } } })
  start(lab, 'T', { large: 9, small: 2 })
  lower(lab, 'T', { own: 3 })
  assert.deepEqual(payers(lab, 'T'), ['large'])
})

test('who holds nothing of what is owed stays, and so does who is never taken', () => {
  const lab = new Lab({ P: { own: 16, children: { T: { own: 8 } } } }, ['cores', 'disk'])
  start(lab, 'T', { both: { cores: 2, disk: 2 }, cores: { cores: 2 }, disk: { disk: 2 } })
  lab.engine.claim({ id: 'kept', project: 'T', amounts: { disk: 2 }, reclaimable: 'never' }, lab.nowMs)
  lower(lab, 'T', { own: 4 }, 1)
  assert.deepEqual(payers(lab, 'T', ['cores', 'disk']), ['disk'])
  lower(lab, 'T', { own: 0 }, 1)
  assert.deepEqual(payers(lab, 'T', ['cores', 'disk']), ['both', 'disk'])
})

test('a ceiling is a limit as well, and a project pays with its own containers too', () => {
  const lab = new Lab({ P: { own: 16, children: { Q: { own: 8, borrow: 4, children: { T: { own: 4 } } } } } })
  start(lab, 'Q', { q1: 2, q2: 2, q3: 2, q4: 2 })
  start(lab, 'T', { t1: 2, t2: 2 })
  lower(lab, 'Q', { ceiling: 9 })
  assert.deepEqual(payers(lab, 'Q'), ['q3', 'q4'])
})

test('who leaves already is counted as gone', () => {
  const lab = new Lab({ P: { own: 8, children: { T: { own: 0, borrow: inf }, O: { own: 4, lend: inf } } } })
  start(lab, 'T', { a: 2, b: 2, c: 2, d: 2 })
  const outcome = lab.engine.claim({ id: 'o', project: 'O', amounts: { units: 2 }, whenFull: 'reclaim' }, lab.nowMs)
  assert.equal(outcome.state, 'reclaiming')
  lower(lab, 'T', { borrow: 5 })
  assert.deepEqual(payers(lab, 'T'), ['c'])
})

test('the grace is the borrower’s, as long as the project in debt grants at most', () => {
  const lab = new Lab({ P: { own: 8, children: { Q: { own: 8, children: { T: { own: 4, borrow: inf } } } } } })
  const { tree } = lab.engine
  tree.project('T').policy.graceMs = 90_000
  start(lab, 'T', { a: 4, b: 4 })
  lower(lab, 'T', { borrow: 0 })
  const graceMs = (id: string) =>
    planShrink(lab.engine, id, ['units'], lab.nowMs).map(({ deadlineMs }) => deadlineMs - lab.nowMs)
  assert.deepEqual(graceMs('T'), [90_000])
  tree.project('Q').policy.graceMaxMs = 10_000
  assert.deepEqual(graceMs('T'), [10_000])
  tree.project('Q').policy.reclaim = 'aggressive'
  assert.deepEqual(graceMs('T'), [0])
})

interface Lowered {
  plots: Record<string, Plot>
  starts: { at: number; size: number }[]
  /** Whose limit is lowered, by how much. */
  at: number
  by: number
}

const lowered: fc.Arbitrary<Lowered> = fc.record({
  plots: randomPlots({ tiers: true, ceilings: true }),
  starts: fc.array(fc.record({ at: fc.nat(1000), size: fc.integer({ min: 1, max: 4 }) }), { maxLength: 40 }),
  ...{ at: fc.nat(1000), by: fc.integer({ min: 1, max: 20 }) },
})

/** A project in debt, if it is, after as many as fit have started. */
const play = ({ plots, starts, at, by }: Lowered) => {
  const lab = new Lab(plots),
    { engine } = lab,
    projects = [...engine.tree.projects]
  for (const [index, start] of starts.entries()) {
    const { id } = projects[start.at % projects.length]!
    const ask = { id: `${index}`, project: id, amounts: { units: start.size }, reclaimable: 'yes' as const }
    engine.claim(ask, ++lab.nowMs)
  }
  const project = projects[at % projects.length]!
  const least = engine.tree.ownRange(project, 0, { force: true }).min
  lower(lab, project.id, { own: Math.max(least, project.holdings[0]!.own - by), borrow: 0, ceiling: null })
  return { engine, project, nowMs: lab.nowMs }
}

test('in any tree the debt is settled, by nobody who does not help, from nobody who is within its own', () => {
  fc.assert(
    fc.property(lowered, (setting) => {
      const { engine, project, nowMs } = play(setting),
        { ledger } = engine.tree
      const debt = () => ledger.debt(project.node, 0) + ledger.debt(project.leaf, 0)
      const going = planShrink(engine, project.id, ['units'], nowMs).map(({ claim }) => engine.book.find(claim)!)
      for (const { id } of going) engine.release(id, nowMs)
      assert.equal(debt(), 0)
      for (const { project: from, vector } of going) {
        const size = vector.amounts[0]!
        ledger.apply(from.leaf, 0, size)
        assert.ok(debt() > 0, `${from.id} pays ${size} for nothing`)
        ledger.apply(from.leaf, 0, -size)
        const largest = Math.max(...going.filter((one) => one.project === from).map((one) => one.vector.amounts[0]!))
        assert.ok(ledger.counted(from.leaf, 0) + largest > ledger.visible(from.leaf, 0), `${from.id} is below its own`)
      }
    }),
    propertyRuns(),
  )
})
