/** Owners who wait have taken back what they lent, whatever becomes of the process that was to see to it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { serveWaiting } from '../controllers/serve-waiting.ts'
import { articleForEach, playArticle, type Actions } from '../testing-article.ts'
import { quotaOver, type QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`wishes of those who wait, on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    articleForEach(database, async (...opened) => {
      [bench, act] = opened
      await playArticle(bench)
    })

    const waits = (subject: string, projectId: string, instances: number) =>
      bench.db.transaction(async (tx) => {
        bench.clock.advance(1)
        const asked = { projectId, subject, deltas: { instances } }
        const { state } = await bench.front.reserve(tx, { ...asked, started: true, whenFull: 'wait' })
        assert.equal(state, 'waiting')
      })
    /** One look of the loop, and for whom it wishes. */
    const look = async (of: Pick<QuotaBench, 'parts' | 'front' | 'wishes'> = bench) => {
      const loop = serveWaiting(of.parts, of.front)
      for (const root of loop.plan(await loop.observe(10))) await loop.act(root)
      return of.wishes.splice(0)
    }
    const begin = async (wishes: QuotaBench['wishes']) => {
      for (const wish of wishes) await bench.db.transaction((tx) => bench.front.reclaim.begin(tx, wish))
    }

    test('a process that starts wishes for what another could not before it died, and once', async () => {
      await waits('owner', 't1', 2)
      const next = quotaOver(bench.db, bench.clock, bench.known)
      const wishes = await look(next)
      assert.deepEqual(wishes.map(({ subject }) => subject), ['owner'])
      assert.deepEqual(await look(next), [])
      await begin(wishes)
      assert.deepEqual(await act.noticed(), ['t2-10', 't2-11'])
      bench.clock.advance(3_600_000)
      assert.deepEqual(await look(next), [], 'what it wished for is on its way')
    })

    test('what could not be taken yet is wished for again', async () => {
      await act.setPolicy('t2', { minRuntimeMs: 600_000 })
      await act.setPolicy('t1', { waitsForMinRuntime: true })
      await waits('owner', 't1', 1)
      await act.wishesBegun()
      assert.deepEqual([await act.noticed(), await look()], [[], []])
      bench.clock.advance(600_000)
      await begin(await look())
      assert.deepEqual(await act.noticed(), ['t2-11'])
    })

    test('several that wait have their turn one after the other', async () => {
      for (const [subject, instances] of [['one', 1], ['two', 2], ['three', 3]] as const)
        await waits(subject, 't1', instances)
      const next = quotaOver(bench.db, bench.clock, bench.known),
        turns: string[] = []
      for (let looks = 0; looks < 4; looks++) turns.push(...(await look(next)).map(({ subject }) => subject))
      assert.deepEqual(turns, ['one', 'two', 'three'])
    })
  })
}
