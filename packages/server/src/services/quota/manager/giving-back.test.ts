/** Borrowers that stop instead of going give back a part: their notice is answered, and they were taken back. */
import assert from 'node:assert/strict'
import { beforeEach, describe, mock, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { historyList } from '../store/history.ts'
import { reclaimedFetch } from '../store/reclaimed.ts'
import { ticketFetch } from '../store/tickets.ts'
import { articleForEach, playArticle, reasonOf, type Actions } from '../testing-article.ts'
import type { QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`giving back after a notice, on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    articleForEach(database, async (...opened) => {
      [bench, act] = opened
      await playArticle(bench, ['instances', 'cores'])
    })

    const ask = (cores: number) =>
      reasonOf(act.start({ subject: `back ${cores}`, projectId: 't1', amounts: { cores } }))
    const asked = async (cores: number) => {
      assert.equal(await ask(cores), 'RECLAIMING')
      await act.wishesBegun()
      return act.noticed()
    }
    const reclaimsOf = async (lineage: string) => (await reclaimedFetch(bench.db, lineage))?.reclaims
    const told = async (kind: 'spared' | 'recalled') =>
      (await historyList(bench.db, { kinds: [kind] }, 100)).map(({ subject }) => subject).sort()

    test('who gives back what is wanted and keeps its place was taken back, once', async () => {
      assert.deepEqual(await asked(1), ['t2-11'])
      await act.stop('t2-11', { cores: 1 })
      assert.deepEqual(await act.noticed(), [])
      assert.equal(await reclaimsOf('t2-11'), 1)
      await act.stop('t2-11')
      assert.equal(await reclaimsOf('t2-11'), 1)
    })

    test('who gives back something else still has its notice, and was not taken back', async () => {
      await asked(1)
      await act.stop('t2-11', { instances: 1 })
      assert.deepEqual([await act.noticed(), await reclaimsOf('t2-11')], [['t2-11'], undefined])
    })

    test('who gives back half of what is wanted still has its notice, and was taken back once', async () => {
      for (const subject of ['t2-10', 't2-11']) await act.stop(subject)
      await act.start({ subject: 'large', projectId: 't2', amounts: { cores: 2 } })
      assert.deepEqual(await asked(2), ['large'])
      await act.stop('large', { cores: 1 })
      assert.deepEqual([await act.noticed(), await reclaimsOf('large')], [['large'], undefined])
      await act.stop('large', { cores: 1 })
      assert.deepEqual([await act.noticed(), await reclaimsOf('large')], [[], 1])
    })

    test('for a project that is deleted nobody has to go any more', async () => {
      const victims = await asked(2)
      await act.stop('t1-0')
      await bench.db.transaction((tx) => bench.front.forgetProject(tx, 't1'))
      assert.deepEqual([await act.noticed(), await told('spared')], [[], victims])
    })

    test('a ticket is read once for each that gives back', async () => {
      const reads = (subject: string) =>
        bench.db.transaction(async (tx) => {
          const kysely = tx.as(),
            listening = mock.method(kysely, 'executeQuery').mock
          mock.method(tx, 'as', () => kysely)
          await bench.front.release(tx, { projectId: '', subject, deltas: { cores: 1 } })
          const statements = listening.calls.map((call) => (call.arguments[0] as { sql: string }).sql)
          return statements.filter((text) => text.startsWith('select * from quota_ticket')).length
        })
      for (const subject of await asked(2)) assert.equal(await reads(subject), 1)
      assert.deepEqual([await act.noticed(), await ask(2)], [[], 'granted'])
    })

    test('nobody is told that it may stay after it was taken', async () => {
      const victims = await asked(2)
      for (const subject of victims) await act.stop(subject, { cores: 1 })
      assert.equal(await ask(2), 'granted')
      assert.equal(await ticketFetch(bench.db, 't1'), undefined)
      assert.deepEqual([await told('recalled'), await told('spared')], [victims, []])
    })

    test('an owner that asks for more than has come has more taken back at once', async () => {
      assert.deepEqual(await asked(1), ['t2-11'])
      await act.stop('t2-11', { cores: 1 })
      assert.deepEqual(await asked(3), ['t2-10', 't2-9'])
    })

    describe('a row that has grown, and shrinks', () => {
      const holding = async () => {
        const { cores, instances } = await bench.front.usage('t1')
        return [cores!.inUse, instances!.inUse]
      }
      const grow = (subject: string, cores: number) =>
        act.start({ subject, projectId: 't1', amounts: { cores, instances: 1 } })
      beforeEach(async () => {
        await act.stop('t1-0')
        for (const subject of ['t2-0', 't2-1', 't2-2', 't2-3']) await act.stop(subject)
      })

      test('gives back of all that it holds, and of no row that is named alike', async () => {
        for (const [subject, cores] of [['row', 1], ['row:a', 2], ['row:b', 1], ['row2', 1]] as const)
          await grow(subject, cores)
        await act.stop('row', { cores: 3 })
        assert.deepEqual(await holding(), [2, 4])
        await act.stop('row', { cores: 3, instances: 1 })
        assert.deepEqual(await holding(), [1, 3])
      })

      test('gives back of what it took later when it had nothing of it before', async () => {
        await grow('row:a', 3)
        await act.stop('row', { cores: 2 })
        assert.deepEqual(await holding(), [1, 1])
      })

      test('lets those who wait have all of it at once', async () => {
        for (const [subject, cores] of [['row', 1], ['row:a', 7]] as const) await grow(subject, cores)
        const waits = { projectId: 't1', deltas: { cores: 4 }, subject: 'waits', started: true }
        const { state } = await bench.db.transaction((tx) =>
          bench.front.reserve(tx, { ...waits, whenFull: 'wait' }),
        )
        await act.stop('row', { cores: 4 })
        assert.deepEqual([state, await holding()], ['waiting', [8, 2]])
      })
    })

    test('who has nothing any more of what is missing may stay', async () => {
      assert.deepEqual(await asked(2), ['t2-10', 't2-11'])
      await act.stop('t2-0')
      await act.stop('t2-11', { cores: 1 })
      assert.deepEqual([await act.noticed(), await told('spared')], [[], ['t2-10']])
      assert.deepEqual([await reclaimsOf('t2-11'), await reclaimsOf('t2-10')], [1, undefined])
      assert.equal(await ask(2), 'granted')
    })
  })
}
