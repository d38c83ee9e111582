/** What a person types becomes what the quota API takes, or a sentence that says what is wrong with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { amountsOf, holdingOf, selfHoldingOf, sharesOf, stepsOf } from './quota-words.ts'

test('amounts and holdings are name=value; unlimited is −1, and a ceiling may be none', () => {
  assert.deepEqual(amountsOf(['instances=4', 'cores=unlimited']), { instances: 4, cores: -1 })
  assert.deepEqual(holdingOf(['own=8', 'lend=unlimited', 'ceiling=none']), { own: 8, lend: -1, ceiling: null })
})

test('steps name their project as a person does', () => {
  const idOf = (name: string) => `id of ${name}`
  assert.deepEqual(stepsOf('claim:a:b:instances=4,cores=8', idOf), [
    { claim: { project_id: 'id of a:b', amounts: { instances: 4, cores: 8 } } },
  ])
  assert.deepEqual(stepsOf('set:web:instances:own=8,borrow=4', idOf), [
    { set: { project_id: 'id of web', resource: 'instances', holding: { own: 8, borrow: 4 } } },
  ])
  assert.deepEqual(stepsOf('release:nova:server:x', idOf), [{ release: { subject: 'nova:server:x' } }])
})

test('a claim is played as often as it says, and each word has its answers', () => {
  const claim = { claim: { project_id: 'web:x2', amounts: { instances: 1 } } }
  assert.deepEqual(
    stepsOf('claim:web:x2:instances=1:x3', (name) => name),
    [claim, claim, claim],
  )
  assert.throws(() => stepsOf('claim:web:instances=1:x0', (name) => name), /1 to 1000 times/)
  assert.deepEqual(sharesOf(['a', 'b', 'c'], [[0, 0], [0]]), [['a', 'b'], ['c']])
})

test('what cannot be understood is refused by name', () => {
  assert.throws(() => holdingOf(['owns=8']), /"owns" is nothing that can be set/)
  assert.throws(() => holdingOf(['own=-2']), /"own=-2" must end in a whole number/)
  assert.throws(() => selfHoldingOf(['own=8']), /"own" is nothing that can be set. What can: lend, borrow/)
  assert.throws(() => amountsOf(['instances=none']), /must end in a whole number/)
  assert.throws(() => amountsOf(['instances']), /must look like name=value/)
  assert.throws(() => stepsOf('borrow:web', (name) => name), /is no step/)
})
