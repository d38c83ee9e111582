/** The same life of workloads on every database: all statements of the store run, alone and at once. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { createPlacementFacade } from '#services/placement/manager/facade.ts'
import type { WorkloadOrder } from '../facade.ts'
import { createWorkload, testWorld } from '../testing.ts'
import type { TestProcess, TestWorld } from '../testing.ts'
import {
  groupMembers,
  hostsOfWorkloads,
  runningByHost,
  workloadMove,
  workloadPatch,
  workloadsFetch,
} from './workloads.ts'

for (const database of testDatabases()) {
  describe(`workloads on ${database.name}`, () => {
    const withWorld =
      (work: (world: TestWorld, cloud: TestProcess, clock: ManualClock) => Promise<void>) => async () => {
        const clock = new ManualClock()
        const world = await testWorld({ database, clock, hosts: 2 })
        try {
          await work(world, world.process(), clock)
        } finally {
          await world.close()
        }
      }
    const order = (world: TestWorld, cloud: TestProcess, id: string, what: WorkloadOrder) =>
      world.db.transaction((tx) => cloud.facade.order(tx, id, what))

    test(
      'a workload lives, is watched, deleted and forgotten',
      withWorld(async (world, cloud, clock) => {
        const group = { id: 'group', policy: 'anti-affinity' as const }
        const { id } = await createWorkload(world, cloud.facade, {
          scheduling: { group, hints: { different_host: ['x'] } },
        })
        await cloud.settle()
        const { hostName, containerId } = (await cloud.facade.fetch(id))!
        assert.deepEqual(await groupMembers(world.db, ['group']), new Map([['group', new Map([[hostName, 1]])]]))
        assert.deepEqual(await hostsOfWorkloads(world.db, [id]), new Map([[id, hostName]]))
        assert.deepEqual(await runningByHost(world.db), new Map([[hostName, 1]]))
        clock.advance(60_000)
        world.hosts.find(({ name }) => name === hostName)!.runtime.exit(containerId!, 0)
        await cloud.settle()
        assert.equal((await cloud.facade.fetch(id))!.state, 'stopped')
        await world.db.transaction((tx) => cloud.facade.rename(tx, id, 'renamed'))
        assert.equal((await cloud.facade.fetch(id))!.name, 'renamed')
        await order(world, cloud, id, { do: 'delete' })
        await cloud.settle()
        assert.deepEqual(await cloud.facade.doctor(), { leaks: [], stuck: [], hostsSilent: [] })
        clock.advance(25 * 3_600_000)
        await cloud.settle()
        assert.equal(await cloud.facade.fetch(id), undefined)
      }),
    )

    test(
      'a later generation wins over the result of an earlier one',
      withWorld(async (world, cloud) => {
        const { id } = await createWorkload(world, cloud.facade)
        await order(world, cloud, id, { do: 'delete' })
        const late = await world.db.transaction((tx) =>
          workloadMove(tx, id, { event: 'placed', generation: 1, change: {} }),
        )
        assert.equal(late, undefined)
        assert.equal(await workloadPatch(world.db, id, 1, { pid: 7 }), false)
        const [record] = await workloadsFetch(world.db, [id])
        assert.deepEqual([record!.state, record!.pid, record!.generation], ['deleting', 0, 2])
      }),
    )

    test(
      'two processes at once place each workload once, and never more than there is room',
      withWorld(async (world, cloud) => {
        await cloud.runner.pass('workloads.hosts')
        const resources = { vcpus: 8, ramMiB: 64, diskGiB: 1 }
        const ids = []
        for (let at = 0; at < 40; at++) ids.push((await createWorkload(world, cloud.facade, { resources })).id)
        const other = world.process()
        for (let pass = 0; pass < 3; pass++) {
          await Promise.all([cloud.runner.pass('workloads.place'), other.runner.pass('workloads.place')])
        }
        await cloud.settle()
        const states = [...(await cloud.facade.fetchMany(ids)).values()].map(({ state }) => state)
        assert.deepEqual(
          [states.filter((state) => state === 'running').length, states.filter((state) => state === 'error').length],
          [32, 8],
        )
        const used = (await createPlacementFacade(world.db).providers()).map((one) => one.used['VCPU'])
        assert.deepEqual(used, [128, 128])
      }),
    )
  })
}
