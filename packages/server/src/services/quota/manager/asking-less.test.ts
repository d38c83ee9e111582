/** Who waits and asks for less keeps its place, and starts when that fits. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { articleForEach, playArticle, type Actions } from '../testing-article.ts'
import { historyList } from '../store/history.ts'
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

  describe(`asking for less of what is being taken back, on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    articleForEach(database, async (...opened) => {
      [bench, act] = opened
      await playArticle(bench, ['instances', 'cores'])
      const asked = { projectId: 't1', subject: 'owner', deltas: { instances: 3, cores: 2 }, started: true }
      await bench.db.transaction((tx) => bench.front.reserve(tx, { ...asked, whenFull: 'wait' }))
      await act.wishesBegun()
      assert.deepEqual(await act.noticed(), ['t2-10', 't2-11', 't2-9'])
    })

    const holding = async () => {
      const { instances, cores } = await bench.front.usage('t1')
      return [instances!.inUse + instances!.reserved, cores!.inUse + cores!.reserved]
    }

    test('nobody goes for what is not asked for any more', async () => {
      await act.stop('owner', { instances: 2, cores: 1 })
      await act.stop('t2-11')
      assert.deepEqual([await act.noticed(), await holding()], [[], [5, 5]])
    })

    test('what was gathered beyond it is free, and what is still missing is on its way', async () => {
      for (const subject of ['t2-10', 't2-11']) await act.stop(subject, { instances: 1 })
      assert.deepEqual([await act.noticed(), await holding()], [['t2-10', 't2-11', 't2-9'], [6, 4]])
      await act.stop('owner', { instances: 2 })
      assert.deepEqual([await act.noticed(), await holding()], [['t2-10', 't2-11', 't2-9'], [5, 4]])
      for (const subject of ['t2-10', 't2-11']) await act.stop(subject, { cores: 1 })
      assert.deepEqual([await act.noticed(), await holding()], [[], [5, 6]])
      const told = await historyList(bench.db, { kinds: ['spared'] }, 10)
      assert.deepEqual(told.map(({ subject }) => subject), ['t2-9'])
    })
  })
}
