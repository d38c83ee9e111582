/** Dealing whole units by weight: the worked examples, and its definition taken literally. */
/** Dealing whole units by weight: the worked examples, and its definition taken literally. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { deal, type Share } from './deal.ts'
import { UNLIMITED } from './amounts.ts'
import { propertyRuns } from './testing/property-runs.ts'

const greedy = (weights: number[], wanted = UNLIMITED): Share[] =>
  weights.map((weight, index) => ({ id: `t${index + 1}`, wanted, weight, tier: 1 }))

test('equal weights give the odd unit to the smaller id', () => {
  assert.deepEqual(deal(10, greedy([1, 1, 1])), [4, 3, 3])
})

test('the odd unit goes by id, not by place', () => {
  assert.deepEqual(deal(3, greedy([1, 1]).toReversed()), [1, 2])
})

test('weights 3:2:2 share eleven units as 5, 3, 3', () => {
  assert.deepEqual(deal(11, greedy([3, 2, 2])), [5, 3, 3])
})

test('weights 6:6:2 grow with the pool, where largest remainders would take a unit back', () => {
  const table = [10, 11, 12, 13, 14].map((pool) => deal(pool, greedy([6, 6, 2])))
  assert.deepEqual(table, [
    [5, 4, 1],
    [5, 5, 1],
    [6, 5, 1],
    [6, 6, 1],
    [6, 6, 2],
  ])
})

test('a better tier is served completely before the next, weight 0 after everybody whatever its tier', () => {
  const shares = [
    { id: 'late', wanted: 5, weight: 9, tier: 2 },
    { id: 'zero', wanted: 5, weight: 0, tier: 1 },
    { id: 'first', wanted: 5, weight: 1, tier: 1 },
  ]
  assert.deepEqual(
    [deal(7, shares), deal(12, shares)],
    [
      [2, 0, 5],
      [5, 2, 5],
    ],
  )
})

test('huge amounts are dealt exactly', () => {
  const bytes = 9_007_199_254_740_990
  assert.deepEqual(deal(bytes, greedy([1, 1])), [bytes / 2, bytes / 2])
  assert.equal(
    deal(bytes, greedy([7, 3, 1])).reduce((a, b) => a + b),
    bytes,
  )
})

const shareLists = fc
  .array(
    fc.record({
      wanted: fc.oneof(fc.nat(12), fc.constant(UNLIMITED)),
      weight: fc.nat(7),
      tier: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((list) => list.map((share, index) => ({ id: `p${index}`, ...share })))

test('dealing in bulk equals handing out one unit after the other', () => {
  fc.assert(
    fc.property(fc.nat(40), shareLists, (amount, shares) => {
      assert.deepEqual(deal(amount, shares), dealUnitByUnit(amount, shares))
    }),
    propertyRuns(),
  )
})

/** The definition, taken literally. */
const dealUnitByUnit = (amount: number, shares: Share[]): number[] => {
  const given = shares.map(() => 0)
  for (let unit = 0; unit < amount; unit++) {
    const open = shares.map((_, index) => index).filter((index) => given[index]! < shares[index]!.wanted)
    if (open.length === 0) break
    open.sort((i, j) => {
      const a = shares[i]!,
        b = shares[j]!
      return (
        Number(a.weight === 0) - Number(b.weight === 0) ||
        a.tier - b.tier ||
        (given[i]! + 1) * (b.weight || 1) - (given[j]! + 1) * (a.weight || 1) ||
        (a.id < b.id ? -1 : 1)
      )
    })
    given[open[0]!]!++
  }
  return given
}
