/** What each policy of taking back means to the owner and to those who borrowed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { answerOf, articleForEach, playArticle, reasonOf, type Actions } from '../testing-article.ts'
import type { QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`policies of taking back, on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    articleForEach(database, (...opened) => ([bench, act] = opened))

    const start = (subject: string, projectId: string, instances: number) =>
      act.start({ subject, projectId, amounts: { instances } })
    const ask = (instances: number) => start('back', 't1', instances)
    const asked = async (instances: number) => {
      assert.equal(await reasonOf(ask(instances)), 'RECLAIMING')
      await act.wishesBegun()
    }
    /** From now until those with a notice must have ended. */
    const graceMs = async () =>
      (await bench.front.notices()).map(({ deadlineAt }) => deadlineAt - bench.clock.now())

    test('a borrower has the grace of its policy', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { graceMs: 50_000 })
      await asked(1)
      assert.deepEqual(await graceMs(), [50_000])
    })

    test('no borrower has more grace than the owner grants, as an ancestor says it for it', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { graceMs: 600_000 })
      await act.setPolicy('org', { graceMaxMs: 20_000 })
      await asked(1)
      assert.deepEqual(await graceMs(), [20_000])
    })

    test('an aggressive owner grants no grace at all', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { graceMs: 600_000 })
      await act.setPolicy('t1', { reclaim: 'aggressive' })
      const answer = await answerOf(ask(2))
      assert.ok(answer !== 'granted')
      assert.deepEqual([answer.reason, answer.retryAfterMs], ['RECLAIMING', 0])
      await act.wishesBegun()
      assert.deepEqual(await graceMs(), [0, 0])
    })

    test('with a grace of 30 s an owner runs what it asked for within 40 s', async () => {
      await playArticle(bench)
      const since = bench.clock.now()
      await asked(4)
      const lookEveryMs = 5_000
      const obey = async () => {
        bench.clock.advance(lookEveryMs)
        const due = (await bench.front.notices()).filter(({ deadlineAt }) => deadlineAt <= bench.clock.now())
        for (const { subject } of due) await act.stop(subject)
        return reasonOf(ask(4))
      }
      while ((await obey()) !== 'granted') assert.ok(bench.clock.now() - since <= 40_000, 'the owner still waits')
      assert.ok(bench.clock.now() - since <= 40_000)
      assert.equal((await bench.front.usage('t1')).instances!.inUse, 8)
    })

    test('an owner that waits for the minimum run time takes nothing back before it is over', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { minRuntimeMs: 60_000 })
      await act.setPolicy('t1', { waitsForMinRuntime: true })
      assert.equal(await reasonOf(ask(1)), 'SHORTAGE')
      bench.clock.advance(60_000)
      await asked(1)
      assert.deepEqual(await act.noticed(), ['t2-11'])
    })

    test('an owner that does not wait takes back at once, those past their run time first', async () => {
      await playArticle(bench)
      await act.setPolicy('t2', { minRuntimeMs: 5 })
      await asked(1)
      assert.deepEqual(await act.noticed(), ['t2-7'])
    })

    test('by share nothing is taken before its minimum run time is over', async () => {
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 4 })
      await bench.front.setLimits({ projectId: 'org', limits: { instances: { pool: 4 } } })
      for (const projectId of ['t1', 't2'])
        await bench.front.setLimits({ projectId, limits: { instances: { own: 0, borrow: -1 } } })
      await act.setPolicy('t2', { minRuntimeMs: 60_000 })
      for (let index = 0; index < 4; index++) await start(`t2-${index}`, 't2', 1)
      assert.equal(await reasonOf(ask(1)), 'SHORTAGE')
      bench.clock.advance(60_000)
      await asked(1)
      assert.deepEqual(await act.noticed(), ['t2-3'])
    })

    test('a natural owner is told that nothing is taken, and nothing of when it comes back', async () => {
      await playArticle(bench)
      await act.setPolicy('t1', { reclaim: 'natural' })
      const answer = await answerOf(ask(2))
      assert.ok(answer !== 'granted')
      assert.deepEqual([answer.reason, answer.missing, 'retryAfterMs' in answer], ['SHORTAGE', 2, false])
      assert.match(answer.message, /used by others\. Nothing is taken back for it \(SHORTAGE\)/)
      await act.wishesBegun()
      assert.deepEqual(await act.noticed(), [])
      const { verdict, victims, refusal, notes } = await act.explain('t1', { instances: 2 })
      assert.deepEqual([verdict, victims, refusal?.code, refusal?.heldBy], [
        ...['waits', [], 'SHORTAGE'],
        [{ project: 't2', amount: 4 }],
      ])
      assert.match(notes.join(), /^Nobody would be given notice for it: .* when those who use it release it\.$/)
    })

    test('a natural owner that asks again and again keeps what has come back by itself', async () => {
      await playArticle(bench)
      await act.setPolicy('t1', { reclaim: 'natural' })
      await act.stop('t2-0')
      assert.equal(await reasonOf(ask(2)), 'SHORTAGE')
      await act.wishesBegun()
      assert.equal(await reasonOf(start('slips in', 't2', 1)), 'SHORTAGE')
      await act.stop('t2-1')
      assert.equal(await reasonOf(ask(2)), 'granted')
    })
  })
}
