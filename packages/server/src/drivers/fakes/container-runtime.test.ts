/** The fake engine passes the real ones' conformance suite, and does what tests ask of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { unavailable } from '#platform/errors/errors.ts'
import { ManualClock } from '#platform/clock/clock.ts'
import { runtimeSuite } from '../docker/runtime-suite.ts'
import { specOf, tarOf } from '../docker/suite-bench.ts'
import { createFakeRuntime } from './container-runtime.ts'

runtimeSuite('fake engine', async () => ({
  runtime: createFakeRuntime(),
  rootTar: await buffer(tarOf({ 'bin/busybox': '' })),
  close: async () => {},
}))

const withImage = (options: Parameters<typeof createFakeRuntime>[0] = {}) => {
  const fake = createFakeRuntime(options)
  fake.images.add('web', { command: ['httpd'] })
  return fake
}

test('a failure on demand happens once, before any effect', async () => {
  const fake = withImage()
  fake.failNext('create', unavailable('engine is full'))
  const spec = specOf('web')
  await assert.rejects(fake.create(spec), /engine is full/)
  assert.deepEqual(await fake.list(), [])
  await fake.create(spec)
  assert.equal(fake.calls.get('create'), 2)
})

test('latency comes from the clock', async () => {
  const clock = new ManualClock()
  const fake = withImage({ clock, latencyMs: 500 })
  let done = false
  const creating = fake.create(specOf('web')).then(() => { done = true })
  await Promise.resolve()
  assert.equal(done, false)
  clock.advance(500)
  await creating
})

test('the history tells the order: network before command', async () => {
  const fake = withImage()
  const spec = specOf('web', { name: 'w1' })
  const { id } = await fake.create(spec)
  await fake.start(id, async () => { fake.history.push('plugged') })
  assert.deepEqual(fake.history, ['create w1', 'start w1', 'plugged', 'gate w1', 'command w1'])
})

test('a host reboot closes the gates of what runs again and leaves the rest stopped', async () => {
  const fake = withImage()
  const kept = await fake.create(specOf('web', { restartPolicy: { name: 'unless-stopped' } }))
  const lost = await fake.create(specOf('web'))
  for (const { id } of [kept, lost]) await fake.start(id)
  fake.rebootHost()
  assert.equal(await fake.gateWaiting(kept.id), true)
  assert.equal((await fake.inspect(lost.id)).state, 'exited')
})

test('an engine that is down refuses everything and forgets nothing', async () => {
  const fake = withImage()
  const { id } = await fake.create(specOf('web'))
  await fake.start(id)
  fake.goDown()
  assert.equal(await fake.ping(), false)
  await assert.rejects(fake.inspect(id), { kind: 'unavailable' })
  fake.comeBack()
  assert.equal((await fake.inspect(id)).state, 'running')
})
