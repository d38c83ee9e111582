/** The levels that the import rules enforce are the ones that the services say they have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { services } from '../../packages/server/src/app/services.ts'
import { levels } from './rules.ts'

test('each service has the level of the list', () => {
  assert.ok(services.length > 0)
  for (const { name, level } of services) assert.equal(levels[name], level, name)
})
