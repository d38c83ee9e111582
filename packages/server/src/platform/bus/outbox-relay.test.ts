/** Committed events reach the bus: at once, in order, once per event in the usual case, and after a crash. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { PlatformTables } from '#platform/db/platform-tables.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { silentLog } from '#platform/log/log.ts'
import type { Bus } from './bus.ts'
import { createMemoryBus } from './memory-bus.ts'
import { createOutboxRelay } from './outbox-relay.ts'
import type { OutboxEvent } from './outbox-relay.ts'

for (const { name, open } of testDatabases()) {
  describe(`outbox relay on ${name}`, () => {
    let db: Database
    let bus: Bus
    let clock: ManualClock
    let got: OutboxEvent[]
    beforeEach(async () => {
      clock = new ManualClock()
      db = await open({ migrations: [], clock })
      bus = createMemoryBus()
      got = []
      bus.subscribe('>', (data) => { got.push(data as OutboxEvent) })
    })
    afterEach(async () => { await bus.close(); await db.close() })

    const relay = (to: Bus = bus) => createOutboxRelay({ db, bus: to, clock, log: silentLog })
    const emit = (...topics: string[]) =>
      db.transaction(async (tx) => { for (const topic of topics) tx.emit(topic, { topic }) })
    const left = async () => (await db.as<PlatformTables>().selectFrom('outbox').select('topic').orderBy('id')
      .execute()).map(({ topic }) => topic)
    const arrival = (topic: string) =>
      new Promise<OutboxEvent>((resolve) => { bus.subscribe(topic, (data) => resolve(data as OutboxEvent)) })

    test('an event is sent right after its commit, without a tick of the clock', async () => {
      const running = relay()
      running.start()
      const arrived = arrival('boat.landed')
      await emit('boat.landed')
      const event = await arrived
      assert.deepEqual(
        event, { id: event.id, topic: 'boat.landed', payload: { topic: 'boat.landed' }, at: clock.now() },
      )
      await running.stop()
      assert.deepEqual(await left(), [])
    })

    test('events are sent in the order of their rows, all of them, and once', async () => {
      const topics = Array.from({ length: 450 }, (_, n) => `boat.n${n}`)
      await emit(...topics)
      assert.equal(await relay().drain(), 450)
      await bus.flush()
      assert.deepEqual(got.map(({ topic }) => topic), topics)
      assert.equal(await relay().drain(), 0)
    })

    test('what was committed before the relay started is sent at the start', async () => {
      await emit('boat.early')
      const arrived = arrival('boat.early')
      const running = relay()
      running.start()
      assert.equal((await arrived).topic, 'boat.early')
      await running.stop()
    })

    test('two relays at once send each event once', async () => {
      const topics = Array.from({ length: 300 }, (_, n) => `boat.n${n}`)
      await emit(...topics)
      await Promise.all([relay().drain(), relay().drain()])
      await relay().drain()
      await bus.flush()
      assert.deepEqual(got.map(({ topic }) => topic).sort(), topics.sort())
    })

    test('what a dead relay had claimed is sent by another once the claim is over', async () => {
      await emit('boat.orphan')
      await db.as<PlatformTables>().updateTable('outbox')
        .set({ claimed_by: 'dead', claimed_until: clock.now() + 30_000 }).execute()
      assert.equal(await relay().drain(), 0)
      clock.advance(30_000)
      assert.equal(await relay().drain(), 1)
      await bus.flush()
      assert.deepEqual(got.map(({ topic }) => topic), ['boat.orphan'])
    })

    test('a bus that fails keeps the events for the next try', async () => {
      await emit('boat.patient')
      const broken: Bus = { ...bus, publish: () => { throw new Error('away') } }
      await assert.rejects(relay(broken).drain(), /away/)
      assert.deepEqual(await left(), ['boat.patient'])
      assert.equal(await relay().drain(), 1)
      await bus.flush()
      assert.deepEqual(got.map(({ topic }) => topic), ['boat.patient'])
    })
  })
}
