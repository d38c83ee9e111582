/** The bus of one process passes the common suite. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
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

test('handlers and responders do not run in the publisher\'s context', async () => {
  const bus = createMemoryBus()
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  bus.subscribe('a.b', () => { seen.push(context.getStore()) })
  bus.respond('a.c', () => { seen.push(context.getStore()) })
  await context.run('a transaction', async () => {
    bus.publish('a.b', {})
    await bus.request('a.c', {}, { timeoutMs: 5_000 })
  })
  await bus.close()
  assert.deepEqual(seen, [undefined, undefined])
})

test('a closed bus refuses to publish', async () => {
  const bus = createMemoryBus()
  await bus.close()
  assert.throws(() => bus.publish('a.b', {}), /closed/)
})
