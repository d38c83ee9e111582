/** Layers over defaults, and refusals that name the key and its file. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { T } from '#platform/api-kit/schema.ts'
import { ConfigProblem, loadConfig, yamlLayer } from './config.ts'

const schema = T.Object({
  port: T.Integer({ default: 5000, minimum: 0 }),
  host: T.Optional(T.String()),
  store: T.Object(
    { kind: T.Enum(['disk', 'memory'], { default: 'disk' }), sizeMiB: T.Integer({ default: 64 }) },
    { default: {} },
  ),
})
const load = (...trees: Record<string, unknown>[]) =>
  loadConfig(schema, trees.map((tree, at) => ({ source: `layer ${at}`, tree })))

test('defaults fill what no layer says, also inside sections, and the last layer wins', () => {
  assert.deepEqual(load(), { port: 5000, store: { kind: 'disk', sizeMiB: 64 } })
  assert.deepEqual(
    load({ port: 1, store: { kind: 'memory' } }, { port: 2, host: undefined }),
    { port: 2, store: { kind: 'memory', sizeMiB: 64 } },
  )
})

test('a layer that was given is not written to', () => {
  const layer = { store: {} }
  load(layer)
  assert.deepEqual(layer, { store: {} })
})

test('an unknown key is refused by name and source, a wrong value by its path', () => {
  const names = (pattern: RegExp) => (error: unknown) => error instanceof ConfigProblem && pattern.test(error.message)
  assert.throws(() => load({ store: { kint: 'disk' } }), names(/layer 0.*"store\.kint"/))
  assert.throws(() => load({ store: { kind: 'tape' } }), names(/store\.kind/))
  assert.throws(() => load({ port: '5000' }), names(/port/))
})

test('a YAML text that is no mapping is refused; an empty one says nothing', () => {
  assert.deepEqual(yamlLayer('', 'a.yaml'), {})
  assert.throws(() => yamlLayer('just words', 'a.yaml'), /a\.yaml must hold/)
})
