/** The generic tests of each controller: does it, does it twice, dies anywhere, two at once. */
import assert from 'node:assert/strict'
import type { AnyController } from '#platform/controllers/controller.ts'
import { controllerSuite } from '#platform/controllers/testing.ts'
import type { ControllerBench } from '#platform/controllers/testing.ts'
import type { WorkloadOrder, WorkloadSpec } from '../facade.ts'
import { createWorkload, specOf, testWorld } from '../testing.ts'
import type { TestProcess, TestWorld } from '../testing.ts'

interface Case {
  controller: string
  /** Makes work for it; the process given lives. */
  prepare(world: TestWorld, cloud: TestProcess): Promise<string[]>
  assertDone(world: TestWorld, cloud: TestProcess, ids: string[]): Promise<void>
}

const makeThree = async (world: TestWorld, cloud: TestProcess, spec: Partial<WorkloadSpec> = {}): Promise<string[]> => {
  await cloud.runner.pass('workloads.hosts')
  const ids = []
  for (let at = 0; at < 3; at++) ids.push((await createWorkload(world, cloud.facade, spec)).id)
  return ids
}
const runThree = async (world: TestWorld, cloud: TestProcess, spec?: Partial<WorkloadSpec>): Promise<string[]> => {
  const ids = await makeThree(world, cloud, spec)
  await cloud.settle()
  return ids
}
const orderAll = async (
  world: TestWorld,
  cloud: TestProcess,
  ids: string[],
  order: WorkloadOrder,
): Promise<string[]> => {
  for (const id of ids) await world.db.transaction((tx) => cloud.facade.order(tx, id, order))
  return ids
}
const statesOf = async (cloud: TestProcess, ids: string[]) =>
  [...(await cloud.facade.fetchMany(ids)).values()].map(({ state }) => state)
const assertStates = (state: string) => async (world: TestWorld, cloud: TestProcess, ids: string[]) => {
  assert.deepEqual(
    await statesOf(cloud, ids),
    ids.map(() => state),
  )
  assert.equal((await world.hosts[0]!.runtime.list()).length, state === 'deleted' ? 0 : ids.length)
  assert.deepEqual((await cloud.facade.doctor()).leaks, [])
}

const cases: Record<string, Case> = {
  'workloads.hosts': {
    controller: 'workloads.hosts',
    prepare: async () => [],
    async assertDone(_world, cloud) {
      assert.deepEqual(
        (await cloud.facade.hosts()).map(({ name, up }) => [name, up]),
        [['host-1', true]],
      )
    },
  },
  'workloads.place': {
    controller: 'workloads.place',
    prepare: makeThree,
    async assertDone(_world, cloud, ids) {
      assert.deepEqual(
        await statesOf(cloud, ids),
        ids.map(() => 'building'),
      )
    },
  },
  'workloads.run, building': {
    controller: 'workloads.run',
    async prepare(world, cloud) {
      const ids = await makeThree(world, cloud, { files: [{ path: '/etc/motd', mode: 0o644, content: 'aGk=' }] })
      await cloud.runner.pass('workloads.place')
      return ids
    },
    assertDone: assertStates('running'),
  },
  'workloads.run, rebooting': {
    controller: 'workloads.run',
    prepare: async (world, cloud) => orderAll(world, cloud, await runThree(world, cloud), { do: 'reboot', hard: true }),
    assertDone: assertStates('running'),
  },
  'workloads.run, rebuilding': {
    controller: 'workloads.run',
    prepare: async (world, cloud) =>
      orderAll(world, cloud, await runThree(world, cloud), { do: 'rebuild', spec: specOf() }),
    assertDone: assertStates('running'),
  },
  'workloads.run, stopping': {
    controller: 'workloads.run',
    prepare: async (world, cloud) =>
      orderAll(world, cloud, await runThree(world, cloud), { do: 'stop', graceSeconds: 1 }),
    assertDone: assertStates('stopped'),
  },
  'workloads.run, deleting': {
    controller: 'workloads.run',
    prepare: async (world, cloud) => orderAll(world, cloud, await runThree(world, cloud), { do: 'delete' }),
    assertDone: assertStates('deleted'),
  },
  'workloads.watch': {
    controller: 'workloads.watch',
    async prepare(world, cloud) {
      const ids = await runThree(world, cloud, { restartPolicy: { name: 'always' } })
      for (const { id } of await world.hosts[0]!.runtime.list()) world.hosts[0]!.runtime.exit(id, 1)
      return ids
    },
    assertDone: assertStates('running'),
  },
  'workloads.reap': {
    controller: 'workloads.reap',
    async prepare(world, cloud) {
      const [id] = await runThree(world, cloud)
      const { runtime } = world.hosts[0]!
      const spec = runtime.specOf((await cloud.facade.fetch(id!))!.containerId!)
      await orderAll(world, cloud, [id!], { do: 'delete' })
      await cloud.settle()
      await runtime.create({ ...spec, name: 'stray' })
      return []
    },
    async assertDone(world) {
      assert.equal((await world.hosts[0]!.runtime.list()).length, 2)
    },
  },
  'workloads.rejoin': {
    controller: 'workloads.rejoin',
    async prepare(world, cloud) {
      const [main] = await runThree(world, cloud)
      const side = await createWorkload(world, cloud.facade, { networkMode: `container:${main}` }, 0)
      await cloud.settle()
      await world.clock.sleep(2) // times of starts have milliseconds
      await orderAll(world, cloud, [main!], { do: 'reboot', hard: true })
      await cloud.runner.pass('workloads.run')
      return [side.id]
    },
    async assertDone(_world, cloud, [id]) {
      const side = (await cloud.facade.fetch(id!))!
      assert.deepEqual([side.generation, side.step], [2, 'rebooting_hard'], 'one order, and one only')
    },
  },
  'workloads.images': {
    controller: 'workloads.images',
    async prepare(world, cloud) {
      await orderAll(world, cloud, await runThree(world, cloud), { do: 'delete' })
      await cloud.settle()
      world.images.commands.clear()
      return []
    },
    async assertDone(world) {
      assert.deepEqual(await world.hosts[0]!.runtime.imageList(), [])
    },
  },
}

for (const [name, testCase] of Object.entries(cases)) controllerSuite({ name, make: () => bench(testCase) })

async function bench({ controller, prepare, assertDone }: Case): Promise<ControllerBench> {
  const world = await testWorld()
  const cloud = world.process()
  const ids = await prepare(world, cloud)
  const { runtime } = world.hosts[0]!
  const before = runtime.history.length
  let dieAt = Infinity
  return {
    db: world.db,
    controller(): AnyController {
      const mortal = world.process({ dieAt })
      dieAt = Infinity
      return mortal.controllers.find((one) => one.name === controller)!
    },
    assertDone: () => assertDone(world, cloud, ids),
    effects: () => runtime.history.slice(before),
    dieAfterEffect(n) {
      dieAt = n
    },
    close: () => world.close(),
  }
}
