/** A crew takes one list together, in order, and stops after a failure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crew } from './crew.ts'

test('so many at a time, each item once', async () => {
  const taken: number[] = []
  let [atWork, most] = [0, 0]
  await crew([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, ++atWork)
    taken.push(item)
    await new Promise(setImmediate)
    atWork--
  })
  assert.deepEqual([taken, most], [[1, 2, 3, 4, 5], 2])
})

test('after a failure nothing more is begun', async () => {
  const taken: number[] = []
  const work = async (item: number): Promise<void> => {
    taken.push(item)
    await new Promise(setImmediate)
    throw new Error(`item ${item}`)
  }
  await assert.rejects(crew([1, 2, 3, 4], 2, work), /item 1/)
  await new Promise(setImmediate)
  assert.deepEqual(taken, [1, 2])
})
