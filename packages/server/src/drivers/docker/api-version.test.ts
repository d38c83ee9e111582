/** The version of the engine's API is the newest that both know. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseApiVersion, compareVersions } from './api-version.ts'

test('the newest common version is chosen', () => {
  assert.equal(chooseApiVersion('1.41'), '1.41')
  assert.equal(chooseApiVersion('1.56'), '1.56')
  assert.equal(chooseApiVersion('1.99'), '1.56')
  assert.equal(chooseApiVersion('2.0'), '1.56')
})

test('versions are numbers, not decimals', () => {
  assert.ok(compareVersions('1.9', '1.41') < 0)
  assert.equal(compareVersions('1.41', '1.41'), 0)
})

test('an engine too old, or something else, is refused with a remedy', () => {
  assert.throws(() => chooseApiVersion('1.39'), { kind: 'unsupported', message: /1\.39.*upgrade/ })
  assert.throws(() => chooseApiVersion(undefined), { kind: 'unsupported', message: /no Docker Engine/ })
})
