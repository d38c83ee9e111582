/** Who waits and asks for less keeps its place, and starts when that fits. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`asking for less on ${database.name}`, () => {
    let bench: QuotaBench
    beforeEach(async () => {
      bench = await openQuota(database, { p: null })
      await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 6 })
      await ask('running', 5)
      await ask('large', 4)
      await ask('behind', 2)
    })
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const ask = (subject: string, cores: number) =>
      bench.db.transaction(async (tx) => {
        bench.clock.advance(1)
        return bench.front.reserve(tx, { projectId: 'p', deltas: { cores }, subject, whenFull: 'wait' })
      })
    const less = (subject: string, cores: number) =>
      bench.db.transaction((tx) => bench.front.release(tx, { projectId: 'p', subject, deltas: { cores } }))
    const line = async () =>
      (await bench.front.waiting('p')).map(({ subject, deltas, gathered }) => [
        subject,
        deltas.cores,
        gathered.cores ?? 0,
      ])
    const standing = async (subject: string) => (await bench.front.standing(bench.db, [subject])).get(subject)

    test('it keeps its place and what it gathered, for less', async () => {
      assert.deepEqual(await line(), [
        ['large', 4, 1],
        ['behind', 2, 0],
      ])
      await less('large', 1)
      assert.deepEqual(await line(), [
        ['large', 3, 1],
        ['behind', 2, 0],
      ])
    })

    test('it starts at once when that fits', async () => {
      await less('large', 3)
      assert.equal(await standing('large'), 'reserved')
      assert.deepEqual(await line(), [['behind', 2, 0]])
    })

    test('who asks for nothing any more leaves the line, and what was kept for it is the next one’s', async () => {
      await less('large', 4)
      assert.equal(await standing('large'), undefined)
      assert.deepEqual(await line(), [['behind', 2, 1]])
    })

    test('who neither waits nor holds anything is nobody’s business', async () => {
      await less('nobody', 1)
      assert.equal((await line()).length, 2)
    })
  })
}
