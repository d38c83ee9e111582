/** Batches of servers that wait for quota as one, and what is left of them when some or all are deleted. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { WaitingCloud } from './testing/waiting-cloud.ts'

for (const database of testDatabases()) {
  describe(`batches that wait for quota on ${database.name}`, () => {
    let bench: WaitingCloud
    beforeEach(async () => {
      bench = await WaitingCloud.start(database, 1)
    })
    afterEach(() => bench.close())

    test('a batch waits as one, all or nothing, and each of it is its own afterwards', async () => {
      await bench.places(3)
      const running = [await bench.id('r1'), await bench.id('r2'), await bench.id('r3')]
      const answer = await bench.create('batch', { min_count: 2, max_count: 5, return_reservation_id: true })
      assert.equal(answer.status, 202)
      const list = async () =>
        (await bench.cloud.ask('GET', `/v2.1/servers?reservation_id=${answer.body.reservation_id}`)).body.servers
      const ids: string[] = (await list()).map(({ id }: { id: string }) => id)
      assert.equal(ids.length, 2, 'more than must be are not waited for')
      await bench.end(running[0]!)
      await bench.settle()
      assert.deepEqual((await bench.waitingRows()).sort(), [...ids].sort(), 'one place is not enough for both')
      await bench.end(running[1]!)
      await bench.settle()
      assert.deepEqual(await bench.waitingRows(), [])
      assert.deepEqual(await Promise.all(ids.map((id) => bench.standing(id))), ['committed', 'committed'])
      assert.equal(await bench.instances('project-a'), 3)
      await bench.end(ids[0]!)
      assert.equal(await bench.instances('project-a'), 2)
    })

    test('of a batch of which some are deleted, the others wait for less, in their place', async () => {
      await bench.places(2)
      const running = [await bench.id('r1'), await bench.id('r2')]
      await bench.create('batch', { min_count: 2, max_count: 2 })
      const [gone, stays] = await bench.waitingRows()
      const behind = await bench.id('behind')
      await bench.end(gone!)
      assert.deepEqual((await bench.waitingRows()).sort(), [stays, behind].sort())
      assert.match((await bench.createOf(stays!)).message, /now number 1 in line/)
      await bench.end(running[0]!)
      await bench.settle()
      assert.deepEqual([await bench.standing(stays!), await bench.standing(behind)], ['committed', 'waiting'])
      assert.equal(await bench.instances('project-a'), 2)
    })

    test('of a batch that was granted and loses one before it is built, the rest is free', async () => {
      await bench.places(2)
      const running = [await bench.id('r1'), await bench.id('r2')]
      await bench.create('batch', { min_count: 2, max_count: 2 })
      for (const id of running) await bench.end(id)
      const [gone, stays] = await bench.waitingRows()
      await bench.end(gone!)
      await bench.settle()
      assert.deepEqual([await bench.standing(stays!), await bench.instances('project-a')], ['committed', 1])
    })

    test('deleted in the moment in which it is built it is deleted all the same, and counted once', async () => {
      await bench.places(4)
      const running = [await bench.id('r1'), await bench.id('r2'), await bench.id('r3'), await bench.id('r4')]
      const ids = [await bench.id('w1'), await bench.id('w2'), await bench.id('w3'), await bench.id('w4')]
      for (const id of running) await bench.end(id)
      const controller = bench.cloud.freshController('nova.build-waiting')
      const steps = controller.plan(await controller.observe(10))
      assert.equal(steps.length, 4)
      const deleting = ids.map((id) => bench.cloud.ask('DELETE', `/v2.1/servers/${id}`))
      const building = steps.map((step) => controller.act(step))
      assert.deepEqual(
        (await Promise.all(deleting)).map(({ status }) => status),
        [204, 204, 204, 204],
      )
      await Promise.all(building)
      const workloads = bench.cloud.workloads
      for (const id of ids)
        if (workloads.orders.some((one) => one.id === id && one.order.do === 'delete')) workloads.finish(id)
      await bench.cloud.follow()
      for (const id of ids) assert.equal((await bench.cloud.ask('GET', `/v2.1/servers/${id}`)).status, 404)
      assert.deepEqual([await bench.waitingRows(), await bench.instances('project-a')], [[], 0])
    })

    test('a batch of which all are deleted leaves the line', async () => {
      await bench.places(2)
      const running = await bench.id('r1')
      await bench.create('batch', { min_count: 2, max_count: 2 })
      for (const id of await bench.waitingRows()) await bench.end(id)
      assert.deepEqual(await bench.quota.waiting('project-a'), [])
      await bench.end(running)
      assert.equal(await bench.instances('project-a'), 0)
    })
  })
}
