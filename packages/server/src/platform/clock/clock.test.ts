/** The forms of a moment are those of `Date`, whatever was asked before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isoMicros, isoNaive, isoSeconds } from './clock.ts'

const moments = fc.oneof(
  fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_002_000 }),
  fc.double({ min: 0, max: 2e12, noNaN: true }),
)

test('seconds, micros and the naive form agree with Date', () => {
  fc.assert(
    fc.property(moments, (ms) => {
      const whole = new Date(Math.floor(ms)).toISOString()
      assert.equal(isoSeconds(ms), `${whole.slice(0, 19)}Z`)
      assert.equal(isoMicros(ms), `${whole.slice(0, 23)}000Z`)
      assert.equal(isoNaive(ms), `${whole.slice(0, 23)}000`)
    }),
    { numRuns: 2_000 },
  )
})

test('what is no moment is refused', () => {
  for (const bad of [Number.NaN, Infinity, 9e15]) assert.throws(() => isoSeconds(bad), RangeError)
})
