/** Which process may say that a host is down: one that has lost it, or that had the time to find it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import type { TestProcess, TestWorld } from '../testing.ts'
import { testWorld } from '../testing.ts'

const clock = new ManualClock()
let world: TestWorld
let veteran: TestProcess

before(async () => {
  world = await testWorld({ clock })
  veteran = world.process()
  await veteran.runner.pass('workloads.hosts')
})
after(() => world.close())

const isUp = async (): Promise<boolean> => (await veteran.facade.hosts())[0]!.up

/** A process that has no link to the host. */
function newcomer(): TestProcess {
  const begun = world.process()
  begun.hosts.splice(0)
  return begun
}

test('a process that has just begun does not say that a host is down which it has not met yet', async () => {
  await newcomer().runner.pass('workloads.hosts')
  assert.equal(await isUp(), true)
})

test('once it had the time to meet it, it does', async () => {
  const begun = newcomer()
  await begun.runner.pass('workloads.hosts')
  clock.advance(10_000)
  await begun.runner.pass('workloads.hosts')
  assert.equal(await isUp(), false)
})

test('one that has reached it and reaches it no more does so at once', async () => {
  await veteran.runner.pass('workloads.hosts')
  assert.equal(await isUp(), true)
  veteran.hosts.splice(0)
  await veteran.runner.pass('workloads.hosts')
  assert.equal(await isUp(), false)
})
