/** Random orders, random kills, random mischief on the host: afterwards the books, the rows and the engine agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '#platform/clock/clock.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { createPlacementFacade } from '#services/placement/manager/facade.ts'
import type { Workload, WorkloadOrder } from '../facade.ts'
import { createWorkload, specOf, testWorld } from '../testing.ts'
import type { TestProcess, TestWorld } from '../testing.ts'
import { claimOf } from './spec.ts'

type Deed =
  | { do: 'create' }
  | { do: 'order'; which: number; order: WorkloadOrder }
  | { do: 'exit' | 'remove'; which: number }
  | { do: 'engine down' }
  | { do: 'engine up' }

const orders: WorkloadOrder[] = [
  { do: 'start' },
  { do: 'stop', graceSeconds: 0 },
  { do: 'pause' },
  { do: 'unpause' },
  { do: 'suspend' },
  { do: 'resume' },
  { do: 'reboot', hard: false },
  { do: 'reboot', hard: true },
  { do: 'rebuild', spec: specOf() },
  { do: 'resize', spec: specOf({ resources: { vcpus: 2, ramMiB: 32, diskGiB: 1 } }) },
  { do: 'delete' },
  { do: 'delete' },
]
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Deed>({ do: 'create' }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('order' as const), which: fc.nat(9), order: fc.constantFrom(...orders) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('exit' as const, 'remove' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.constantFrom<Deed>({ do: 'engine down' }, { do: 'engine up' }) },
)
/** What happens, and after how many effects the process that sees it is killed. */
const round = fc.record({ deeds: fc.array(deed, { maxLength: 4 }), dieAt: fc.integer({ min: 1, max: 25 }) })

test('whatever is ordered and whenever the process is killed, all converges and nothing is left over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 8 }), async (rounds) => {
      const clock = new ManualClock()
      const world = await testWorld({ clock })
      try {
        const ids: string[] = []
        for (const { deeds, dieAt } of rounds) await live(world, clock, { deeds, dieAt, ids })
        world.hosts[0]!.runtime.comeBack()
        await assertConverges(world, clock, ids)
      } finally {
        await world.close()
      }
    }),
    { numRuns: 60 },
  )
})

async function live(
  world: TestWorld,
  clock: ManualClock,
  { deeds, dieAt, ids }: { deeds: Deed[]; dieAt: number; ids: string[] },
): Promise<void> {
  const steady = world.process()
  for (const one of deeds) await commit(world, steady, ids, one)
  const mortal = world.process({ dieAt })
  try {
    await mortal.settle()
  } catch (error) {
    assert.ok(mortal.life.isDead || /not answer/.test(String(error)), String(error))
  }
  clock.advance(600_000)
}

async function commit(world: TestWorld, cloud: TestProcess, ids: string[], one: Deed): Promise<void> {
  const { runtime } = world.hosts[0]!
  if (one.do === 'create') ids.push((await createWorkload(world, cloud.facade)).id)
  if (one.do === 'engine down') runtime.goDown()
  if (one.do === 'engine up') runtime.comeBack()
  if (!('which' in one) || ids.length === 0) return
  const id = ids[one.which % ids.length]!
  if (one.do === 'order') {
    await world.db
      .transaction((tx) => cloud.facade.order(tx, id, one.order))
      .catch((error: unknown) => assert.ok(isRefusal(error), String(error)))
  } else {
    const workload = await cloud.facade.fetch(id)
    if (workload?.containerId == null) return
    if (one.do === 'exit' && workload.pid !== 0)
      await runtime.kill(workload.containerId).catch((error: unknown) => assert.ok(isRefusal(error)))
    if (one.do === 'remove')
      await runtime.remove(workload.containerId).catch((error: unknown) => assert.ok(isRefusal(error)))
  }
}

const alive = { running: 'running', paused: 'paused', suspended: 'paused' } as const

async function assertConverges(world: TestWorld, clock: ManualClock, ids: string[]): Promise<void> {
  const cloud = world.process()
  for (let pass = 0; pass < 6; pass++) {
    await cloud.settle()
    clock.advance(600_000)
  }
  await cloud.settle()
  const workloads = await cloud.facade.fetchMany(ids)
  const containers = await world.hosts[0]!.runtime.list()
  for (const workload of workloads.values()) {
    assert.equal(workload.doneGeneration, workload.generation, `${workload.state} ${workload.step}`)
    assert.equal(workload.step, null)
    if (workload.state === 'error') assert.ok(workload.fault)
    const own = containers.filter(({ workloadId }) => workloadId === workload.id)
    assert.deepEqual(
      own.map(({ id }) => id),
      workload.containerId === null ? [] : [workload.containerId],
    )
    if (workload.state in alive) assert.equal(own[0]?.state, alive[workload.state as keyof typeof alive])
    if (workload.state === 'stopped' && own[0]) assert.notEqual(own[0].state, 'running')
  }
  assert.deepEqual(await cloud.facade.doctor(), { leaks: [], stuck: [], hostsSilent: [] })
  await assertBooks(world, [...workloads.values()])
}

/** Claims are exactly those of the workloads that have a host; ports on the host are those of workloads that live. */
async function assertBooks(world: TestWorld, workloads: Workload[]): Promise<void> {
  const placement = createPlacementFacade(world.db)
  const placed = workloads.filter(({ state, hostName }) => state !== 'deleted' && hostName !== null)
  const wanted = placed.reduce((sum, { spec }) => sum + (claimOf(spec)['MEMORY_MB'] ?? 0), 0)
  assert.equal((await placement.providers())[0]?.used['MEMORY_MB'] ?? 0, wanted)
  for (const workload of workloads.filter(({ state }) => state === 'deleted')) {
    assert.deepEqual([await placement.allocations(workload.id), world.ports.of(workload.id)], [[], []])
  }
  const plugged = [...world.hosts[0]!.network.ports.keys()]
  const live = new Set(workloads.flatMap(({ id }) => world.ports.of(id).map((port) => port.id)))
  assert.deepEqual(
    plugged.filter((id) => !live.has(id)),
    [],
  )
}
