/** The tournament of who comes first: whoever changes, leaves or comes back, it is the first of a sorted list. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { propertyRuns } from './testing/property-runs.ts'
import { NOBODY, Tournament } from './tournament.ts'

/** How far ahead each is; null: takes no part. */
const scores = fc.option(fc.nat(20), { nil: null, freq: 4 })

/** Several may change before anybody looks. */
const rounds = fc.array(fc.array(fc.record({ at: fc.nat(1000), score: scores }), { maxLength: 12 }), { maxLength: 20 })

const firstOf = (now: readonly (number | null)[]): number => {
  const playing = [...now.keys()].filter((player) => now[player] !== null)
  return playing.sort((a, b) => now[b]! - now[a]! || a - b)[0] ?? NOBODY
}

test('whatever changes between two looks, the first of a sorted list is first', () => {
  fc.assert(
    fc.property(fc.array(scores, { maxLength: 70 }), rounds, (start, later) => {
      const now = [...start]
      const tournament = new Tournament(now.length, {
        enter: (player) => now[player] !== null,
        before: (a, b) => now[a]! > now[b]! || (now[a] === now[b] && a < b),
      })
      assert.equal(tournament.first, firstOf(now))
      for (const round of now.length === 0 ? [] : later) {
        for (const { at, score } of round) {
          now[at % now.length] = score
          tournament.change(at % now.length)
        }
        assert.equal(tournament.first, firstOf(now))
      }
    }),
    propertyRuns(),
  )
})

test('one change among many costs as many matches as the list can be halved', () => {
  const scores = Array.from({ length: 1024 }, (_, player) => (player * 7919) % 1024)
  let matches = 0
  const tournament = new Tournament(scores.length, {
    enter: () => true,
    before(a, b) {
      matches++
      return scores[a]! > scores[b]!
    },
  })
  assert.equal(scores[tournament.first], 1023)
  matches = 0
  scores[5] = 5000
  tournament.change(5)
  assert.equal(tournament.first, 5)
  assert.equal(matches, 10)
})
