/** Servers' disks at quota: counted always, limited by nobody until somebody does, kept by who is stopped. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { diskOf, diskSubject } from './manager/quota-words.ts'
import { disksHeld, serversHeld } from './manager/quotas-held.ts'
import { seedFlavors } from './manager/seed-flavors.ts'
import { act, actAndFinish, show } from './testing/steps.ts'
import { WaitingCloud } from './testing/waiting-cloud.ts'

test('a server’s disk is its root, ephemeral and swap, and a GiB of swap that is begun counts', () => {
  assert.equal(diskOf({ ...seedFlavors[0]!, diskGiB: 20, ephemeralGiB: 5, swapMiB: 1025 }), 27)
})

const refuse = { hints: {} }
type Asked = Parameters<WaitingCloud['create']>[1]

for (const database of testDatabases()) {
  describe(`servers’ disks at quota, on ${database.name}`, () => {
    let bench: WaitingCloud
    beforeEach(async () => {
      bench = await WaitingCloud.start(database, 10)
    })
    afterEach(() => bench.close())

    const disk = () => bench.used('project-a', 'disk')
    const limit = (projectId: string, limits: number | object) =>
      bench.quota.setLimits({ projectId, limits: { disk: limits } })
    const boot = async (name: string, more: Asked = refuse) => {
      const id = await bench.id(name, more)
      bench.cloud.workloads.finish(id)
      await bench.cloud.follow()
      return id
    }

    test('nobody limits it, everybody sees it in the tree, and Nova’s quota set does not know it', async () => {
      const id = await boot('one', { ...refuse, flavorRef: 'd1' })
      await bench.create('more', { ...refuse, flavorRef: 'd1', min_count: 3 })
      const { limit: most, inUse } = (await bench.quota.usage('project-a')).disk!
      assert.deepEqual([most, inUse, (await bench.quota.usage('org')).disk!.limit], [-1, 20, -1])
      await bench.end(id)
      assert.equal(await disk(), 15)
      const { quota_set } = (await bench.cloud.ask('GET', '/v2.1/os-quota-sets/project-a')).body
      assert.equal('disk' in quota_set, false)
    })

    test('where it is limited a server too many is refused, of several those that fit are made', async () => {
      await limit('org', { own: 3, pool: 3 })
      await boot('one')
      const refused = await bench.create('big', { ...refuse, flavorRef: 'd1' })
      assert.equal(refused.status, 403)
      assert.match(refused.body.forbidden.message, /^Quota exceeded for disk: asked 5/)
      assert.equal((await bench.create('many', { ...refuse, min_count: 1, max_count: 5 })).status, 202)
      assert.deepEqual([await disk(), await bench.instances('project-a')], [3, 3])
      assert.equal((await bench.create('batch', { ...refuse, min_count: 2 })).status, 403)
      assert.deepEqual([await disk(), await bench.instances('project-a')], [3, 3])
    })

    test('a resize takes what it needs more, and gives back what it does not when it is confirmed', async () => {
      await limit('org', { own: 26, pool: 26 })
      const id = await boot('one', { ...refuse, flavorRef: 'd1' })
      assert.equal((await act(bench.cloud, id, { resize: { flavorRef: '3' } })).status, 403)
      await actAndFinish(bench.cloud, id, { resize: { flavorRef: '2' } })
      assert.equal(await disk(), 20)
      await actAndFinish(bench.cloud, id, { revertResize: null })
      assert.equal(await disk(), 5)
      await actAndFinish(bench.cloud, id, { resize: { flavorRef: '42' } })
      assert.equal(await disk(), 5)
      await act(bench.cloud, id, { confirmResize: null })
      assert.equal(await disk(), 1)
      await bench.end(id)
      assert.equal(await disk(), 0)
    })

    test('a server that grew for good and shrinks for good holds what it is, at once', async () => {
      const id = await boot('one')
      const resized = async (flavorRef: string) => {
        await actAndFinish(bench.cloud, id, { resize: { flavorRef } })
        await act(bench.cloud, id, { confirmResize: null })
        return [await disk(), await bench.used('project-a', 'cores'), await bench.used('project-a', 'ram')]
      }
      const [small, large] = [await resized('d1'), await resized('3')]
      assert.notDeepEqual(small, large)
      assert.deepEqual(await resized('d1'), small)
      assert.deepEqual(await resized('3'), large)
    })

    test('who waits holds none; when it can be built and there is no disk, it is in ERROR and says so', async () => {
      await bench.places(1)
      await limit('org', { own: 1, pool: 1 })
      const first = await bench.id('first')
      const [second, third] = [await bench.id('second'), await bench.id('third', { flavorRef: 'd1' })]
      assert.equal(await disk(), 1)
      await bench.end(first)
      await bench.settle()
      assert.deepEqual([await disk(), await bench.standing(second)], [1, 'committed'])
      await bench.end(second)
      await bench.settle()
      const { status, fault } = await show(bench.cloud, third)
      assert.equal(status, 'ERROR')
      assert.match(fault.message, /could not be built any more: Quota exceeded for disk/)
      assert.deepEqual([await disk(), await bench.instances('project-a')], [0, 0])
    })

    test('it is counted again from the rows, apart from what a server holds otherwise', async () => {
      for (const owner of [serversHeld({ db: bench.cloud.db }), disksHeld({ db: bench.cloud.db })])
        bench.quota.owns(owner)
      const id = await boot('one', { ...refuse, flavorRef: 'd1' })
      await actAndFinish(bench.cloud, id, { resize: { flavorRef: '2' } })
      assert.deepEqual(await bench.quota.owners.drifts(10), [])
      await bench.cloud.db.transaction((tx) => bench.quota.cancel(tx, diskSubject(id)))
      assert.equal(await disk(), 15)
      const drifts = await bench.quota.owners.drifts(10)
      assert.deepEqual(drifts, [{ prefix: diskSubject(''), key: id }])
      await bench.quota.owners.repair(drifts[0]!)
      assert.deepEqual([await disk(), await bench.instances('project-a')], [20, 1])
      const { reclaimable, lineage } = (await bench.claim(diskSubject(id)))!
      assert.deepEqual([reclaimable, lineage], ['yes', 'nova:project-a:one'])
    })

    test('whoever owns places takes them back, though nobody owns the disk that goes with them', async () => {
      await bench.lending()
      // What is not its own project-a may not take from project-b, which comes first.
      for (const resource of ['instances', 'disk'])
        await bench.quota.setLimits({ projectId: 'project-a', limits: { [resource]: { tier: 2 } } })
      await boot('borrowed', { as: 'bob', ...refuse })
      assert.equal((await bench.create('owner', refuse)).status, 403)
      assert.equal(bench.wishes, 1)
    })

    test('who was granted a place, and whose disk is lent out, is built when the disk is back', async () => {
      await bench.places(1)
      await limit('org', { own: 5, pool: 0 })
      await limit('project-a', { own: 5, lend: -1, borrow: 0 })
      const borrowed = await boot('borrowed', { as: 'bob', ...refuse, flavorRef: 'd1' })
      const id = await bench.id('owner', { flavorRef: 'd1' })
      await bench.places(2)
      await bench.serve()
      await bench.cloud.pass('nova.build-waiting')
      assert.deepEqual([await bench.standing(id), bench.cloud.workloads.rows.has(id)], ['committed', false])
      await bench.takeBack()
      bench.cloud.clock.advance(600_000)
      await bench.cloud.pass('nova.give-back')
      bench.cloud.workloads.finish(borrowed)
      await bench.cloud.follow()
      await bench.settle()
      assert.deepEqual([bench.cloud.workloads.rows.has(id), await disk()], [true, 5])
    })

    test('whoever owns disk takes it back from a borrower, whose server is deleted for it', async () => {
      await limit('org', { own: 5, pool: 0 })
      await limit('project-a', { own: 5, lend: -1, borrow: 0 })
      const borrowed = await boot('borrowed', { as: 'bob', ...refuse, flavorRef: 'd1' })
      const asked = { ...refuse, flavorRef: 'd1' }
      assert.equal((await bench.create('owner', asked)).status, 403)
      await bench.takeBack()
      bench.cloud.clock.advance(600_000)
      await bench.cloud.pass('nova.give-back')
      bench.cloud.workloads.finish(borrowed)
      await bench.cloud.follow()
      assert.equal((await bench.create('owner', asked)).status, 202)
      assert.deepEqual([await disk(), await bench.used('project-b', 'disk')], [5, 0])
    })
  })
}
