/** The nested-quota specification's worked example, case by case, with the article's numbers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deleteHardLimit, hardLimitOf, maySee, setHardLimit } from './kilo.ts'
import { Lab } from './testing/lab.ts'
import { inf, plant } from './testing/planted.ts'
import type { Plot } from './testing/planted.ts'
import type { RuleBroken } from './rules.ts'

const fixed = (own: number, children = {}) => ({ own, lend: 0, borrow: 0, children })

/** [hard limit, used, reserved] as in the specification. */
const uses: Record<string, [number, number]> = {
  ProductionIT: [100, 100],
  CMS: [25, 15],
  Computing: [50, 50],
  Visualisation: [25, 25],
  ATLAS: [25, 25],
  Services: [25, 25],
  Operations: [50, 50],
}

const productionIT = () => {
  const lab = new Lab(
    {
      ProductionIT: fixed(1000, {
        CMS: fixed(300, { Computing: fixed(100), Visualisation: fixed(150) }),
        ATLAS: fixed(400, { Services: fixed(100), Operations: fixed(200) }),
      }),
    },
    ['instances'],
  )
  for (const [project, [used, reserved]] of Object.entries(uses)) {
    lab.start(project, used)
    assert.equal(
      lab.engine.claim({ id: `r-${project}`, project, amounts: { instances: reserved } }, 0).state,
      'reserved',
    )
  }
  return lab
}

const refuses = (code: string, bounds: object, act: () => void) =>
  assert.throws(act, (error: RuleBroken) => {
    assert.equal(error.code, code)
    for (const [key, value] of Object.entries(bounds)) assert.equal(error.details[key as 'min'], value)
    return true
  })

test('the table: hard limit, used, reserved, allocated, free', () => {
  const lab = productionIT()
  const row = (id: string) => {
    const { own, used, reserved, allocated, free } = lab.numbers(id)
    return [own, used, reserved, allocated, free]
  }
  assert.deepEqual(
    ['ProductionIT', 'CMS', 'Computing', 'Visualisation', 'ATLAS', 'Services', 'Operations'].map(row),
    [
      [1000, 100, 100, 700, 100],
      [300, 25, 15, 250, 10],
      [100, 50, 50, 0, 0],
      [150, 25, 25, 0, 100],
      [400, 25, 25, 300, 50],
      [100, 25, 25, 0, 50],
      [200, 50, 50, 0, 100],
    ],
  )
})

test('a: CMS to 400 takes all that ProductionIT has free', () => {
  const lab = productionIT()
  setHardLimit(lab.engine.tree, 'CMS', 0, 400)
  assert.deepEqual(
    [lab.numbers('ProductionIT').allocated, lab.numbers('ProductionIT').free, lab.numbers('CMS').free],
    [800, 0, 110],
  )
})

test('b: CMS to 500 is refused and the answer names 400', () => {
  const { tree } = productionIT().engine
  refuses('ABOVE_PARENT', { max: 400 }, () => setHardLimit(tree, 'CMS', 0, 500))
})

test('c: the quota of CMS cannot be deleted while its children hold 250', () => {
  const { tree } = productionIT().engine
  refuses('HAS_ALLOCATED', { min: 250 }, () => deleteHardLimit(tree, 'CMS', 0))
})

test('d, e: CMS may be set to 350, and not to 200, for it needs 290', () => {
  const { tree } = productionIT().engine
  refuses('BELOW_USE', { min: 290 }, () => setHardLimit(tree, 'CMS', 0, 200))
  setHardLimit(tree, 'CMS', 0, 350)
  assert.equal(tree.project('CMS').holdings[0]!.own, 350)
})

test('g, h: everybody sees what is below, and neither siblings nor parents', () => {
  const { tree } = productionIT().engine
  assert.equal(maySee(tree, 'CMS', 'ATLAS'), false)
  assert.equal(maySee(tree, 'Visualisation', 'CMS'), false)
  assert.equal(maySee(tree, 'ProductionIT', 'Visualisation'), true)
})

test('i: a root has no upper bound', () => {
  const lab = productionIT()
  setHardLimit(lab.engine.tree, 'ProductionIT', 0, 2000)
  assert.equal(lab.numbers('ProductionIT').free, 1100)
})

test('j: deleting the quota of Visualisation returns it to CMS and leaves a debt of 50', () => {
  const lab = productionIT()
  deleteHardLimit(lab.engine.tree, 'Visualisation', 0)
  assert.deepEqual(
    [lab.numbers('CMS').allocated, lab.numbers('CMS').free, lab.numbers('Visualisation').free],
    [100, 160, -50],
  )
  assert.equal(lab.ask('Visualisation'), 'CEILING at Visualisation')
})

test('k: a project goes only when it uses nothing, and then its quota is its parent’s again', () => {
  const lab = productionIT(),
    { engine } = lab
  refuses('IN_USE', {}, () => engine.tree.removeProject('Visualisation'))
  for (const claim of [...engine.book.all()]) if (claim.project.id === 'Visualisation') engine.release(claim.id, 0)
  engine.tree.removeProject('Visualisation')
  assert.deepEqual([lab.numbers('CMS').allocated, lab.numbers('CMS').free], [100, 160])
})

test('instances: none in Computing, a hundred in Operations', () => {
  const lab = productionIT()
  assert.equal(lab.ask('Computing'), 'CEILING at Computing')
  lab.startMany('Operations', 100)
  assert.equal(lab.ask('Operations'), 'CEILING at Operations')
})

const chain = () => {
  const lab = new Lab({ A: fixed(100, { B: fixed(50, { C: fixed(10) }) }) }, ['instances'])
  lab.start('B', 20)
  lab.start('C', 10)
  return lab
}

test('a chain of three: free 50, 20, 0; limits move only within what the next level up can spare', () => {
  const lab = chain(),
    { tree } = lab.engine
  assert.deepEqual(
    ['A', 'B', 'C'].map((id) => lab.numbers(id).free),
    [50, 20, 0],
  )
  setHardLimit(tree, 'C', 0, 20)
  assert.equal(lab.numbers('B').free, 10)
  refuses('ABOVE_PARENT', { max: 30 }, () => setHardLimit(tree, 'C', 0, 40))
  const fresh = chain()
  setHardLimit(fresh.engine.tree, 'B', 0, 40)
  assert.equal(fresh.numbers('A').allocated, 40)
  refuses('BELOW_USE', { min: 30 }, () => setHardLimit(fresh.engine.tree, 'B', 0, 20))
})

test('what is reserved counts: with fifty reserved A has nothing free', () => {
  const lab = chain()
  lab.engine.claim({ id: 'pending', project: 'A', amounts: { instances: 50 } }, 0)
  assert.equal(lab.numbers('A').free, 0)
})

test('a child of −1 draws on what its parent has not given away, together with its like', () => {
  const lab = new Lab({ P: fixed(10, { X: fixed(0), Y: fixed(0), Z: fixed(4) }) }, ['instances']),
    { tree } = lab.engine
  setHardLimit(tree, 'X', 0, -1)
  setHardLimit(tree, 'Y', 0, -1)
  assert.deepEqual(lab.available('X', 'Y', 'Z'), [6, 6, 4])
  lab.start('X', 4)
  assert.deepEqual(lab.available('X', 'Y', 'Z', 'P'), [2, 2, 4, 2])
  setHardLimit(tree, 'X', 0, 5)
  assert.deepEqual(lab.available('X', 'Y', 'Z', 'P'), [1, 1, 4, 1], 'a part of its own again')
})

test('a root of −1 is unlimited, and so are its children of −1', () => {
  const lab = new Lab({ P: fixed(0, { X: fixed(0) }) }, ['instances']),
    { tree } = lab.engine
  setHardLimit(tree, 'P', 0, -1)
  setHardLimit(tree, 'X', 0, -1)
  lab.start('X', 1_000_000)
  lab.start('P', 1_000_000)
  setHardLimit(tree, 'P', 0, 3_000_000)
  assert.deepEqual(lab.available('X'), [1_000_000])
  setHardLimit(tree, 'P', 0, -1)
  lab.start('X', 9_000_000)
})

test('a child that drew on its parent and gets a limit again stays within it', () => {
  const tree = plant({ P: { own: 10, children: { X: { own: 2, lend: 0, borrow: 0 } } } }),
    { ledger } = tree,
    { leaf } = tree.project('X')
  setHardLimit(tree, 'X', 0, -1)
  assert.equal(ledger.available(leaf, 0), 10)
  setHardLimit(tree, 'X', 0, 3)
  assert.equal(ledger.available(leaf, 0), 3)
})

/** Own, borrow, ceiling and what clients see, after they have set what is given. */
const after = (plot: Partial<Plot>, ...limits: number[]) => {
  const tree = plant({ P: { own: 20, children: { X: { lend: inf, ...plot } } } }),
    project = tree.project('X')
  for (const limit of limits) setHardLimit(tree, 'X', 0, limit)
  const holding = project.holdings[0]!
  const { own, borrow, ceiling } = holding
  return { own, borrow, ceiling, shown: hardLimitOf(holding, false) }
}

test('a client reads back what it set, whatever the mode', () => {
  const modes: Partial<Plot>[] = [
    { own: 8, borrow: 0 },
    { own: 8, borrow: 4 },
    { own: 8, borrow: inf },
    { own: 8, borrow: 4, ceiling: 10 },
    { own: 8, borrow: 0, ceiling: 8 },
    { own: 0, borrow: inf },
    { own: 4, pool: 4, borrow: 4, children: { Y: { own: 0, borrow: inf } } },
  ]
  for (const mode of modes)
    for (const limit of [15, 12, 8, 6, -1, 7]) assert.equal(after(mode, limit).shown, limit, JSON.stringify(mode))
})

test('who borrows so much owns the rest of its limit; who borrows without limit has a ceiling', () => {
  assert.deepEqual(after({ own: 8, borrow: 4 }, 8), { own: 4, borrow: 4, ceiling: null, shown: 8 })
  assert.deepEqual(after({ own: 8, borrow: 4 }, 3), { own: 0, borrow: 3, ceiling: null, shown: 3 })
  assert.deepEqual(after({ own: 8, borrow: inf }, 12), { own: 8, borrow: inf, ceiling: 12, shown: 12 })
  assert.deepEqual(after({ own: 8, borrow: inf }, 5), { own: 5, borrow: inf, ceiling: 5, shown: 5 })
  assert.deepEqual(after({ own: 8, borrow: inf }, 5, -1), { own: 5, borrow: inf, ceiling: null, shown: -1 })
  assert.deepEqual(after({ own: 8, borrow: 4, ceiling: 10 }, 9), { own: 8, borrow: 4, ceiling: 9, shown: 9 })
  assert.deepEqual(after({ own: 8, borrow: 4, ceiling: 10 }, 14), { own: 10, borrow: 4, ceiling: null, shown: 14 })
})

test('a child of −1 that gets a number owns it, and has it as its ceiling where its parent shares a pool', () => {
  assert.deepEqual(after({ own: 0, borrow: inf }, 6), { own: 6, borrow: 0, ceiling: null, shown: 6 })
  const tree = plant({ P: { own: 20, pool: 20, children: { X: { own: 0, borrow: inf } } } })
  setHardLimit(tree, 'X', 0, 6)
  const { own, borrow, ceiling } = tree.project('X').holdings[0]!
  assert.deepEqual({ own, borrow, ceiling }, { own: 0, borrow: inf, ceiling: 6 })
})

test('what is shown changes nothing when it is sent back', () => {
  for (const mode of [{ own: 8, borrow: 4 }, { own: 8, borrow: inf }, { own: 8, borrow: 4, ceiling: 10 }])
    assert.deepEqual(after(mode, after(mode).shown), after(mode))
})

test('a limit of a borrower is refused by its own bounds, and forced down to what its children hold', () => {
  const lab = new Lab({ P: fixed(20, { X: { own: 8, borrow: 4, children: { Y: fixed(5) } }, Z: fixed(6) }) }, [
      'instances',
    ]),
    { tree } = lab.engine
  lab.start('X', 4)
  refuses('ABOVE_PARENT', { max: 18, asked: 19 }, () => setHardLimit(tree, 'X', 0, 19))
  setHardLimit(tree, 'X', 0, 17)
  assert.equal(tree.project('X').holdings[0]!.own, 13)
  refuses('BELOW_USE', { min: 9, asked: 8 }, () => setHardLimit(tree, 'X', 0, 8))
  refuses('BELOW_USE', { min: 5, asked: 4 }, () => setHardLimit(tree, 'X', 0, 4, true))
  setHardLimit(tree, 'X', 0, 8, true)
  const { own, borrow } = tree.project('X').holdings[0]!
  assert.deepEqual([own, borrow], [5, 3], 'what a child holds stays owned')
})

test('what is borrowed below counts as use of the limit', () => {
  const children = { Y: { own: 0, borrow: inf } },
    lab = new Lab({ P: fixed(20, { X: { own: 4, pool: 4, borrow: inf, children } }) }),
    { tree } = lab.engine
  lab.start('Y', { units: 9 })
  refuses('BELOW_USE', { min: 9 }, () => setHardLimit(tree, 'X', 0, 8))
  setHardLimit(tree, 'X', 0, 9)
  assert.equal(lab.ask('Y', { units: 1 }), 'CEILING at X')
})

test('what children of −1 use is not free at their parent, cannot be granted, nor taken from under them', () => {
  const lab = new Lab({ P: fixed(10, { X: fixed(0), Y: fixed(0), Z: fixed(4) }) }, ['instances']),
    { tree } = lab.engine
  setHardLimit(tree, 'X', 0, -1)
  lab.start('X', 4)
  const { allocated, drawn, free, selfOwn } = lab.numbers('P')
  assert.deepEqual({ allocated, drawn, free, selfOwn }, { allocated: 4, drawn: 4, free: 2, selfOwn: 6 })
  refuses('ABOVE_PARENT', { max: 2 }, () => setHardLimit(tree, 'Y', 0, 3))
  refuses('BELOW_USE', { min: 8 }, () => setHardLimit(tree, 'P', 0, 7))
  setHardLimit(tree, 'X', 0, 6)
  assert.deepEqual([lab.numbers('P').drawn, lab.numbers('P').free], [0, 0])
})

test('a child of −1 counts with all that is below it, and only as far as its parent had something to draw on', () => {
  const lab = new Lab({ P: { own: 10, children: { X: fixed(0, { x: fixed(0) }), Z: { own: 8 } } } }, ['instances']),
    { tree } = lab.engine
  setHardLimit(tree, 'X', 0, -1)
  setHardLimit(tree, 'x', 0, -1)
  lab.start('X', 1)
  lab.start('x', 5)
  assert.deepEqual([lab.numbers('P').drawn, lab.numbers('P').free, lab.available('Z')[0]], [2, 0, 4])
  assert.deepEqual([lab.numbers('X').drawn, lab.numbers('X').free], [0, -1])
})

test('a child of −1 that moves takes what it draws along', () => {
  const lab = new Lab({ R: fixed(20, { A: fixed(6, { X: fixed(0) }), B: fixed(5, { b: fixed(0) }) }) }, ['instances']),
    { tree } = lab.engine
  setHardLimit(tree, 'X', 0, -1)
  lab.start('X', 4)
  assert.deepEqual([lab.numbers('A').free, lab.numbers('B').free], [2, 5])
  tree.moveProject('X', 'B')
  assert.deepEqual([lab.numbers('A').free, lab.numbers('B').free], [6, 1])
})
