/** Ten seconds of many processes on SQLite, killed at random, reserving on one tree; nightly it is a minute. */
import { test } from 'node:test'
import { hammer } from '../testing-hammer.ts'
import { places } from '../testing-places.ts'

for (const place of places().filter(({ name }) => name === 'sqlite'))
  test('eight processes on one SQLite file, killed at random', (t) => hammer(place, 10, (line) => t.diagnostic(line)))
