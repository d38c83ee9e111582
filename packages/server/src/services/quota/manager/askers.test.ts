/** The dossier's vector H10 on both databases: askers at one moment, the same one again and again, one that is late. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { IsolationLevel } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { expireReservations } from '../controllers/expire-reservations.ts'
import type { Reservation } from '../facade.ts'
import { claimFetch } from '../store/claims.ts'
import { historyList } from '../store/history.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

/** What was answered: a state, or why not and how much is left. */
type Answer = [state: string] | [kind: string, reason: unknown, available: unknown]

const answerOf = (asked: Promise<Reservation>): Promise<Answer> =>
  asked.then(
    ({ state }): Answer => [state],
    (error: unknown): Answer => {
      if (!isRefusal(error)) throw error
      return [error.kind, error.details.reason, error.details.available]
    },
  )

/** Nobody passes before so many have come; who comes again passes. */
const meetingOf = (count: number): (() => Promise<void>) => {
  const all = Promise.withResolvers<void>()
  let come = 0
  return () => {
    if (++come === count) all.resolve()
    return all.promise
  }
}

type Way = (subject: string, units: number, meet: () => Promise<void>) => Promise<Reservation>

for (const database of testDatabases()) {
  describe(`H10 on ${database.name}`, () => {
    let bench: QuotaBench
    /** Ten of its own, six used. */
    beforeEach(async () => {
      bench = await openQuota(database, { p: null })
      await bench.front.ensureResource({ name: 'units', service: 'test', defaultLimit: 10 })
      const six = { ...asking('six', 6), started: true }
      await bench.db.transaction((tx) => bench.front.reserve(tx, six))
    })
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const asking = (subject: string, units: number) => ({ projectId: 'p', deltas: { units }, subject })
    const used = async (): Promise<number> => {
      const { inUse, reserved } = (await bench.front.usage('p')).units!
      return inUse + reserved
    }
    const commit = (subject: string) => bench.db.transaction((tx) => bench.front.commit(tx, subject))
    const look = async () => {
      const { observe, plan, act, perPass } = expireReservations(bench.parts, bench.front)
      for (const subject of plan(await observe(perPass))) await act(subject)
    }

    /** All have seen the same before any of them asks. SQLite has one writer at a time: nobody could meet there. */
    const inTransactionsOf =
      (isolation: IsolationLevel): Way =>
      (subject, units, meet) =>
        bench.db.transaction(
          async (tx) => {
            assert.equal(await claimFetch(tx, subject), undefined)
            if (tx.dialect === 'postgresql') await meet()
            return bench.front.reserve(tx, asking(subject, units))
          },
          { isolation },
        )
    const ways: Record<string, Way> = {
      'in serializable transactions': inTransactionsOf('serializable'),
      'in transactions that wait for rows': inTransactionsOf('read committed'),
      'in transactions of their own': (subject, units) => bench.front.reserveAlone(asking(subject, units)),
    }

    for (const [name, ask] of Object.entries(ways)) {
      test(`of two askers of three with four left exactly one wins, ${name}`, async () => {
        const meet = meetingOf(2)
        const answers = await Promise.all(['a', 'b'].map((subject) => answerOf(ask(subject, 3, meet))))
        const won = answers.findIndex(([state]) => state === 'reserved')
        assert.deepEqual(answers[won], ['reserved'])
        assert.deepEqual(answers[1 - won], ['overLimit', 'SHORTAGE', 1])
        const held = await Promise.all(['a', 'b'].map((subject) => claimFetch(bench.db, subject)))
        assert.deepEqual([held[won]?.amounts, held[1 - won], await used()], [{ units: 3 }, undefined, 9])
      })

      test(`of a hundred askers of one exactly four win, ${name}`, async () => {
        // As many meet as have a connection of their own.
        const meet = meetingOf(4)
        const answers = await Promise.all(
          Array.from({ length: 100 }, (_, index) => answerOf(ask(`one ${index}`, 1, meet))),
        )
        const lost = answers.filter(([state]) => state !== 'reserved')
        assert.deepEqual([answers.length - lost.length, await used()], [4, 10])
        assert.deepEqual(lost, Array(96).fill(['overLimit', 'SHORTAGE', 0]))
      })
    }

    test('the same claim asked five times, in turn or at once, is answered alike and counted once', async () => {
      const answers: Reservation[] = []
      const ask = () => bench.db.transaction((tx) => bench.front.reserve(tx, asking('a', 3)))
      for (let times = 0; times < 5; times++) answers.push(await ask())
      const atOnce = Array.from({ length: 5 }, (_, index) =>
        index % 2 === 0 ? ask() : bench.front.reserveAlone(asking('a', 3)),
      )
      answers.push(...(await Promise.all(atOnce)))
      assert.deepEqual(answers, Array(10).fill({ ...asking('a', 3), state: 'reserved' }))
      const granted = await historyList(bench.db, { kinds: ['granted'], subject: 'a' }, 10)
      assert.deepEqual([granted.length, await used()], [1, 9])
    })

    test('whoever would wait does not, if it holds already what it asks for again', async () => {
      const patient = { ...asking('a', 3), whenFull: 'wait' as const }
      for (let times = 0; times < 2; times++)
        assert.deepEqual(await answerOf(bench.front.reserveAlone(patient)), ['reserved'])
      assert.deepEqual([await bench.front.waiting('p'), await used()], [[], 9])
    })

    test('what was reserved for a time is given back once after it, and cannot be committed any more', async () => {
      await bench.front.reserveAlone({ ...asking('late', 3), ttlMs: 1_000 })
      bench.clock.advance(999)
      await look()
      assert.equal(await used(), 9)
      bench.clock.advance(1)
      for (let times = 0; times < 2; times++) await look()
      assert.equal(await used(), 6)
      for (let times = 0; times < 2; times++)
        await assert.rejects(commit('late'), (error) => {
          assert.ok(isRefusal(error))
          assert.deepEqual([error.kind, error.details.reason], ['gone', 'EXPIRED'])
          return true
        })
      const past = await historyList(bench.db, { subject: 'late' }, 10)
      assert.deepEqual(past.map(({ kind }) => kind).toReversed(), ['granted', 'expired'])
      assert.equal(await used(), 6)
    })

    test('whoever asks again under the name of what ran out is an asker like any other', async () => {
      await bench.front.reserveAlone({ ...asking('late', 3), ttlMs: 1_000 })
      bench.clock.advance(1_000)
      await look()
      await bench.front.reserveAlone(asking('quick', 2))
      assert.deepEqual(await answerOf(bench.front.reserveAlone(asking('late', 3))), ['overLimit', 'SHORTAGE', 2])
      assert.deepEqual(await answerOf(bench.front.reserveAlone(asking('late', 2))), ['reserved'])
      await commit('late')
      assert.equal(await used(), 10)
    })
  })
}
