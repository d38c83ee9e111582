/** What waited as one becomes the claims of many, and nobody in line gets any of it between. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import type { ReserveRequest } from '../facade.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`handing on what is held, on ${database.name}`, () => {
    let bench: QuotaBench
    beforeEach(async () => {
      bench = await openQuota(database, { p: null })
      await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 6 })
    })
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const ask = (subject: string, cores: number, more: Partial<ReserveRequest> = {}) =>
      bench.db.transaction(async (tx) => {
        bench.clock.advance(1)
        return bench.front.reserve(tx, { projectId: 'p', deltas: { cores }, subject, whenFull: 'wait', ...more })
      })
    const handOn = (subject: string, heirs: Record<string, number>) =>
      bench.db.transaction((tx) =>
        bench.front.handOn(
          tx,
          subject,
          Object.entries(heirs).map(([heir, cores]) => ({ subject: heir, deltas: { cores } })),
        ),
      )
    const standing = async (...subjects: string[]) =>
      Object.fromEntries(await bench.front.standing(bench.db, subjects))
    const held = async () => (await bench.front.usage('p')).cores!

    test('each heir has its part, and who waits has none of it', async () => {
      await ask('both', 6)
      await ask('next', 2)
      await handOn('both', { one: 3, two: 3 })
      assert.deepEqual(await standing('both', 'one', 'two', 'next'), {
        one: 'reserved',
        two: 'reserved',
        next: 'waiting',
      })
      assert.deepEqual((await held()).reserved, 6)
      await bench.db.transaction((tx) => bench.front.commit(tx, 'one'))
      assert.deepEqual([(await held()).inUse, (await held()).reserved], [3, 3])
    })

    test('what the heirs leave is for who waits', async () => {
      await ask('both', 6)
      await ask('next', 2)
      await handOn('both', { one: 3 })
      assert.deepEqual(await standing('both', 'one', 'next'), { one: 'reserved', next: 'reserved' })
      assert.equal((await held()).reserved, 5)
    })

    test('who holds nothing hands nothing on, and nobody more than it holds', async () => {
      await handOn('nobody', { one: 1 })
      assert.deepEqual(await standing('nobody', 'one'), {})
      await ask('little', 1)
      await assert.rejects(handOn('little', { one: 2 }), /holds 1 of cores/)
      assert.deepEqual(await standing('little', 'one'), { little: 'reserved' })
    })

    test('a second time changes nothing', async () => {
      await ask('both', 4)
      await handOn('both', { one: 2, two: 2 })
      await handOn('both', { one: 2, two: 2 })
      assert.equal((await held()).reserved, 4)
    })
  })
}
