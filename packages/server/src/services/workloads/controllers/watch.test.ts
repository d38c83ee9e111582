/** What happens on hosts by itself is written down; what restarts gets its network back. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import { createPlacementFacade } from '#services/placement/manager/facade.ts'
import { labels } from '../ports.ts'
import type { WorkloadSpec } from '../facade.ts'
import { createWorkload, testWorld } from '../testing.ts'
import type { TestProcess, TestWorld } from '../testing.ts'

let world: TestWorld
let cloud: TestProcess
const clock = new ManualClock()
beforeEach(async () => {
  world = await testWorld({ clock })
  cloud = world.process()
})
afterEach(() => world.close())

const runtime = () => world.hosts[0]!.runtime
const now = async (id: string) => (await cloud.facade.fetch(id))!
async function running(change: Partial<WorkloadSpec> = {}) {
  const { id } = await createWorkload(world, cloud.facade, change)
  await cloud.settle()
  return await now(id)
}
const container = async (id: string) => (await runtime().list()).find(({ workloadId }) => workloadId === id)!

test('a command that ends later leaves a stopped workload with its exit code and last words', async () => {
  const { id, containerId } = await running()
  clock.advance(10_000)
  runtime().writeLog(containerId!, 'disk full\n')
  runtime().exit(containerId!, 1)
  await cloud.settle()
  const workload = await now(id)
  assert.deepEqual([workload.state, workload.exitCode, workload.pid], ['stopped', 1, 0])
  assert.match(workload.fault!.details, /disk full/)
  assert.equal(world.ports.of(id)[0]!.status, 'DOWN')
})

test('a command that fails in its first seconds is an error', async () => {
  const { id, containerId } = await running()
  runtime().exit(containerId!, 1)
  await cloud.settle()
  assert.equal((await now(id)).state, 'error')
})

test('a command killed for its memory says so', async () => {
  const { id, containerId } = await running()
  clock.advance(10_000)
  runtime().exit(containerId!, 137, { oomKilled: true })
  await cloud.settle()
  const workload = await now(id)
  assert.equal(workload.oomKilled, true)
  assert.match(workload.fault!.message, /more than its 64 MiB/)
})

test('a restart by policy gets its network before its command runs again', async () => {
  const { id, containerId, pid } = await running({ restartPolicy: { name: 'always' } })
  runtime().exit(containerId!, 1)
  assert.equal(await runtime().gateWaiting(containerId!), true)
  await cloud.settle()
  const workload = await now(id)
  assert.equal(workload.state, 'running')
  assert.notEqual(workload.pid, pid)
  assert.equal(await runtime().gateWaiting(containerId!), false)
  assert.equal(world.hosts[0]!.network.ports.get(world.ports.of(id)[0]!.id)!.sandbox!.pid, workload.pid)
})

test("after the host's power failed, each workload is what its policy made of it", async () => {
  const once = await running(),
    always = await running({ restartPolicy: { name: 'always' } })
  clock.advance(10_000)
  runtime().rebootHost()
  await cloud.settle()
  assert.deepEqual([(await now(once.id)).state, (await now(always.id)).state], ['stopped', 'running'])
})

test('pause, unpause, stop, start and removal by hand are noticed', async () => {
  const { id, containerId } = await running()
  clock.advance(10_000)
  const see = async () => {
    await cloud.settle()
    return (await now(id)).state
  }
  await runtime().pause(containerId!)
  assert.equal(await see(), 'paused')
  await runtime().unpause(containerId!)
  assert.equal(await see(), 'running')
  await runtime().stop(containerId!, 0)
  assert.equal(await see(), 'stopped')
  await runtime().start(containerId!)
  assert.equal(await see(), 'running')
  await runtime().remove(containerId!)
  assert.equal(await see(), 'error')
  assert.match((await now(id)).fault!.message, /removed from its host by somebody else/)
  await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'reboot', hard: true }))
  assert.equal(await see(), 'running')
})

test('what happened while nobody looked is noticed at the next start', async () => {
  const { id, containerId } = await running()
  clock.advance(10_000)
  cloud = world.process()
  runtime().exit(containerId!, 0)
  await cloud.settle()
  assert.equal((await now(id)).state, 'stopped')
})

test('a container of a deleted workload is removed at once, one of an unknown workload after its grace', async () => {
  const { id } = await running()
  const spec = runtime().specOf((await container(id)).id)
  await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'delete' }))
  await cloud.settle()
  const stray = await runtime().create({ ...spec, name: 'stray' })
  const unknown = await runtime().create({
    ...spec,
    workloadId: 'unknown',
    name: 'unknown',
    labels: { [labels.owner]: 'quaystone' },
  })
  assert.deepEqual((await cloud.facade.doctor()).leaks.map((leak) => leak.id).sort(), [stray.id, unknown.id].sort())
  await cloud.settle()
  assert.deepEqual(
    (await runtime().list()).map((one) => one.id),
    [unknown.id],
  )
  clock.advance(61_000)
  await cloud.settle()
  assert.deepEqual(await runtime().list(), [])
})

test('an image that Glance no longer has is removed from the host when nothing uses it', async () => {
  const { id } = await running()
  world.images.commands.delete('image')
  await cloud.settle()
  assert.equal((await runtime().imageList()).length, 1)
  await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'delete' }))
  await cloud.settle()
  assert.deepEqual(await runtime().imageList(), [])
})

test('the doctor finds claims and addresses that outlived their workload', async () => {
  const { id } = await running()
  await world.db.transaction((tx) => cloud.facade.order(tx, id, { do: 'delete' }))
  await cloud.settle()
  world.ports.add(id)
  const placement = createPlacementFacade(world.db)
  const [host] = await placement.providers()
  const claim = { consumerId: 'nobody', providerId: host!.id, resources: { VCPU: 1 }, projectId: 'p', userId: 'u' }
  await world.db.transaction((tx) => placement.claim(tx, claim))
  const { leaks } = await cloud.facade.doctor()
  assert.deepEqual(
    leaks.map((leak) => [leak.kind, leak.host, leak.id]),
    [
      ['claim', 'host-1', 'nobody'],
      ['address', null, world.ports.of(id)[0]!.id],
    ],
  )
})
