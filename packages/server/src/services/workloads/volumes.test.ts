/** Volumes of workloads on fake hosts: containers wait for them, get them at every start, and let go of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { controllerSuite } from '#platform/controllers/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { volumesMountPoint } from '#services/cinder/facade.ts'
import { createWorkload, testWorld } from './testing.ts'
import type { TestProcess, TestWorld } from './testing.ts'
import type { WorkloadVolume } from './facade.ts'

const sizeBytes = 2 ** 20

/** A volume on the first host, asked for by a workload. */
async function asked(world: TestWorld, { facade }: TestProcess, workloadId: string): Promise<string> {
  const volumeId = uuid()
  await world.hosts[0]!.volumes.create({ id: volumeId, sizeBytes }, { kind: 'blank' })
  const ask = { workloadId, volumeId, device: '/dev/vdb', use: 'auto', readOnly: false } as const
  await world.db.transaction((tx) => facade.volumes.ensure(tx, ask))
  return volumeId
}

const seen = async (world: TestWorld, { facade }: TestProcess, workloadId: string): Promise<WorkloadVolume[]> =>
  (await facade.volumes.of(world.db, [workloadId])).get(workloadId) ?? []
const plugged = (world: TestWorld) => world.hosts[0]!.volumes.plugs

for (const database of testDatabases()) {
  test(`on ${database.name}: a container waits for its volumes, and has them before its command runs`, async () => {
    const world = await testWorld({ database })
    const cloud = world.process()
    await cloud.settle()
    const { id } = await createWorkload(world, cloud.facade)
    const volumeId = await asked(world, cloud, id)
    await cloud.settle()
    assert.equal((await cloud.facade.fetch(id))?.state, 'building')
    await world.db.transaction((tx) => cloud.facade.volumes.ready(tx, { workloadId: id, volumeId }))
    await cloud.settle()
    assert.equal((await cloud.facade.fetch(id))?.state, 'running')
    const [volume] = await seen(world, cloud, id)
    assert.equal(volume?.state, 'attached')
    assert.equal(volume.mountPath, `${volumesMountPoint}/vdb`)
    const [plug] = plugged(world)
    assert.ok(plug!.pid > 0)
    await cloud.stop()
    await world.close()
  })

  test(`on ${database.name}: a volume gets into a running container, stays through a reboot, and goes`, async () => {
    const world = await testWorld({ database })
    const cloud = world.process()
    await cloud.settle()
    const { id } = await createWorkload(world, cloud.facade)
    await cloud.settle()
    const volumeId = await asked(world, cloud, id)
    await world.db.transaction((tx) => cloud.facade.volumes.ready(tx, { workloadId: id, volumeId }))
    await cloud.settle()
    assert.equal((await seen(world, cloud, id))[0]?.state, 'attached')
    const before = plugged(world)[0]!.pid
    await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'reboot', hard: true }))
    await cloud.settle()
    assert.notEqual(plugged(world)[0]!.pid, before)
    await world.db.transaction((tx) => cloud.facade.volumes.drop(tx, { workloadId: id, volumeId }))
    await cloud.settle()
    assert.deepEqual(await seen(world, cloud, id), [])
    assert.deepEqual(plugged(world), [])
    await cloud.stop()
    await world.close()
  })
}

test('a volume that its container uses stays attached and says why', async () => {
  const { world, cloud, id, volumeId } = await attached()
  world.hosts[0]!.volumes.busy.add(volumeId)
  await world.db.transaction((tx) => cloud.facade.volumes.drop(tx, { workloadId: id, volumeId }))
  await cloud.settle()
  const [volume] = await seen(world, cloud, id)
  assert.equal(volume?.state, 'attached')
  assert.match(volume.fault!.message, /stays attached.*busy/)
  await world.close()
})

test('a volume that cannot be plugged in has failed with the reason, and the container goes on', async () => {
  const world = await testWorld()
  const cloud = world.process()
  await cloud.settle()
  const { id } = await createWorkload(world, cloud.facade)
  await cloud.settle()
  const volumeId = await asked(world, cloud, id)
  world.hosts[0]!.volumes.broken.set(volumeId, conflict('the device is taken'))
  await world.db.transaction((tx) => cloud.facade.volumes.ready(tx, { workloadId: id, volumeId }))
  await cloud.settle()
  const [volume] = await seen(world, cloud, id)
  assert.deepEqual([volume?.state, volume?.fault?.message], ['failed', 'the device is taken'])
  assert.equal((await cloud.facade.fetch(id))?.state, 'running')
  await world.db.transaction((tx) => cloud.facade.volumes.drop(tx, { workloadId: id, volumeId }))
  await cloud.settle()
  assert.deepEqual(await seen(world, cloud, id), [])
  await world.close()
})

test('a deleted workload holds nothing', async () => {
  const { world, cloud, id } = await attached()
  await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'delete' }))
  await cloud.settle()
  assert.deepEqual(plugged(world), [])
  assert.deepEqual([...world.hosts[0]!.volumes.slots], [])
  assert.deepEqual(await seen(world, cloud, id), [])
  await world.close()
})

test('a host that was away while its workload was deleted lets go when it is back', async () => {
  const { world, cloud, id, volumeId } = await attached()
  await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'delete' }))
  await cloud.settle()
  const store = world.hosts[0]!.volumes
  await store.slot(id)
  await store.plug({ workloadId: id, volumeId, pid: 0, device: '/dev/vdb', use: 'auto', readOnly: false })
  await cloud.settle()
  assert.deepEqual(await store.holders(), [])
  await world.close()
})

test('a workload whose volume will never be there fails with the sentence and gives its place back', async () => {
  const world = await testWorld()
  const cloud = world.process()
  await cloud.settle()
  const { id } = await createWorkload(world, cloud.facade)
  await asked(world, cloud, id)
  await cloud.settle()
  await world.db.transaction((tx) => cloud.facade.volumes.buildFail(tx, id, 'The volume could not be made'))
  const workload = await cloud.facade.fetch(id)
  assert.deepEqual([workload?.state, workload?.fault?.message], ['error', 'The volume could not be made'])
  assert.deepEqual((await cloud.facade.doctor()).leaks, [])
  await world.close()
})

async function attached() {
  const world = await testWorld()
  const cloud = world.process()
  await cloud.settle()
  const { id } = await createWorkload(world, cloud.facade)
  const volumeId = await asked(world, cloud, id)
  await world.db.transaction((tx) => cloud.facade.volumes.ready(tx, { workloadId: id, volumeId }))
  await cloud.settle()
  return { world, cloud, id, volumeId }
}

for (const direction of ['in', 'out'] as const) {
  controllerSuite({
    name: `workloads.volumes, plugging ${direction}`,
    async make() {
      const { world, cloud, id, volumeId } = await attached()
      const other = await asked(world, cloud, id)
      await world.db.transaction((tx) => cloud.facade.volumes.ready(tx, { workloadId: id, volumeId: other }))
      if (direction === 'out') {
        await cloud.settle()
        for (const volume of [volumeId, other])
          await world.db.transaction((tx) => cloud.facade.volumes.drop(tx, { workloadId: id, volumeId: volume }))
      }
      const effects: string[] = []
      let dieAt = Infinity
      /** What was done is done; who asked for it may not live to hear it. */
      const done = (effect: string): void => {
        effects.push(effect)
        if (effects.length === dieAt) throw new Error('killed')
      }
      const store = world.hosts[0]!.volumes
      const plug = store.plug.bind(store)
      const unplug = store.unplug.bind(store)
      store.plug = async (ask) => {
        const answer = await plug(ask)
        done(`plug ${ask.volumeId}`)
        return answer
      }
      store.unplug = async (ask) => {
        await unplug(ask)
        done(`unplug ${ask.volumeId}`)
      }
      const wanted = direction === 'in' ? [volumeId, other].sort() : []
      return {
        db: world.db,
        controller: () => world.process().controllers.find(({ name }) => name === 'workloads.volumes')!,
        effects: () => effects,
        dieAfterEffect: (n) => {
          dieAt = n
        },
        async assertDone() {
          assert.deepEqual(
            plugged(world)
              .map((each) => each.volumeId)
              .sort(),
            wanted,
          )
          const states = (await seen(world, cloud, id)).map((each) => [each.volumeId, each.state])
          assert.deepEqual(
            states.sort(),
            wanted.map((each) => [each, 'attached']),
          )
        },
        close: () => world.close(),
      }
    },
  })
}

test('an engine that does not share mounts with its host makes containers all the same', async () => {
  const world = await testWorld()
  const { runtime } = world.hosts[0]!
  const create = runtime.create.bind(runtime)
  runtime.create = async (spec) => {
    if (spec.mounts.some(({ target }) => target === volumesMountPoint))
      throw badRequest('path /slots is mounted on / but it is not a shared or slave mount')
    return await create(spec)
  }
  const cloud = world.process()
  await cloud.settle()
  const { id } = await createWorkload(world, cloud.facade)
  await cloud.settle()
  assert.equal((await cloud.facade.fetch(id))?.state, 'running')
  await world.close()
})
