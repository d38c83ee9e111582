/** Leases: one holder at a time, until it gives up or its time is over. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { createLeases } from './leases.ts'
import type { Leases } from './leases.ts'

for (const { name, open } of testDatabases()) {
  describe(`leases on ${name}`, () => {
    const clock = new ManualClock()
    let db: Database
    let leases: Leases
    before(async () => { db = await open({ migrations: [] }); leases = createLeases({ db, clock }) })
    after(() => db.close())

    test('one holder at a time; the holder may take it again', async () => {
      assert.equal(await leases.acquire('crane', 'ann', 1_000), true)
      assert.equal(await leases.acquire('crane', 'bob', 1_000), false)
      assert.equal(await leases.acquire('crane', 'ann', 1_000), true)
      assert.equal(await leases.holder('crane'), 'ann')
    })

    test('after its time it is free, and the late holder cannot renew it', async () => {
      assert.equal(await leases.acquire('gate', 'ann', 1_000), true)
      clock.advance(600)
      assert.equal(await leases.renew('gate', 'ann', 1_000), true)
      clock.advance(1_000)
      assert.equal(await leases.renew('gate', 'ann', 1_000), false)
      assert.equal(await leases.holder('gate'), undefined)
      assert.equal(await leases.acquire('gate', 'bob', 1_000), true)
    })

    test('only the holder gives it up', async () => {
      await leases.acquire('rope', 'ann', 1_000)
      await leases.release('rope', 'bob')
      assert.equal(await leases.holder('rope'), 'ann')
      await leases.release('rope', 'ann')
      assert.equal(await leases.acquire('rope', 'bob', 1_000), true)
    })

    test('of many that try at once, one holds it', async () => {
      const owners = Array.from({ length: 8 }, (_, n) => `owner${n}`)
      const results = await Promise.all(owners.map((owner) => leases.acquire('race', owner, 1_000)))
      assert.equal(results.filter(Boolean).length, 1)
    })
  })
}
