/** Limits lowered under what is in use: nobody goes for it, unless the policy says after how long. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { historyList } from '../store/history.ts'
import { reclaimedFetch } from '../store/reclaimed.ts'
import { articleForEach, playArticle, reasonOf, type Actions } from '../testing-article.ts'
import type { QuotaBench } from '../testing.ts'
import { Debts } from './debts.ts'

for (const database of testDatabases()) {
  describe(`shrinking on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    articleForEach(database, (...opened) => ([bench, act] = opened))

    /** All that a controller would do now, and whom it makes go. */
    const settled = async () => {
      // A new process each time: nothing may be known but what is written down.
      const debts = new Debts(bench.parts, bench.front)
      for (let passes = 0; ; passes++) {
        assert.ok(passes < 5, 'the debts do not come to rest')
        const open = await debts.unsettled(10)
        if (open.length === 0) return act.noticed()
        for (const project of open) await debts.settle(project)
      }
    }
    const lower = (projectId: string, limits: Record<string, object>) =>
      bench.front.setLimits({ projectId, limits, force: true })
    const told = async (kind: 'recalled' | 'spared') =>
      (await historyList(bench.db, { kinds: [kind] }, 100)).map(({ subject }) => subject).sort()

    test('without a policy a lowered limit ends nobody, ever', async () => {
      await playArticle(bench)
      await lower('t2', { instances: { own: 4 } })
      bench.clock.advance(10 * 86_400_000)
      assert.deepEqual(await settled(), [])
    })

    test('with one, those beyond it have notice after so long, the newest first, and no more of them', async () => {
      await playArticle(bench)
      await act.setPolicy('org', { shrinkAfterMs: 60_000 })
      await act.setPolicy('t2', { graceMs: 45_000 })
      await lower('t2', { instances: { own: 6 } })
      assert.deepEqual(await settled(), [])
      bench.clock.advance(59_999)
      assert.deepEqual(await settled(), [])
      bench.clock.advance(1)
      assert.deepEqual(await settled(), ['t2-10', 't2-11'])
      const [notice] = await bench.front.notices()
      assert.deepEqual([notice!.deadlineAt - bench.clock.now(), notice!.wanted], [45_000, ['instances']])
      for (const subject of await act.noticed()) await act.stop(subject)
      assert.deepEqual([await settled(), (await bench.front.usage('t2')).instances!.inUse], [[], 10])
      assert.deepEqual([await told('recalled'), await told('spared')], [['t2-10', 't2-11'], []])
      assert.equal((await reclaimedFetch(bench.db, 't2-11'))?.reclaims, 1)
      const [recalled] = await historyList(bench.db, { kinds: ['recalled'] }, 1)
      assert.deepEqual([recalled!.details.right, recalled!.details.for], ['shrink', 't2'])
    })

    test('looking again and again changes nothing, and no deadline moves', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { shrinkAfterMs: 0 })
      await lower('t2', { instances: { own: 6 } })
      await settled()
      const before = await bench.front.notices()
      bench.clock.advance(600_000)
      await settled()
      assert.deepEqual(await bench.front.notices(), before)
    })

    test('a parent that shrank makes those pay who use more than their own', async () => {
      await playArticle(bench)
      await act.setPolicy('org', { shrinkAfterMs: 0 })
      await lower('t1', { instances: { own: 4 } })
      await lower('org', { instances: { own: 13 } })
      assert.deepEqual(await settled(), ['t2-10', 't2-11', 't2-9'])
    })

    test('a project may say of itself that it is never shrunk, whatever is said above it', async () => {
      await playArticle(bench)
      await act.setPolicy('org', { shrinkAfterMs: 0 })
      await act.setPolicy('t2', { shrinkAfterMs: -1 })
      await lower('t2', { instances: { own: 4 } })
      assert.deepEqual(await settled(), [])
    })

    test('who need not go any more may stay: when enough was released, and when the limit was raised', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { shrinkAfterMs: 0 })
      await lower('t2', { instances: { own: 4 } })
      assert.deepEqual(await settled(), ['t2-10', 't2-11', 't2-8', 't2-9'])
      await act.stop('t2-0')
      assert.deepEqual(await settled(), ['t2-10', 't2-11', 't2-9'])
      await bench.front.setLimits({ projectId: 't2', limits: { instances: { own: 6 } } })
      assert.deepEqual(await settled(), ['t2-11'])
      await act.setPolicy('t2', { shrinkAfterMs: -1 })
      assert.deepEqual([await settled(), await told('spared')], [[], ['t2-10', 't2-11', 't2-8', 't2-9']])
    })

    test('the last one that pays frees the others at once', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { shrinkAfterMs: 0 })
      await lower('t2', { instances: { own: 6 } })
      await settled()
      await act.stop('t2-0')
      await act.stop('t2-10')
      assert.deepEqual([await act.noticed(), await told('spared')], [[], ['t2-11']])
    })

    test('who stops and gives back what is owed keeps the rest', async () => {
      await playArticle(bench, ['instances', 'cores'])
      await act.setPolicy('t2', { shrinkAfterMs: 0 })
      await lower('t2', { cores: { own: 7 } })
      assert.deepEqual(await settled(), ['t2-11'])
      await act.stop('t2-11', { cores: 1 })
      assert.deepEqual([await settled(), await told('spared')], [[], []])
      assert.equal((await reclaimedFetch(bench.db, 't2-11'))?.reclaims, 1)
    })

    test('an owner counts on those who go for a debt, and nobody has to go twice', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { shrinkAfterMs: 0 })
      await lower('t2', { instances: { own: 6 } })
      assert.deepEqual(await settled(), ['t2-10', 't2-11'])
      const ask = (instances: number) =>
        reasonOf(act.start({ subject: `back ${instances}`, projectId: 't1', amounts: { instances } }))
      assert.equal(await ask(3), 'RECLAIMING')
      await act.wishesBegun()
      assert.deepEqual(await act.noticed(), ['t2-10', 't2-11', 't2-9'])
      for (const subject of await act.noticed()) await act.stop(subject)
      assert.deepEqual([await ask(3), await settled()], ['granted', []])
    })
  })
}
