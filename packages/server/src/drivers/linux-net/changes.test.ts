/** A look is stale when a change ended after it began. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Changes } from './changes.ts'

test('only a change that ended after the look makes it stale', async () => {
  const changes = new Changes()
  await changes.around('a', async () => undefined)
  const look = changes.now()
  assert.equal(changes.since('a', look), false)
  await changes.around('b', async () => undefined)
  assert.deepEqual([changes.since('a', look), changes.since('b', look)], [false, true])
})

test('a change that was under way while we looked counts, and so does one that failed', async () => {
  const changes = new Changes()
  let end = (): void => undefined
  const work = changes.around('a', () => new Promise<void>((_, reject) => (end = () => reject(new Error('no')))))
  const look = changes.now()
  end()
  await assert.rejects(work)
  assert.equal(changes.since('a', look), true)
})
