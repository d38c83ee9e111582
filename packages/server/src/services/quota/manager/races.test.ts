/** What changes between the look at a path and the counting along it makes the look worthless, at any isolation. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { IsolationLevel, Tx } from '#platform/db/database.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { cellsCount } from '../store/cells.ts'
import { claimFetch } from '../store/claims.ts'
import { projectFetch } from '../store/projects.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'
import { walkOf } from './path-count.ts'

/** SQLite has one writer at a time: nothing can come between. */
for (const database of testDatabases().filter(({ name }) => name === 'postgresql')) {
  describe(`races on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(() => bench.db.close())

    const open = async () => {
      bench = await openQuota(database, { org: null, a: 'org', b: 'org', leaf: 'a' })
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 100 })
      // Nobody owns anything: whoever hangs somewhere is not seen in the numbers there.
      for (const projectId of ['a', 'b', 'leaf'])
        await bench.front.setLimits({ projectId, limits: { instances: { own: 0, borrow: -1 } } })
    }
    /** Looks, lets `between` happen in another transaction, and counts; was that refused, by answer or by failure? */
    const isRefused = async (isolation: IsolationLevel, between: () => Promise<unknown>): Promise<boolean> => {
      const gap = Promise.withResolvers<void>(),
        looked = Promise.withResolvers<void>()
      let isFirst = true
      const count = async (tx: Tx) => {
        if (!isFirst) return true
        isFirst = false
        const walk = (await walkOf(tx, (await projectFetch(tx, 'leaf'))!, { instances: 3 }))!
        walk.count({ instances: 3 }, 1, false)
        looked.resolve()
        await gap.promise
        if (await cellsCount(tx, walk.changes())) throw new Error('it was counted')
        return true
      }
      const counting = bench.db.transaction(count, { isolation })
      await Promise.race([looked.promise, counting])
      await between().finally(gap.resolve)
      return counting
    }

    /** So many of `leaf`, all borrowed, which `b` wants back. */
    const openRecalled = async (instances = 6) => {
      await open()
      await bench.front.setLimits({ projectId: 'b', limits: { instances: { own: 50, lend: -1 } } })
      await bench.front.setLimits({ projectId: 'org', limits: { instances: { own: 50 } } })
      const six = { projectId: 'leaf', deltas: { instances }, subject: 'six', reclaimable: 'yes' as const }
      await bench.front.reserveAlone({ ...six, started: true })
      const wish = { projectId: 'b', amounts: { instances: 50 }, subject: 'owner' }
      await bench.db.transaction((tx) => bench.front.reclaim.begin(tx, wish))
      assert.deepEqual((await bench.front.notices()).map(({ subject }) => subject), ['six'])
    }
    const atOnce = (times: number, isolation: IsolationLevel, deltas?: { instances: number }) => {
      const release = (tx: Tx) => bench.front.release(tx, { projectId: '', subject: 'six', deltas })
      return Promise.all(Array.from({ length: times }, () => bench.db.transaction(release, { isolation })))
    }

    /** Somebody else cannot go on before this transaction ends. */
    const isWaitedFor = async (pid: number): Promise<void> => {
      const waiting = bothTexts('select pid from pg_stat_activity where ? = any (pg_blocking_pids(pid))')
      while ((await runStatement(bench.db, waiting, [pid])).rows.length === 0) await setImmediate()
    }
    const pidOf = async (tx: Tx): Promise<number> => {
      const { rows } = await runStatement<{ pid: number }>(tx, bothTexts('select pg_backend_pid() as pid'), [])
      return rows[0]!.pid
    }

    /** `work` begins while `first` is done and not committed, and has to wait for it. */
    const behind = async (
      first: (tx: Tx) => Promise<unknown>,
      work: (tx: Tx) => Promise<unknown>,
      isolation: IsolationLevel,
    ): Promise<void> => {
      const done = Promise.withResolvers<number>(),
        isBehind = Promise.withResolvers<void>()
      const leading = bench.db.transaction(
        async (tx) => {
          await first(tx)
          done.resolve(await pidOf(tx))
          await isBehind.promise
        },
        { isolation },
      )
      const pid = await done.promise
      const following = bench.db.transaction(work, { isolation })
      await isWaitedFor(pid)
      isBehind.resolve()
      await Promise.all([leading, following])
    }

    /** All of the tree is in use, and one waits for all of it. */
    const openWaiting = async () => {
      await open()
      const all = { projectId: 'leaf', deltas: { instances: 100 } }
      await bench.front.reserveAlone({ ...all, subject: 'all', started: true })
      await bench.front.reserveAlone({ ...all, subject: 'waits', whenFull: 'wait', started: true })
    }
    const end = (tx: Tx) => bench.front.cancel(tx, 'all')

    for (const isolation of ['read committed', 'serializable'] as const) {
      test(`an ask that is given up while it is granted holds nothing, ${isolation}`, async () => {
        await openWaiting()
        await behind(end, (tx) => bench.front.cancel(tx, 'waits'), isolation)
        assert.deepEqual([await claimFetch(bench.db, 'waits'), await bench.front.waiting('leaf')], [undefined, []])
        await assertNoDrift(bench.db)
      })

      test(`an ask for less while all of it is granted gives the rest back, ${isolation}`, async () => {
        await openWaiting()
        const less = { projectId: 'leaf', subject: 'waits', deltas: { instances: 60 } }
        await behind(end, (tx) => bench.front.release(tx, less), isolation)
        assert.deepEqual((await claimFetch(bench.db, 'waits'))!.amounts, { instances: 40 })
        await assertNoDrift(bench.db)
      })

      test(`what two gather for one owner at once is gathered once, ${isolation}`, async () => {
        await openRecalled(50)
        await bench.front.setLimits({ projectId: 'org', limits: { instances: { own: 300 } } })
        await bench.front.setLimits({ projectId: 'b', limits: { instances: { own: 200 } } })
        const gather = (tx: Tx) => bench.front.reclaim.gather(tx, 'b')
        await behind(gather, gather, isolation)
        assert.deepEqual((await claimFetch(bench.db, 'quota:hold:b'))!.amounts, { instances: 50 })
        await assertNoDrift(bench.db)
      })

      test(`a recalled claim that four give back at once is given back once, ${isolation}`, async () => {
        await openRecalled()
        await atOnce(4, isolation)
        assert.equal(await claimFetch(bench.db, 'six'), undefined)
        await assertNoDrift(bench.db)
      })

      test(`parts of a recalled claim that two give back at once are two parts, ${isolation}`, async () => {
        await openRecalled()
        await atOnce(2, isolation, { instances: 2 })
        assert.deepEqual((await claimFetch(bench.db, 'six'))!.amounts, { instances: 2 })
        await assertNoDrift(bench.db)
      })

      test(`a project that got its first child meanwhile, ${isolation}`, async () => {
        await open()
        const enter = () =>
          bench.db.transaction((tx) => bench.front.ensureProject(tx, { projectId: 'child', parentId: 'leaf' }))
        assert.ok(await isRefused(isolation, enter))
        await assertNoDrift(bench.db)
      })

      test(`limits that were set meanwhile, ${isolation}`, async () => {
        await open()
        const cap = () => bench.front.setLimits({ projectId: 'a', limits: { instances: { ceiling: 50 } } })
        assert.ok(await isRefused(isolation, cap))
        await assertNoDrift(bench.db)
      })
    }
  })
}
