/** The outbox over NATS: while the server is away events stay, and arrive when it is back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '#platform/db/database.ts'
import { migrate } from '#platform/db/migrate.ts'
import { silentLog } from '#platform/log/log.ts'
import { createNatsBus } from './nats-bus.ts'
import { startNatsServer } from './nats-server.ts'
import { createOutboxRelay } from './outbox-relay.ts'
import type { OutboxEvent } from './outbox-relay.ts'

test('an event emitted while the bus is away arrives when it is back', async () => {
  await using stack = new AsyncDisposableStack()
  const db = stack.adopt(await openDatabase({ url: 'sqlite::memory:' }), (opened) => opened.close())
  await migrate(db, [])
  const first = await startNatsServer()
  const bus = stack.adopt(await createNatsBus({ url: first.url }), (opened) => opened.close())
  const relay = createOutboxRelay({ db, bus, log: silentLog })
  relay.start()
  stack.defer(() => relay.stop())
  const arrived = new Promise<OutboxEvent>(
    (resolve) => { bus.subscribe('boat.landed', (data) => resolve(data as OutboxEvent)) },
  )
  await bus.flush()

  await first.stop()
  await db.transaction(async (tx) => { tx.emit('boat.landed', { id: 'b' }) })
  const second = await startNatsServer({ port: Number(new URL(first.url).port) })
  stack.defer(() => second.stop())

  assert.deepEqual((await arrived).payload, { id: 'b' })
})
