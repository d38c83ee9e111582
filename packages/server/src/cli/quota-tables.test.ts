/** Tables line up, and name projects by what people call them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explanationLines, loanLines, playedLines, tableOf } from './quota-tables.ts'

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
  const lines = explanationLines(
    { verdict: 'reclaims', victims, refusal: null, levels, available: { instances: 0 } },
    nameOf,
  )
  assert.equal(lines[1], "  ends nova:server:x of shop (by owner's right; in the order priority, newest)")
  const refusal = {
    code: 'CEILING',
    node: 'p1',
    resource: 'instances',
    asked: 9,
    limit: 8,
    used: 4,
    reserved: 0,
    missing: 5,
    remedy: `Release 5 instances in ${longId}.`,
  }
  assert.deepEqual(playedLines('claim:web:instances=9', { state: 'refused', refusal }, nameOf), [
    'claim:web:instances=9  refused:',
    '  CEILING of instances at web: asked 9, limit 8, used 4, reserved 0, missing 5',
    '  Release 5 instances in web.',
  ])
})
