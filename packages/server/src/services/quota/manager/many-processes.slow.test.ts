/** A minute of many processes, killed at random, that reserve on one tree. */
import { test } from 'node:test'
import { hammer } from '../testing-hammer.ts'
import { places } from '../testing-places.ts'

const seconds = Number(process.env['QUAYSTONE_HAMMER_SECONDS'] ?? 60)

for (const place of places())
  test(`eight processes on one ${place.name}, killed at random`, (t) =>
    hammer(place, seconds, (line) => t.diagnostic(line)))
