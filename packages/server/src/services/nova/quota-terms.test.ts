/** On what terms quota lends to servers: as whom they come back, who goes first, and who may say so. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { diskSubject, resizeSubject, serverSubject } from './manager/quota-words.ts'
import { act, actAndFinish, serverBody } from './testing/steps.ts'
import { wait, WaitingCloud } from './testing/waiting-cloud.ts'

const refuse = { hints: {} }
type Asked = Parameters<WaitingCloud['create']>[1]
const tagged = (name: string, hints = {}) => ({
  ...serverBody(name, { tags: ['preemptible'], networks: 'auto' }),
  'os:scheduler_hints': hints,
})

for (const database of testDatabases()) {
  describe(`the terms on which quota lends to servers, on ${database.name}`, () => {
    let bench: WaitingCloud
    beforeEach(async () => {
      bench = await WaitingCloud.start(database, 4)
    })
    afterEach(() => bench.close())

    const ask = (method: string, path: string, options = {}) => bench.cloud.ask(method, path, options)
    const listed = async (as = 'alice'): Promise<{ id: string; name: string }[]> =>
      (await ask('GET', '/v2.1/servers', { as })).body.servers
    const alive = async (as = 'alice') => (await listed(as)).map(({ name }) => name).sort()
    const finishAll = async () => {
      for (const { id, generation, doneGeneration } of bench.cloud.workloads.rows.values())
        if (doneGeneration < generation) bench.cloud.workloads.finish(id)
      await bench.cloud.follow()
    }
    const boot = async (name: string, more: Asked = refuse) => {
      const id = await bench.id(name, more)
      await finishAll()
      return id
    }
    /** Whoever was told to go goes, or rests. */
    const giveBack = async () => {
      await bench.takeBack()
      bench.cloud.clock.advance(600_000)
      for (const _ of ['confirmed', 'ordered', 'done']) {
        await bench.cloud.pass('nova.give-back')
        await finishAll()
      }
    }
    const termsOf = async (subject: string) => {
      const { reclaimable, priority, lineage } = (await bench.claim(subject))!
      return [reclaimable, priority, lineage]
    }

    test('whoever was reclaimed and is made again cools down, alone and as one of several', async () => {
      assert.equal((await bench.create('web', { ...refuse, min_count: 4 })).status, 202)
      await finishAll()
      const before = ['web-1', 'web-2', 'web-3', 'web-4'],
        gone: string[] = []
      for (const name of ['b1', 'b2']) {
        assert.equal((await bench.create(name, { as: 'bob', ...refuse })).status, 403)
        await giveBack()
        await boot(name, { as: 'bob', ...refuse })
        const left = await alive()
        gone.push(...before.filter((one) => !left.includes(one) && !gone.includes(one)))
      }
      assert.equal(gone.length, 2)
      // From now on project-a may take back from project-b at any time.
      await bench.quota.setLimits({ projectId: 'project-b', limits: { instances: { tier: 2 } } })
      // The first has cooled down meanwhile.
      for (const [name, count] of [[gone[1]!, 1], ['web', 2]] as const) {
        assert.equal((await bench.create(name, { ...refuse, min_count: count })).status, 403)
        assert.equal(bench.wishes, 0, `${name} cools down`)
      }
      assert.equal((await bench.create('others', { ...refuse, min_count: 2 })).status, 403)
      assert.equal(bench.wishes, 1, 'servers of another name may take back')
    })

    test('a server that is resized, rests and starts again is the same to quota all the time', async () => {
      await bench.policy('project-a', { onReclaim: 'stop' })
      const hints = { 'quaystone:reclaimable': 'preferred', 'quaystone:priority': '7' }
      const id = await boot('web', { hints })
      const terms = ['preferred', 7, 'nova:project-a:web']
      await actAndFinish(bench.cloud, id, { resize: { flavorRef: 'd1' } })
      const [{ uuid }] = (await ask('GET', '/v2.1/os-migrations', { as: 'admin', version: '2.59' })).body.migrations
      const subjects = [serverSubject(id), diskSubject(id), resizeSubject(id, uuid)]
      assert.deepEqual(await Promise.all(subjects.map(termsOf)), [terms, terms, terms])
      await bench.places(1)
      await bench.quota.setLimits({ projectId: 'project-a', limits: { instances: { tier: 2 } } })
      assert.equal((await bench.create('b1', { as: 'bob', ...refuse })).status, 403)
      await giveBack()
      assert.equal(await bench.instances('project-a'), 0)
      await bench.places(4)
      assert.equal((await act(bench.cloud, id, { 'os-start': null })).status, 202)
      assert.deepEqual(await termsOf(serverSubject(id)), terms)
    })

    test('what waits, alone or as one of several, keeps its terms until it is built', async () => {
      await bench.places(2)
      for (const name of ['first', 'second']) await bench.id(name)
      const hints = { ...wait, 'quaystone:priority': 3 }
      const id = await bench.id('late', { hints })
      await bench.create('batch', { hints, min_count: 2 })
      const batch = (await listed()).find(({ name }) => name === 'batch-2')!.id
      await bench.places(5)
      await bench.serve()
      await bench.settle()
      assert.deepEqual(await termsOf(serverSubject(id)), ['yes', 3, 'nova:project-a:late'])
      assert.deepEqual(await termsOf(serverSubject(batch)), ['yes', 3, 'nova:project-a:batch-2'])
    })

    test('who is offered, by hint or by its owner’s tag, goes before who is newer', async () => {
      await bench.places(3)
      await boot('plain')
      assert.equal((await ask('POST', '/v2.1/servers', { version: '2.52', body: tagged('offered') })).status, 202)
      await finishAll()
      await boot('newest')
      assert.equal((await bench.create('b1', { as: 'bob', ...refuse })).status, 403)
      await giveBack()
      assert.deepEqual(await alive(), ['newest', 'plain'])
    })

    test('of one project’s servers the one of the lower priority goes first', async () => {
      await bench.places(3)
      for (const [name, priority] of [['low', 1], ['high', 9], ['middle', 5]] as const)
        await boot(name, { hints: { 'quaystone:priority': priority } })
      assert.equal((await bench.create('b1', { as: 'bob', ...refuse })).status, 403)
      await giveBack()
      assert.deepEqual(await alive(), ['high', 'middle'])
    })

    test('a tag that comes later offers nothing, and a hint says otherwise than a tag', async () => {
      const later = await boot('later')
      await ask('PUT', `/v2.1/servers/${later}/tags/preemptible`, { version: '2.26' })
      await actAndFinish(bench.cloud, later, { resize: { flavorRef: 'd1' } })
      assert.equal((await termsOf(serverSubject(later)))[0], 'yes')
      const body = tagged('kept', { 'quaystone:reclaimable': 'yes' })
      const { server } = (await ask('POST', '/v2.1/servers', { version: '2.52', body })).body
      assert.equal((await termsOf(serverSubject(server.id)))[0], 'yes')
    })

    test('only the operator makes a server that nobody can take back', async () => {
      const hints = { 'quaystone:reclaimable': 'never' }
      const refused = await bench.create('mine', { hints })
      assert.equal(refused.status, 403)
      assert.match(refused.body.forbidden.message, /create:unreclaimable.*quaystone:reclaimable=never borrowed/)
      const id = await bench.id('theirs', { as: 'admin', hints })
      assert.equal((await termsOf(serverSubject(id)))[0], 'never')
    })

    test('hints that are none are refused, and the answer names them', async () => {
      const odd = [
        { 'quaystone:reclaimable': 'maybe' },
        ...['101', 101, -1, '-1', 1.5, 'x', '', ['1', '2']].map((value) => ({ 'quaystone:priority': value })),
      ]
      for (const hints of odd) {
        const { status, body } = await bench.create('odd', { hints })
        assert.equal(status, 400, JSON.stringify(hints))
        assert.ok(body.badRequest.message.includes(Object.keys(hints)[0]!), body.badRequest.message)
      }
    })
  })
}
