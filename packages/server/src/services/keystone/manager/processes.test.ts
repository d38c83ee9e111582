/** Two processes on one database agree about tokens, keys and the first boot. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { createOutboxRelay } from '#platform/bus/outbox-relay.ts'
import { ManualClock, systemClock } from '#platform/clock/clock.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { silentLog } from '#platform/log/log.ts'
import { adminToken, demoToken, startKeystone } from '../testing.ts'
import { expiredRevocations } from '../store/revocation-sweep.ts'

for (const database of testDatabases()) {
  describe(`two processes of one cloud on ${database.name}`, () => {
    const withTwo = async (work: (one: Process, other: Process, parts: { clock: ManualClock }) => Promise<void>) => {
      const [db, bus, clock] = [await database.open(), createMemoryBus(), new ManualClock(Date.UTC(2026, 0, 1))]
      const one = await startKeystone({ db, bus, clock })
      const other = await startKeystone({ db, bus, clock })
      const relay = createOutboxRelay({ db, bus, clock: systemClock, log: silentLog })
      relay.start()
      try {
        await work(one, other, { clock })
      } finally {
        await one.close()
        await other.close()
        await relay.stop()
        await bus.close()
        await db.close()
      }
    }
    type Process = Awaited<ReturnType<typeof startKeystone>>
    const isValid = async (process: Process, token: string) => (await process.ask(
      'GET', '/v3/auth/projects', { token },
    )).status === 200
    const becomes = async (wanted: boolean, look: () => Promise<boolean>) => {
      for (let tries = 0; tries < 200 && await look() !== wanted; tries++) await systemClock.sleep(10)
      assert.equal(await look(), wanted)
    }

    test('a token of one is good at the other, and its end is told', () => withTwo(async (one, other) => {
      const token = await demoToken(one)
      assert.ok(await isValid(other, token))
      await one.ask('DELETE', '/v3/auth/tokens', { token, headers: { 'x-subject-token': token } })
      assert.ok(!await isValid(one, token))
      await becomes(false, () => isValid(other, token))
    }))

    test('what one changes, the other forgets', () => withTwo(async (one, other) => {
      const [admin, token] = [await adminToken(one), await demoToken(one)]
      assert.ok(await isValid(other, token))
      const [user] = (await one.ask('GET', '/v3/users?name=demo', { token: admin })).body.users
      await one.ask('PATCH', `/v3/users/${user.id}`, { token: admin, body: { user: { enabled: false } } })
      await becomes(false, () => isValid(other, token))
    }))

    test('a mark that the bus has lost is found in the database', () => withTwo(async (one, other, { clock }) => {
      const token = await demoToken(one)
      const grant = await one.managers.tokens.inspect(token)
      await one.managers.ground.db.transaction(async (tx) => { await one.managers.ground.news.revoke(
        tx, grant!.marks.at(-2)!,
      ) })
      await other.managers.tokens.catchUp()
      assert.ok(!await isValid(other, token))
      clock.advance(10 * 24 * 3600_000)
      assert.equal((await expiredRevocations(one.db, clock.now(), 10)).length, 1)
    }))

    test('keys rotated by one are used by the other', () => withTwo(async (one, other) => {
      const before = await demoToken(other)
      for (let times = 0; times < 3; times++) {
        await one.managers.tokens.rotateKeys()
        const token = await demoToken(one)
        await other.managers.tokens.catchUp()
        assert.ok(await isValid(other, token))
      }
      assert.ok(await isValid(one, before))
    }))

    test('both first boots end alike', () => withTwo(async (one, other) => {
      const [here, there] = [await adminToken(one), await adminToken(other)]
      const shown = async (process: Process, token: string) => (await process.ask(
        'GET', '/v3/users', { token },
      )).body.users
      assert.deepEqual(await shown(one, here), await shown(other, there))
      assert.deepEqual((await shown(one, here)).map((user: any) => user.name).sort(), ['admin', 'demo'])
    }))
  })
}
