/** Reservations in a caller's transaction, on both databases. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { RequestContext } from '#platform/auth/context.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { expireReservations } from '../controllers/expire-reservations.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'
import { driftOf, repair } from './audit.ts'

const operator = { isAdmin: true } as RequestContext
const tenMinutesMs = 600_000

for (const database of testDatabases()) {
  describe(`quota on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    const open = async (tree: Record<string, string | null> = { root: null }) => {
      bench = await openQuota(database, tree)
      for (const [name, defaultLimit] of [
        ['instances', 10],
        ['cores', 20],
      ] as const) {
        await bench.front.ensureResource({ name, service: 'compute', defaultLimit })
      }
      return bench
    }
    const reserve = (
      subject: string,
      projectId = 'root',
      deltas: Record<string, number> = { instances: 1, cores: 2 },
    ) => bench.db.transaction((tx) => bench.front.reserve(tx, { projectId, deltas, subject }))
    const commit = (subject: string) => bench.db.transaction((tx) => bench.front.commit(tx, subject))
    /** What the cloud does every few seconds; `between` what it sees and what it does to it, something may happen. */
    const lookForExpired = async (between: () => Promise<unknown> = async () => undefined) => {
      const { observe, plan, act, perPass } = expireReservations(bench.parts, bench.front)
      const found = plan(await observe(perPass))
      await between()
      for (const subject of found) await act(subject)
    }
    const numbers = async (projectId = 'root', resource = 'instances') => {
      const { limit, inUse, reserved, free } = (await bench.front.usage(projectId))[resource]!
      return [limit, inUse, reserved, free]
    }
    const reasonOf = async (work: Promise<unknown>): Promise<unknown> => {
      try {
        await work
      } catch (error) {
        if (isRefusal(error)) return [error.kind, error.details.reason, error.details.resource]
        throw error
      }
      return 'granted'
    }

    test('reserved, committed, released: each is counted once however often it is asked', async () => {
      await open()
      for (let times = 0; times < 3; times++) assert.equal((await reserve('a')).state, 'reserved')
      assert.deepEqual(await numbers(), [10, 0, 1, 9])
      for (let times = 0; times < 2; times++) await bench.db.transaction((tx) => bench.front.commit(tx, 'a'))
      assert.deepEqual(await numbers(), [10, 1, 0, 9])
      assert.deepEqual(await numbers('root', 'cores'), [20, 2, 0, 18])
      assert.equal((await reserve('a')).state, 'committed')
      for (let times = 0; times < 2; times++)
        await bench.db.transaction((tx) => bench.front.release(tx, { projectId: 'root', subject: 'a' }))
      assert.deepEqual(await numbers(), [10, 0, 0, 10])
    })

    test('a transaction that rolls back holds nothing', async () => {
      await open()
      await assert.rejects(
        bench.db.transaction(async (tx) => {
          await bench.front.reserve(tx, { projectId: 'root', deltas: { instances: 4 }, subject: 'a' })
          throw new Error('the row could not be written')
        }),
        /could not be written/,
      )
      assert.deepEqual(await numbers(), [10, 0, 0, 10])
    })

    test('the refusal names the resource, its numbers and what would fit; nothing is held of the others', async () => {
      await open()
      await reserve('a', 'root', { cores: 19 })
      await assert.rejects(reserve('b', 'root', { instances: 1, cores: 2 }), (error) => {
        assert.ok(isRefusal(error))
        const { reason, resource, asked, available, limit, reserved } = error.details
        assert.deepEqual(
          [error.kind, reason, resource, asked, available, limit, reserved],
          ['overLimit', 'SHORTAGE', 'cores', 2, 1, 20, 19],
        )
        return true
      })
      assert.deepEqual(await numbers(), [10, 0, 0, 10])
    })

    test('a resource that nobody declared, and an amount that is none, are refused by name', async () => {
      await open()
      assert.deepEqual(await reasonOf(reserve('a', 'root', { cakes: 1 })), ['overLimit', 'NOT_REGISTERED', 'cakes'])
      assert.deepEqual(await reasonOf(reserve('b', 'root', { cores: 1.5 })), ['badRequest', 'BAD_AMOUNT', undefined])
    })

    test('of twenty who ask at once for one of ten, ten win', async () => {
      await open()
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => reasonOf(reserve(`s${index}`, 'root', { instances: 1 }))),
      )
      assert.equal(answers.filter((answer) => answer === 'granted').length, 10)
      assert.deepEqual(await numbers(), [10, 0, 10, 0])
    })

    test('a part of a claim can be given back, and the rest later', async () => {
      await open()
      await reserve('a', 'root', { instances: 1, cores: 6 })
      await bench.db.transaction((tx) => bench.front.commit(tx, 'a'))
      await bench.db.transaction((tx) =>
        bench.front.release(tx, { projectId: 'root', subject: 'a', deltas: { cores: 4 } }),
      )
      assert.deepEqual(await numbers('root', 'cores'), [20, 2, 0, 18])
      await bench.db.transaction((tx) => bench.front.release(tx, { projectId: 'root', subject: 'a' }))
      assert.deepEqual(
        [await numbers('root', 'cores'), await numbers()],
        [
          [20, 0, 0, 20],
          [10, 0, 0, 10],
        ],
      )
    })

    test('a reservation that expired cannot be committed', async () => {
      await open()
      await reserve('a')
      bench.clock.advance(tenMinutesMs - 1)
      await lookForExpired()
      assert.deepEqual(await numbers(), [10, 0, 1, 9])
      bench.clock.advance(1)
      await lookForExpired()
      assert.deepEqual(await numbers(), [10, 0, 0, 10])
      assert.deepEqual(await reasonOf(commit('a')), ['gone', 'EXPIRED', undefined])
    })

    test('a reservation that is committed while it is being looked for stays', async () => {
      await open()
      await reserve('a')
      bench.clock.advance(tenMinutesMs)
      await lookForExpired(() => commit('a'))
      assert.deepEqual(await numbers(), [10, 1, 0, 9])
    })

    test('limits: default at a root, 0 below; set within what the parent has; refused with the range', async () => {
      await open({ org: null, it: 'org', hr: 'org' })
      assert.deepEqual(
        [await bench.front.limits('org'), await bench.front.limits('it')],
        [
          { instances: 10, cores: 20 },
          { instances: 0, cores: 0 },
        ],
      )
      assert.deepEqual(await reasonOf(reserve('x', 'it', { instances: 1 })), ['overLimit', 'CEILING', 'instances'])
      await bench.front.setLimits({ projectId: 'it', limits: { instances: 7 } })
      await assert.rejects(
        bench.front.setLimits({ projectId: 'hr', limits: { instances: 4 } }),
        /less than or equal to 3/,
      )
      await bench.front.setLimits({ projectId: 'hr', limits: { instances: 3 } })
      await reserve('x', 'it', { instances: 5 })
      await assert.rejects(
        bench.front.setLimits({ projectId: 'it', limits: { instances: 4 } }),
        /already used and reserved 5/,
      )
      await bench.front.setLimits({ projectId: 'it', limits: { instances: 4 }, force: true })
      assert.deepEqual([await numbers('it'), (await bench.front.usage('org')).instances!.allocated], [[4, 0, 5, -1], 7])
      await assert.rejects(bench.front.resetLimits('org'), /still hold/)
      await bench.front.resetLimits('hr')
      assert.equal((await bench.front.limits('hr')).instances, 0)
      await assert.rejects(bench.front.setLimits({ projectId: 'it', limits: { cakes: 4 } }), /no quota of "cakes"/)
    })

    test('clients read back what they set of a project that borrows, and are refused in its terms', async () => {
      await open({ org: null, t1: 'org', t2: 'org' })
      await bench.front.setLimits({ projectId: 't1', limits: { instances: { own: 4, lend: -1 } } })
      await bench.front.setLimits({
        projectId: 't2',
        limits: { instances: { own: 4, borrow: 2 }, cores: { borrow: -1 } },
      })
      await reserve('x', 't2', { instances: 5, cores: 7 })
      const all = await bench.front.limits('t2')
      assert.deepEqual(all, { instances: 6, cores: -1 })
      await bench.front.setLimits({ projectId: 't2', limits: all })
      assert.deepEqual([await bench.front.limits('t2'), await numbers('t2')], [all, [6, 0, 5, -1]])
      await bench.front.setLimits({ projectId: 't2', limits: { instances: 5, cores: 9 } })
      assert.deepEqual(await bench.front.limits('t2'), { instances: 5, cores: 9 })
      const { owned } = (await bench.front.usage('t2')).instances!
      assert.equal(owned, 3, 'it owns what it does not borrow')
      const set = (instances: number, cores: number) =>
        bench.front.setLimits({ projectId: 't2', limits: { instances, cores } })
      await assert.rejects(set(9, 9), /limit 9 for instances must be less than or equal to 8/)
      await assert.rejects(set(4, 9), /limit 4 for instances must be greater than or equal to already used .* 5/)
      await assert.rejects(set(5, 6), /limit 6 for cores must be greater than or equal to already used .* 7/)
      await bench.front.setLimits({ projectId: 't2', limits: { instances: 1 }, force: true })
      assert.equal((await bench.front.limits('t2')).instances, 1)
    })

    test('a root may be unlimited', async () => {
      await open()
      await bench.front.setLimits({ projectId: 'root', limits: { instances: -1 } })
      await reserve('a', 'root', { instances: 5_000 })
      const { limit, inUse, reserved, free, available } = (await bench.front.usage('root')).instances!
      assert.deepEqual([limit, inUse, reserved, free, available], [-1, 0, 5_000, -1, -1])
    })

    test('the article: T2 borrows four of T1, sees it, and cannot take a fifth', async () => {
      await open({ org: null, t1: 'org', t2: 'org' })
      await bench.front.setLimits({ projectId: 'org', limits: { instances: 16 } })
      await bench.front.setLimits({ projectId: 't1', limits: { instances: { own: 8, lend: -1 } } })
      await bench.front.setLimits({ projectId: 't2', limits: { instances: { own: 8, borrow: 4, lend: -1 } } })
      await reserve('t1', 't1', { instances: 4 })
      await reserve('t2', 't2', { instances: 12 })
      const { t1, t2 } = {
        t1: (await bench.board.show(operator, 't1')).instances!,
        t2: (await bench.board.show(operator, 't2')).instances!,
      }
      assert.deepEqual([t1.lent, t1.available, t2.borrowed, t2.limit], [4, 0, 4, 12])
      assert.deepEqual(await reasonOf(reserve('more', 't2', { instances: 1 })), ['overLimit', 'CEILING', 'instances'])
      assert.deepEqual(await reasonOf(reserve('back', 't1', { instances: 1 })), ['overLimit', 'SHORTAGE', 'instances'])
      await bench.db.transaction((tx) =>
        bench.front.release(tx, { projectId: 't2', subject: 't2', deltas: { instances: 1 } }),
      )
      assert.equal(await reasonOf(reserve('back', 't1', { instances: 1 })), 'granted')
    })

    test('a tenant’s refusal tells nothing about its ancestors and siblings', async () => {
      await open({ org: null, t1: 'org', t2: 'org' })
      await bench.front.setLimits({ projectId: 't1', limits: { instances: { own: 4, lend: -1 } } })
      await bench.front.setLimits({ projectId: 't2', limits: { instances: { own: 0, borrow: -1 } } })
      await reserve('t2', 't2', { instances: 9 })
      await assert.rejects(reserve('t1', 't1', { instances: 4 }), (error) => {
        assert.ok(isRefusal(error))
        assert.doesNotMatch(JSON.stringify([error.message, error.details]), /org|t2|heldBy|\b9\b/)
        return true
      })
    })

    test('projects enter with their ancestors when they first matter, and what the deleted held returns', async () => {
      await open({ org: null, it: 'org' })
      await bench.front.setLimits({ projectId: 'it', limits: { instances: 6 } })
      await reserve('x', 'it', { instances: 5 })
      assert.equal((await bench.front.usage('org')).instances!.free, 4)
      bench.known.delete('it')
      assert.deepEqual(await bench.projects.gone(), ['it'])
      for (let times = 0; times < 2; times++) await bench.db.transaction((tx) => bench.front.forgetProject(tx, 'it'))
      assert.deepEqual(await numbers('org'), [10, 0, 5, 5])
    })

    test('a changed default reaches the roots that have nothing else', async () => {
      await open()
      await reserve('a')
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 3 })
      assert.deepEqual(await numbers(), [3, 0, 1, 2])
      assert.deepEqual(await reasonOf(reserve('b', 'root', { instances: 3 })), ['overLimit', 'SHORTAGE', 'instances'])
    })

    test('numbers that were tampered with are noticed and put right', async () => {
      await open()
      await reserve('a')
      await bench.db.as<{ quota_cell: { counted: number } }>().updateTable('quota_cell').set({ counted: 7 }).execute()
      assert.deepEqual(await driftOf(bench.db, 10), ['root'])
      await repair(bench.parts, 'root')
      assert.deepEqual(await numbers(), [10, 0, 1, 9])
    })
  })
}
