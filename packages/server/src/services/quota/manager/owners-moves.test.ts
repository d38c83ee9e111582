/** Projects that leave their tree: what was being taken back across the cut is taken from nobody. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { ticketsList } from '../store/tickets.ts'
import { articleForEach, playArticle, reasonOf, type Actions } from '../testing-article.ts'
import type { QuotaBench } from '../testing.ts'
import { Moves } from './owners-moves.ts'

for (const database of testDatabases()) {
  describe(`projects that leave their tree, on ${database.name}`, () => {
    let bench: QuotaBench, act: Actions
    articleForEach(database, async (...opened) => {
      [bench, act] = opened
      await playArticle(bench)
      const ask = act.start({ subject: 'back', projectId: 't1', amounts: { instances: 3 } })
      assert.equal(await reasonOf(ask), 'RECLAIMING')
      await act.wishesBegun()
      await act.stop('t2-11')
      assert.deepEqual(await act.noticed(), ['t2-10', 't2-9'])
    })

    const moved = async (projectId: string) => {
      bench.known.set(projectId, null)
      const moves = new Moves(bench.parts, bench.projects)
      for (const move of await moves.due()) await moves.move(move)
      const { inUse, reserved } = (await bench.front.usage(projectId)).instances!
      return { ...{ inUse, reserved }, noticed: await act.noticed(), tickets: (await ticketsList(bench.db)).length }
    }

    test('nobody has to end for an owner that has gone elsewhere, and it takes nothing along', async () => {
      assert.deepEqual(await moved('t1'), { inUse: 4, reserved: 0, noticed: [], tickets: 0 })
    })

    test('a borrower that has gone elsewhere need not end for those who stayed, who ask again', async () => {
      assert.deepEqual(await moved('t2'), { inUse: 11, reserved: 0, noticed: [], tickets: 1 })
      const ask = act.start({ subject: 'back', projectId: 't1', amounts: { instances: 3 } })
      assert.equal(await reasonOf(ask), 'granted')
    })

    test('a whole tree goes with all that is under way in it', async () => {
      bench.known.set('new', null)
      bench.known.set('org', 'new')
      const moves = new Moves(bench.parts, bench.projects)
      for (const move of await moves.due()) await moves.move(move)
      assert.deepEqual([await act.noticed(), (await ticketsList(bench.db)).length], [['t2-10', 't2-9'], 1])
    })
  })
}
