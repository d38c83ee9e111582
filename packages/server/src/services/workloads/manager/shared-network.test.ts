/** A container in another's network follows that one from life to life. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { Workload, WorkloadOrder } from '../facade.ts'
import { createWorkload, specOf, testWorld } from '../testing.ts'
import type { TestProcess, TestWorld } from '../testing.ts'

let world: TestWorld
let cloud: TestProcess
beforeEach(async () => {
  world = await testWorld()
  cloud = world.process()
})
afterEach(() => world.close())

const runtime = () => world.hosts[0]!.runtime
const now = async (id: string): Promise<Workload> => (await cloud.facade.fetch(id))!
async function running(change = {}, ports = 1): Promise<Workload> {
  const { id } = await createWorkload(world, cloud.facade, change, ports)
  await cloud.settle()
  return await now(id)
}
async function done(id: string, order: WorkloadOrder): Promise<Workload> {
  await world.db.transaction((tx) => cloud.facade.order(tx, id, order))
  await cloud.settle()
  return await now(id)
}

test('who shares a network is in it again when its owner was started anew, or made anew', async () => {
  const main = await running()
  const side = await running({ networkMode: `container:${main.id}` }, 0)
  await world.clock.sleep(2) // times of starts have milliseconds
  const rebooted = await done(main.id, { do: 'reboot', hard: true })
  await cloud.settle()
  const again = await now(side.id)
  assert.notEqual(again.pid, side.pid)
  assert.equal(again.containerId, side.containerId)
  assert.ok(rebooted.pid < again.pid, 'first the owner, then who shares')
  const rebuilt = await done(main.id, { do: 'rebuild', spec: specOf({}) })
  await cloud.settle()
  const anew = await now(side.id)
  assert.equal(anew.state, 'running')
  assert.equal(runtime().specOf(anew.containerId!).networkMode, `container:${rebuilt.containerId}`)
  const { pid } = anew
  await cloud.settle()
  assert.equal((await now(side.id)).pid, pid, 'and it is left in peace from then on')
  assert.deepEqual(await cloud.facade.doctor(), { leaks: [], stuck: [], hostsSilent: [] })
})
