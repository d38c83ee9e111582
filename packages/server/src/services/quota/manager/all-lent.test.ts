/** Trees in which all is lent: what the database decides by itself is what the engine would have decided. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { SetLimitsRequest } from '../facade.ts'
import { historyList } from '../store/history.ts'
import { claimFetch } from '../store/claims.ts'
import { takeLent } from '../store/lent-part-sqlite.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

const odd = 'gigabytes_a "b".c'

for (const database of testDatabases()) {
  describe(`where all is lent on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    type Limits = SetLimitsRequest['limits'][string]
    /** An organisation of 40 instances; its department and the two teams below lend and borrow all, or as is said. */
    const open = async (of: Record<string, Limits> = {}) => {
      bench = await openQuota(database, { org: null, dep: 'org', t1: 'dep', t2: 'dep' })
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 40 })
      await bench.front.ensureResource({ name: odd, service: 'volume', defaultLimit: 40 })
      for (const [projectId, own] of Object.entries({ dep: 20, t1: 8, t2: 8 })) {
        const limits = { own, lend: -1, borrow: -1, ...(of[projectId] as object) }
        await bench.front.setLimits({ projectId, limits: { instances: limits, [odd]: limits } })
      }
    }
    const reserve = (subject: string, amount: number, projectId = 't1') => {
      const deltas = { instances: amount, [odd]: amount }
      return bench.db.transaction((tx) => bench.front.reserve(tx, { projectId, deltas, subject }))
    }
    const outcome = async (asked: Promise<{ state: string }>): Promise<unknown> =>
      asked.then(
        ({ state }) => state,
        (error) => (isRefusal(error) ? error.details.reason : String(error)),
      )
    const lentOf = async (): Promise<unknown[]> =>
      (await historyList(bench.db, { kinds: ['lent'] }, 10)).map(({ subject, amounts }) => [subject, amounts])
    /** Whether the database decided it alone. */
    const isDecidedThere = (subject: string, amounts: Record<string, number>, projectId = 't1') =>
      bench.db.transaction(async (tx) => {
        const claim = (await claimFetch(tx, 'pattern'))!
        const taken = await takeLent(tx, { ...claim, subject, projectId, amounts })
        return taken !== undefined
      })

    test('what is beyond its own is written down as lent, and the root is the end of it', async () => {
      await open()
      assert.equal(await outcome(reserve('own', 6)), 'reserved')
      assert.equal(await outcome(reserve('partly', 5)), 'reserved')
      assert.equal(await outcome(reserve('all', 9)), 'reserved')
      assert.equal(await outcome(reserve('other', 20, 't2')), 'reserved')
      assert.equal(await outcome(reserve('too much', 1)), 'SHORTAGE')
      assert.deepEqual(await lentOf(), [
        ['other', { instances: 12, [odd]: 12 }],
        ['all', { instances: 9, [odd]: 9 }],
        ['partly', { instances: 3, [odd]: 3 }],
      ])
      assert.equal((await bench.front.usage('org')).instances!.available, 0)
    })

    test('asked again it is the same claim, counted once; given back it leaves nothing', async () => {
      await open()
      for (let times = 0; times < 3; times++) assert.equal(await outcome(reserve('again', 3)), 'reserved')
      await bench.db.transaction((tx) => bench.front.commit(tx, 'again'))
      const { inUse, reserved } = (await bench.front.usage('t1')).instances!
      assert.deepEqual([inUse, reserved], [3, 0])
      await bench.db.transaction((tx) => bench.front.cancel(tx, 'again'))
      assert.equal((await bench.front.usage('t1')).instances!.inUse, 0)
    })

    test('a bound, a ceiling of the department and the root without limit stop it, or not, as ever', async () => {
      await open({ t1: { borrow: 2 }, dep: { ceiling: 20 } })
      assert.equal(await outcome(reserve('fits', 10)), 'reserved')
      assert.equal(await outcome(reserve('beyond its bound', 1)), 'CEILING')
      assert.equal(await outcome(reserve('below the ceiling', 10, 't2')), 'reserved')
      assert.equal(await outcome(reserve('over the ceiling', 1, 't2')), 'CEILING')
      await bench.front.setLimits({ projectId: 'org', limits: { instances: { own: -1 } } })
      await bench.front.setLimits({ projectId: 'dep', limits: { instances: { ceiling: null } } })
      await bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId: 't2', deltas: { instances: 9 }, subject: 'no limit' }),
      )
      assert.equal((await lentOf()).length, 2)
    })

    test('what is private anywhere on the way is for a walk along the path', async () => {
      await open({ dep: { lend: 4 } })
      assert.equal(await outcome(reserve('pattern', 12)), 'reserved')
      assert.equal(await isDecidedThere('partly private', { instances: 6 }), false)
      assert.equal(await outcome(reserve('walked', 6)), 'reserved')
      assert.equal((await bench.front.usage('org')).instances!.available, 22)
    })

    test('one that goes from its private part to what is lent and back is counted right each time', async () => {
      await open({ t1: { lend: 4 } })
      for (const round of ['a', 'b']) {
        for (const half of ['private', 'lent', 'borrowed'])
          assert.equal(await outcome(reserve(`${round} ${half}`, 4)), 'reserved')
        await assertNoDrift(bench.db)
        for (const half of ['private', 'lent', 'borrowed'])
          await bench.db.transaction((tx) => bench.front.cancel(tx, `${round} ${half}`))
      }
      assert.equal((await lentOf()).length, 2)
      assert.equal((await bench.front.usage('org')).instances!.available, 36)
    })

    if (database.name === 'sqlite')
      test('the database alone decides what fits, once, and nothing else', async () => {
        await open()
        await reserve('pattern', 1)
        assert.equal(await isDecidedThere('fits', { instances: 39 }), true)
        assert.equal(await isDecidedThere('one too many', { instances: 1 }), false)
        assert.equal(await isDecidedThere('fits', { [odd]: 1 }), false)
        assert.equal(await isDecidedThere('some fits', { [odd]: 1, instances: 1 }), false)
        assert.equal(await isDecidedThere('unknown', { boats: 1 }), false)
        assert.equal(await isDecidedThere('nobody', { [odd]: 1 }, 'nobody'), false)
        assert.equal(await isDecidedThere('nothing', {}), false)
      })
  })
}
