/** What people are told: loans, explanations, what-if, and the order of those who wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QuotaEngine } from './engine.ts'
import { explain, simulate } from './explain.ts'
import { loansOf } from './loans.ts'
import { sentence } from './refusals.ts'
import { exportState } from './state.ts'
import { Lab } from './testing/lab.ts'
import { inf, plant } from './testing/planted.ts'
import { propertyRuns } from './testing/property-runs.ts'
import { randomPlots } from './testing/random-plots.ts'
import { nextInLine } from './waiting.ts'
import type { Waiter } from './waiting.ts'

const article = () => {
  const lab = new Lab({ P: { own: 16, children: { T1: { own: 8, borrow: 0 }, T2: { own: 8, borrow: 4 } } } })
  lab.startMany('T1', 4)
  lab.startMany('T2', 12)
  return lab
}

test('the loan of four is named with its lender and its borrower', () => {
  assert.deepEqual(loansOf(article().engine.tree, 0), [
    { resource: 'units', lender: 'T1', fromPool: false, borrower: 'T2', amount: 4 },
  ])
})

test('a group passes on no more loans than it may lend, though more of it is idle', () => {
  const lab = new Lab({
    P: {
      own: 8,
      children: {
        D: { own: 4, lend: 2, children: { d1: { own: 2 }, d2: { own: 2 } } },
        E: { own: 4 },
        T: { own: 0, borrow: inf },
      },
    },
  })
  lab.startMany('T', 5)
  assert.deepEqual(
    loansOf(lab.engine.tree, 0).map(({ lender, amount }) => [lender, amount]),
    [
      ['d1', 2],
      ['E', 3],
    ],
  )
})

test('every unit beyond own is somebody’s loan, and nobody lends more than is idle or permitted', () => {
  const uses = fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 4 })), { maxLength: 25 })
  fc.assert(
    fc.property(randomPlots(), uses, (plots, list) => {
      const tree = plant(plots),
        projects = [...tree.projects]
      for (const [at, amount] of list) {
        const { leaf } = projects[at % projects.length]!
        if (tree.ledger.fits(leaf, 0, amount)) tree.ledger.apply(leaf, 0, amount)
      }
      const loans = loansOf(tree, 0)
      const total = (of: (loan: (typeof loans)[number]) => boolean) =>
        loans.filter(of).reduce((sum, loan) => sum + loan.amount, 0)
      for (const project of projects) {
        const used = tree.ledger.counted(project.leaf, 0),
          own = tree.ledger.base(project.leaf, 0)
        assert.equal(
          total((loan) => loan.borrower === project.id),
          Math.max(0, used - own),
        )
        const lent = total((loan) => loan.lender === project.id && !loan.fromPool)
        assert.ok(lent <= Math.min(tree.ledger.lendable(project.leaf, 0), Math.max(0, own - used)))
        assert.ok(total((loan) => loan.lender === project.id && loan.fromPool) <= project.holdings[0]!.pool)
      }
    }),
    propertyRuns(),
  )
})

test('what has no limit is lent by nobody, and what siblings lend below it is', () => {
  const X = { own: 0, borrow: inf }
  const lab = new Lab({ P: { own: inf, children: { D: { own: 4, children: { X, Y: { own: 4, lend: inf } } }, Z: X } } })
  lab.start('X', 3)
  lab.start('Z', 5)
  assert.deepEqual(
    loansOf(lab.engine.tree, 0).map(({ lender, borrower, amount }) => [lender, borrower, amount]),
    [['Y', 'X', 3]],
  )
})

test('an explanation names the verdict, whom it would cost, every level, and changes nothing', () => {
  const lab = article(),
    before = exportState(lab.engine)
  const answer = explain(lab.engine, { id: 'q', project: 'T1', amounts: { units: 2 } }, lab.nowMs)
  assert.equal(answer.verdict, 'reclaims')
  assert.deepEqual(
    answer.victims.map(({ project, right }) => [project, right]),
    [
      ['T2', 'owner'],
      ['T2', 'owner'],
    ],
  )
  assert.deepEqual(
    answer.levels.map(({ project, used, blocked }) => [project, used, blocked]),
    [
      ['T1', 4, null],
      ['P', 16, 'ceiling'],
    ],
  )
  assert.deepEqual([answer.using, answer.available, answer.deserved], [{ units: 4 }, { units: 0 }, { units: 6 }])
  assert.deepEqual(exportState(lab.engine), before)
})

test('a refusal says what, where, how much and what would help', () => {
  const lab = article()
  const outcome = lab.engine.claim({ id: 'q', project: 'T1', amounts: { units: 2 } }, lab.nowMs)
  assert.ok(outcome.state === 'refused')
  assert.equal(
    sentence(outcome.refusal),
    'Quota exceeded for units: asked 2, its ancestor P uses 16 and has reserved 0 of 16 (SHORTAGE). ' +
      '2 units must be released in P; beyond their own use: T2 (4).',
  )
})

test('a refusal counts what is missing beyond what is there', () => {
  const lab = new Lab({ P: { own: 10, children: { T: { own: 6, borrow: 0 } } } })
  lab.startMany('T', 4)
  const outcome = lab.engine.claim({ id: 'q', project: 'T', amounts: { units: 5 } }, lab.nowMs)
  assert.ok(outcome.state === 'refused')
  const { code, limit, used, available, missing, remedy } = outcome.refusal
  assert.deepEqual([code, limit, used, available, missing], ['CEILING', 6, 4, 2, 3])
  assert.equal(remedy, 'Release 3 units in T, or raise its limit by 3. Or ask for at most 2.')
})

test('what-if gives back as well', () => {
  const lab = article()
  const [held] = [...lab.engine.book.all()].filter(({ project }) => project.id === 'T2')
  const retry = { claim: { id: 'x', project: 'T2', amounts: { units: 1 } } }
  const { results } = simulate(lab.engine, [retry, { release: held!.id }, retry], lab.nowMs)
  assert.deepEqual(
    results.map(({ outcome }) => outcome.state),
    ['refused', 'done', 'reserved'],
  )
})

test('what-if plays limits and claims on a copy', () => {
  const lab = article(),
    before = exportState(lab.engine)
  const { engine, results } = simulate(
    lab.engine,
    [
      { claim: { id: 'x', project: 'T2', amounts: { units: 1 } } },
      { set: { project: 'P', resource: 'units', holding: { own: 20 } } },
      { set: { project: 'T2', resource: 'units', holding: { borrow: -1 } } },
      { claim: { id: 'x', project: 'T2', amounts: { units: 1 } } },
    ],
    lab.nowMs,
  )
  assert.deepEqual(
    results.map(({ outcome }) => outcome.state),
    ['refused', 'done', 'done', 'reserved'],
  )
  assert.equal(engine.tree.ledger.counted(engine.tree.project('T2').leaf, 0), 13)
  assert.deepEqual(exportState(lab.engine), before)
})

const waiter = (engine: QuotaEngine, id: string, project: string, more: Partial<Waiter> = {}): Waiter => ({
  id,
  leaf: engine.tree.project(project).leaf,
  vector: { resources: [0], amounts: [1] },
  priority: 0,
  sinceMs: 0,
  ...more,
})

test('who stays within own goes before who borrows; then tier, smaller excess, priority, age', () => {
  const { engine } = new Lab({
    P: {
      pool: 4,
      children: {
        O: { own: 1, borrow: inf, tier: 10 },
        B: { own: 0, borrow: inf, tier: 2 },
        C: { own: 0, borrow: inf, tier: 3 },
      },
    },
  })
  const line = [
    waiter(engine, 'late', 'C'),
    waiter(engine, 'tier', 'B'),
    waiter(engine, 'owner', 'O'),
    waiter(engine, 'urgent', 'B', { priority: 5 }),
  ]
  const order: string[] = []
  while (line.length > 0) {
    const next = nextInLine(engine.tree, line)!
    order.push(next.id)
    line.splice(line.indexOf(next), 1)
  }
  assert.deepEqual(order, ['owner', 'urgent', 'tier', 'late'])
})

test('served in this order, unit requests reach what everybody deserves without any reclaim', () => {
  fc.assert(
    fc.property(randomPlots({ tiers: true }), fc.array(fc.nat(1000), { maxLength: 40 }), (plots, list) => {
      const engine = new QuotaEngine(plant(plots)),
        projects = [...engine.tree.projects]
      const line = list.map((at, index) =>
        waiter(engine, `w${String(index).padStart(3, '0')}`, projects[at % projects.length]!.id),
      )
      const stuck: Waiter[] = []
      while (line.length > 0) {
        const next = nextInLine(engine.tree, line)!
        line.splice(line.indexOf(next), 1)
        if (engine.tree.ledger.fits(next.leaf, 0, 1))
          engine.claim(
            { id: next.id, project: engine.tree.projectAt(next.leaf).id, amounts: { units: 1 }, reclaimable: 'yes' },
            0,
          )
        else stuck.push(next)
      }
      const waiting = new Map<(typeof projects)[number], number>()
      for (const { leaf } of stuck)
        waiting.set(engine.tree.projectAt(leaf), (waiting.get(engine.tree.projectAt(leaf)) ?? 0) + 1)
      const deserved = engine.deserved(0, waiting)
      for (const { leaf, id } of projects) {
        assert.ok(
          Math.abs(engine.tree.ledger.counted(leaf, 0) - deserved.at(leaf)) <= 2,
          `${id}: ${engine.tree.ledger.counted(leaf, 0)} of ${deserved.at(leaf)}`,
        )
      }
    }),
    propertyRuns(),
  )
})
