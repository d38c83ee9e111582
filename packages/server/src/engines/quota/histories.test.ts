/** Random histories with changes of settings, moves and debts in between: what holds after each step, by definition. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { amountOf } from './claims.ts'
import { QuotaEngine } from './engine.ts'
import { audit, exportState, importState } from './state.ts'
import { isSatisfiable } from './testing/flow-oracle.ts'
import { byDefinition, judged } from './testing/judged-tree.ts'
import { inf, plant } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { randomPlots } from './testing/random-plots.ts'
import { isCounting, perform, stepsOf } from './testing/random-steps.ts'
import type { Step } from './testing/random-steps.ts'

const resources = ['cpu', 'mem']
const trees = randomPlots({ tiers: true, ceilings: true, resources })

/** What claims and tickets hold, counted anew. */
const useOf = ({ book, tickets }: QuotaEngine, resource: number): ((leaf: number) => number) => {
  const uses = new Map<number, number>()
  const add = (leaf: number, amount: number) => uses.set(leaf, (uses.get(leaf) ?? 0) + amount)
  for (const { project, vector } of book.all()) add(project.leaf, amountOf(vector, resource))
  for (const { project, vector, held } of tickets.all()) {
    vector.resources.forEach((one, at) => one === resource && add(project.leaf, held[at]!))
  }
  return (leaf) => uses.get(leaf) ?? 0
}

const numbersOf = (engine: QuotaEngine, resource: number) =>
  byDefinition(engine.tree, useOf(engine, resource), resource)

/** How far each node is beyond what it may count, and its subtree beyond its ceiling. */
const debtsOf = (engine: QuotaEngine): Map<string, number> =>
  new Map(
    engine.tree.resources.flatMap((_, resource) =>
      [...numbersOf(engine, resource)].flatMap(([node, { counted, bound, subtree, ceiling }]) => [
        [`${resource} at ${node}`, Math.max(0, counted - bound)] as const,
        [`${resource} below ${node}`, Math.max(0, subtree - ceiling)] as const,
      ]),
    ),
  )

/** Plays a random history and looks after each step. */
const afterEach = (look: (engine: QuotaEngine, step: Step, index: number) => void) =>
  fc.property(trees, stepsOf, (plots, steps) => {
    const engine = new QuotaEngine(plant(plots, resources))
    steps.forEach((step, index) => {
      perform(engine, step, index)
      look(engine, step, index)
    })
  })

test('whatever happens, every number is what settings and claims make it by definition', () => {
  fc.assert(
    afterEach((engine, step) => {
      const { ledger } = engine.tree
      for (let resource = 0; resource < resources.length; resource++) {
        for (const [node, numbers] of numbersOf(engine, resource)) {
          for (const [measure, value] of Object.entries(numbers))
            if (node !== 0 || measure !== 'ceiling')
              assert.equal(ledger[measure as 'counted'](node, resource), value, `${measure} after ${step.do}`)
        }
      }
    }),
    propertyRuns(0.5),
  )
})

test('whatever happens, a rebuild gives the same, parts add up, and every number is whole', () => {
  fc.assert(
    afterEach((engine) => {
      assert.equal(audit(engine), undefined)
      for (const project of engine.tree.projects) {
        const { own, pool, selfOwn, allocated, used, reserved, drawn } = engine.tree.numbers(project, 0)
        const children = [...project.children].reduce((sum, child) => sum + child.holdings[0]!.own, 0)
        assert.equal(allocated, children)
        assert.equal(own, selfOwn + pool + allocated)
        for (const number of [own, pool, selfOwn, allocated, used, reserved, drawn])
          assert.ok(Number.isSafeInteger(number) && number >= 0)
      }
    }),
    propertyRuns(0.3),
  )
})

test('while nobody is in debt a request fits exactly when max-flow says so, after any changes and moves', () => {
  let compared = 0
  fc.assert(
    afterEach((engine, step) => {
      if (engine.tree.roots.length === 0 || [...debtsOf(engine).values()].some((debt) => debt > 0)) return
      const { tree } = engine,
        projects = [...tree.projects],
        { leaf } = projects[step.to % projects.length]!,
        amount = step.amount + 1
      for (let resource = 0; resource < resources.length; resource++, compared++) {
        const used = useOf(engine, resource)
        const nodes = judged(tree, (at) => used(at) + (at === leaf ? amount : 0), resource)
        assert.equal(tree.ledger.fits(leaf, resource, amount), isSatisfiable(nodes), `after ${step.do}`)
      }
    }),
    propertyRuns(0.5),
  )
  assert.ok(compared > 0)
})

test('nothing that only counts makes a debt, or a larger one', () => {
  fc.assert(
    fc.property(trees, stepsOf, (plots, steps) => {
      const engine = new QuotaEngine(plant(plots, resources))
      steps.forEach((step, index) => {
        const before = debtsOf(engine)
        perform(engine, step, index)
        if (!isCounting(step)) return
        for (const [place, debt] of debtsOf(engine))
          assert.ok(debt <= before.get(place)!, `${debt} of ${place} after ${step.do}`)
      })
    }),
    propertyRuns(0.5),
  )
})

test('a claim that is asked for again, at any time, is answered as it stands, and nothing changes', () => {
  fc.assert(
    afterEach((engine, { at }) => {
      const claims = [...engine.book.all()],
        claim = claims[at % Math.max(1, claims.length)]
      if (!claim) return
      const before = exportState(engine)
      const again = { id: claim.id, project: claim.project.id, amounts: { cpu: at }, whenFull: 'reclaim' } as const
      const state = claim.state === 'reserved' ? 'reserved' : 'committed'
      assert.deepEqual(engine.claim(again, 1e9), { state, claim: claim.id })
      assert.deepEqual(exportState(engine), before)
    }),
    propertyRuns(0.2),
  )
})

test('in debt or not, once everybody obeyed an owner gets its own', () => {
  fc.assert(
    fc.property(trees, stepsOf, (plots, steps) => {
      const engine = new QuotaEngine(plant(plots, resources))
      steps.forEach((step, index) => perform(engine, step, index))
      for (const ticket of engine.tickets.all()) engine.release(ticket.id, 0)
      for (const { id, leaf } of engine.tree.projects) {
        const { ledger } = engine.tree,
          left = (one: number) => Math.max(0, ledger.base(leaf, one) - ledger.counted(leaf, one))
        const amounts = Object.fromEntries(resources.map((name, one) => [name, left(one)]))
        const outcome = engine.claim({ id: `own of ${id}`, project: id, amounts, whenFull: 'reclaim' }, 1e9)
        if (outcome.state === 'reclaiming') for (const { claim } of outcome.notices) engine.release(claim, 1e9)
        assert.ok(engine.book.find(`own of ${id}`), JSON.stringify(outcome))
      }
    }),
    propertyRuns(0.5),
  )
})

test('a change of configuration alone evicts nothing and changes no use', () => {
  fc.assert(
    fc.property(trees, stepsOf, stepsOf, (plots, steps, changes) => {
      const engine = new QuotaEngine(plant(plots, resources))
      steps.filter(isCounting).forEach((step, index) => perform(engine, step, index))
      const uses = () => [...engine.book.all()].map((claim) => [claim.id, claim.state, { ...claim.vector }])
      const before = uses()
      changes.filter(({ do: act }) => act === 'set').forEach((step, index) => perform(engine, step, index))
      assert.deepEqual(uses(), before)
    }),
    propertyRuns(0.5),
  )
})

test('a copy made from plain data decides like the original', () => {
  fc.assert(
    fc.property(trees, stepsOf, stepsOf, (plots, steps, later) => {
      const engine = new QuotaEngine(plant(plots, resources))
      steps.forEach((step, index) => perform(engine, step, index))
      const copy = importState(JSON.parse(JSON.stringify(exportState(engine))))
      assert.deepEqual(exportState(copy), exportState(engine))
      for (const one of [engine, copy])
        later.filter(isCounting).forEach((step, index) => perform(one, step, 100 + index))
      assert.deepEqual(exportState(copy), exportState(engine))
    }),
    propertyRuns(0.3),
  )
})

const hashOf = (engine: QuotaEngine): string => {
  const ledgers = resources.map((_, resource) => [...engine.tree.ledger.snapshot(resource)])
  const whole = JSON.stringify([exportState(engine), ledgers], (_, value) => (value === inf ? 'no limit' : value))
  return createHash('sha256').update(whole).digest('hex')
}

/** Four hundred steps that no library chooses. */
const fixedSteps = (): Step[] => {
  let seed = 20_141_016
  const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
  const often = ['claim', 'claim', 'commit', 'commit', 'claim', 'commit', 'release'] as const
  const acts = [...often, ...often, ...often, 'tick', 'set', 'shrink', 'move'] as const
  const fields = ['own', 'weight', 'tier', 'pool'] as const
  return Array.from({ length: 400 }, () => ({
    do: acts[next(acts.length)]!,
    at: next(1000),
    to: next(1000),
    amount: next(10),
    field: fields[next(fields.length)]!,
  }))
}

test('a fixed history ends, to the bit, in the state that it always ended in', () => {
  const group = (own: number) => ({
    own,
    pool: 4,
    borrow: inf,
    children: { [`a${own}`]: { own: 6, borrow: inf }, [`b${own}`]: { own: 3, lend: 1, borrow: 9, weight: 2 } },
  })
  const plots = { R: { own: 60, pool: 10, children: { D: group(20), E: group(18) } } }
  const engine = new QuotaEngine(plant(plots, resources))
  fixedSteps().forEach((step, index) => perform(engine, step, index))
  assert.deepEqual(
    new Set(engine.takeEvents().map(({ type }) => type)),
    new Set(['notice', 'granted', 'due', 'noticeCancelled', 'expired']),
  )
  assert.equal(hashOf(engine), 'db5b0a170b04597dccc83ec3ef0bb988f520c81e54cd565283f36be2431c9e41')
})
