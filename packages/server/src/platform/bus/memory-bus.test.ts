/** The bus of one process passes the common suite. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matches } from './bus.ts'
import { busSuite } from './bus-conformance.ts'
import { createMemoryBus } from './memory-bus.ts'

busSuite({
  name: 'memory',
  open: async () => {
    const bus = createMemoryBus()
    return { near: bus, far: bus, close: () => bus.close() }
  },
})

test('patterns match as those of NATS do', () => {
  const cases: [pattern: string, subject: string, expected: boolean][] = [
    ['a.b', 'a.b', true], ['a.b', 'a', false], ['a', 'a.b', false], ['a.*', 'a.b', true], ['a.*', 'a', false],
    ['a.*', 'a.b.c', false], ['*.b', 'a.b', true], ['>', 'a', true], ['a.>', 'a', false], ['a.>', 'a.b.c', true],
    ['a.*.c', 'a.b.c', true], ['*.*', 'a.b', true], ['*', 'a.b', false],
  ]
  for (const [pattern, subject, expected] of cases) {
    assert.equal(matches(pattern, subject), expected, `${pattern} on ${subject}`)
  }
})

test('a closed bus refuses to publish', async () => {
  const bus = createMemoryBus()
  await bus.close()
  assert.throws(() => bus.publish('a.b', {}), /closed/)
})
