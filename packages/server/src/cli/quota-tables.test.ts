/** Tables line up, and name projects by what people call them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explanationLines, loanLines, playedLines, selfLines, tableOf, treeLines } from './quota-tables.ts'

const longId = 'f432f8f53f17477f9dfdff05d34fe592'
const nameOf = (id: string) => ({ p1: 'web', p2: 'shop', [longId]: 'web' })[id] ?? id

test('numbers stand to the right, words to the left, −1 is a word', () => {
  assert.deepEqual(
    tableOf(
      ['NAME', 'N'],
      [
        ['a', 5],
        ['longer', -1],
      ],
    ),
    ['NAME            N', 'a               5', 'longer  unlimited'],
  )
})

test('loans say from what they come, and that there are none', () => {
  const loan = { resource: 'instances', lender: 'p1', borrower: 'p2', amount: 4, fromPool: true }
  const standing = { state: 'called back', calledBack: 3, sinceMs: Date.UTC(2026, 10, 23, 20) }
  assert.deepEqual(loanLines([{ ...loan, ...standing }], nameOf), [
    'LENDER  BORROWER  RESOURCE   AMOUNT  FROM      STATE        CALLED BACK  SINCE',
    'web     shop      instances       4  its pool  called back            3  2026-11-23T20:00:00Z',
  ])
  assert.deepEqual(loanLines([], nameOf), ['Nobody lends anything to anybody now.'])
})

test('an explanation names who would have to end, a refusal what would help', () => {
  const victims = [{ claim: 'nova:server:x', project: 'p2', right: 'owner', order: ['priority', 'newest'] }]
  const levels = [
    {
      project: 'p1',
      resource: 'instances',
      ceiling: 8,
      visible: 8,
      used: 4,
      borrow: 0,
      blocked: 'bound',
    },
  ]
  const numbers = { available: { instances: 0 }, deserved: { instances: 6 }, using: { instances: 4 } }
  const lines = explanationLines(
    { verdict: 'reclaims', victims, refusal: null, levels, ...numbers },
    nameOf,
  )
  assert.equal(lines[1], "  ends nova:server:x of shop (by owner's right; in the order priority, newest)")
  assert.match(lines[3]!, /USING +DESERVED +AVAILABLE/)
  assert.match(lines[4]!, /^instances +4 +6 +0$/)
  const refusal = {
    code: 'CEILING',
    node: 'p1',
    resource: 'instances',
    asked: 9,
    limit: 8,
    used: 4,
    reserved: 0,
    missing: 5,
    heldBy: [{ project: 'p2', amount: 3 }],
    remedy: `Release 5 instances in ${longId}.`,
  }
  assert.deepEqual(playedLines('claim:web:instances=9', [{ state: 'refused', refusal }], nameOf), [
    'claim:web:instances=9  refused:',
    '  CEILING of instances at web: asked 9, limit 8, used 4, reserved 0, missing 5',
    '  shop uses 3 instances beyond its own',
    '  Release 5 instances in web.',
  ])
  assert.deepEqual(playedLines('claim:web:instances=9', [{ state: 'reclaiming', notices: [] }], nameOf), [
    'claim:web:instances=9  granted when others have released it; nobody is told to',
  ])
  const reclaiming = { state: 'reclaiming' as const, notices: victims }
  const granted = { state: 'reserved' as const }
  assert.deepEqual(playedLines('claim:web:instances=1:x4', [granted, granted, reclaiming, reclaiming], nameOf), [
    'claim:web:instances=1:x4  2 of 4:  granted',
    'claim:web:instances=1:x4  2 of 4:  granted when these have ended:',
    "  ends nova:server:x of shop (by owner's right; in the order priority, newest)",
    "  ends nova:server:x of shop (by owner's right; in the order priority, newest)",
  ])
})

const numbers = { depth: 0, limit: 12, inUse: 8, reserved: 0, allocated: 0, pool: 0, available: 4, subtree: 8 }
const terms = { lend: -1, borrow: 4, ceiling: null, weight: 1, tier: 1 }
const row = { project: 'p1', resource: 'instances', ...numbers, ...terms, owned: 8, lent: 0, borrowed: 0, deserved: 8 }

test('the tree shows what is free, tier and ceiling; 120 columns show what matters most of it', () => {
  const inDebt = { ...row, free: -1, self: null }
  const [header, debt, unlimited] = treeLines([inDebt, { ...inDebt, owned: -1 }], nameOf)
  for (const title of ['FREE', 'TIER', 'CEILING']) assert.ok(header!.split(/ +/).includes(title), header)
  assert.match(debt!, / -1 +0 +0 +8 +4$/, 'a debt of one is no freedom from limits')
  assert.match(unlimited!, / unlimited +0 +0 +8 +4$/)
  const narrow = treeLines([{ ...row, project: longId, free: 0, self: null }], (id) => id, 120)
  assert.ok(narrow.slice(0, -1).every((line) => line.length <= 120), narrow[0])
  for (const title of ['OWN', 'IN USE', 'LENT', 'BORROWED', 'AVAILABLE']) assert.ok(narrow[0]!.includes(title), title)
})

test('a project’s own containers have terms of their own, once there are children', () => {
  const self = { ...terms, borrow: -1, ceiling: 3 }
  assert.match(selfLines({ ...row, free: 0, self }, nameOf)[1]!, /^web +instances +unlimited +unlimited +3 +1 +1$/)
  assert.match(selfLines({ ...row, free: 0, self: null }, nameOf)[0]!, /no children yet/)
})
