/** What Nova says when quota says no: upstream's sentence with the project's own numbers, and never another's. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { WaitingCloud } from './testing/waiting-cloud.ts'

let bench: WaitingCloud
before(async () => {
  bench = await WaitingCloud.start(testDatabases()[0]!, 2)
  await bench.quota.setLimits({ projectId: 'project-a', limits: { instances: { own: 0, borrow: 1 } } })
  await bench.id('first')
})
after(() => bench.close())

const refused = async (as: string) => {
  const { status, body, headers } = await bench.create('more', { as, hints: {} })
  assert.equal(status, 403)
  return [headers['x-quota-reason'], body.forbidden.message]
}

test('a project at its own limit reads the sentence that clients know, and after it why and what helps', async () => {
  assert.deepEqual(await refused('alice'), [
    'CEILING',
    'Quota exceeded for instances: Requested 1, but already used 1 of 1 instances (CEILING). ' +
      'Release 1 instances in project-a, or raise its limit by 1.',
  ])
})

test('all that is short is named at once, as upstream does', async () => {
  const limits = { cores: { own: 0, borrow: 1 }, ram: { own: 0, borrow: 200 } }
  await bench.quota.setLimits({ projectId: 'project-a', limits })
  const [, message] = await refused('alice')
  assert.match(
    message,
    /^Quota exceeded for cores, instances, ram: Requested 1, 1, 128, but already used 1, 1, 128 of 1, 1, 200 cores/,
  )
})

test('where it is not the project’s own limit, nobody else’s numbers are told', async () => {
  await bench.id('second', { as: 'bob' })
  assert.deepEqual(await refused('bob'), [
    'SHORTAGE',
    'Quota exceeded for instances: asked 1, project project-b can have 0 more, ' +
      'for the capacity above it is in use (SHORTAGE). Ask who administers it for more.',
  ])
})
