/** The heap of who pays next: whatever is put in and taken out, the worst comes first. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { propertyRuns } from './testing/property-runs.ts'
import { WorstFirst } from './worst-first.ts'

interface Standing {
  over: number
  node: number
}

const standing = (over: number, node: number): Standing => ({ node, over })
const worseOf = (a: Standing, b: Standing): boolean => a.over > b.over || (a.over === b.over && a.node < b.node)

test('pops and pushes in any order give the same as a sorted list', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.array(fc.option(fc.nat(20), { nil: null })), (first, moves) => {
      let made = 0
      const list = first.map((over) => standing(over, made++))
      const queue = new WorstFirst(list, worseOf)
      for (const over of [...moves, ...list.map(() => null)]) {
        list.sort((a, b) => (worseOf(a, b) ? -1 : 1))
        if (over === null) assert.deepEqual(queue.pop(), list.shift())
        else {
          list.push(standing(over, made))
          queue.push(standing(over, made++))
        }
      }
    }),
    propertyRuns(),
  )
})
