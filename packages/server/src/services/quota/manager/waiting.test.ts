/** Requests that wait: in fair order, served as capacity returns, passed by nobody, given up and timed out. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { PlatformTables } from '#platform/db/platform-tables.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { ReserveRequest } from '../facade.ts'
import { claimFetch } from '../store/claims.ts'
import { projectUpdate } from '../store/projects.ts'
import type { QuotaTables } from '../store/tables.ts'
import { ticketWrite } from '../store/tickets.ts'
import { actionsOver, reasonOf } from '../testing-article.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`waiting on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    /** Ten units: t1 and t2 own three each, both may borrow what the other and the four of the pool leave idle. */
    const open = async () => {
      bench = await openQuota(database, { org: null, t1: 'org', t2: 'org' })
      await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 10 })
      await bench.front.setLimits({ projectId: 'org', limits: { cores: { pool: 4 } } })
      for (const projectId of ['t1', 't2'])
        await bench.front.setLimits({ projectId, limits: { cores: { own: 3, lend: -1, borrow: -1 } } })
    }
    const ask = (subject: string, projectId: string, cores: number, more: Partial<ReserveRequest> = {}) =>
      bench.db.transaction(async (tx) => {
        bench.clock.advance(1)
        return bench.front.reserve(tx, { projectId, deltas: { cores }, subject, whenFull: 'wait', ...more })
      })
    const stateOf = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).state
    const stop = (subject: string) => bench.db.transaction((tx) => bench.front.cancel(tx, subject))
    const line = async (projectId: string) =>
      (await bench.front.waiting(projectId)).map(({ subject, position, gathered }) => [
        subject,
        position,
        gathered.cores ?? 0,
      ])
    const holding = async (projectId: string) => {
      const { inUse, reserved } = (await bench.front.usage(projectId)).cores!
      return inUse + reserved
    }
    const told = async (topic: string) =>
      (
        await bench.db
          .as<PlatformTables>()
          .selectFrom('outbox')
          .select('payload')
          .where('topic', '=', topic)
          .execute()
      ).map(({ payload }) => (JSON.parse(payload) as { subject: string }).subject)
    const recall = () => actionsOver(bench).wishesBegun()

    test('who does not fit waits, says why, and has it in the very transaction that gives it back', async () => {
      await open()
      await ask('all', 't2', 10)
      const asked = await ask('later', 't1', 4)
      assert.equal(asked.state, 'waiting')
      assert.match(asked.reason!, /Quota exceeded for cores: asked 4/)
      assert.deepEqual(await line('t1'), [['later', 1, 0]])
      await bench.db.transaction(async (tx) => {
        await bench.front.cancel(tx, 'all')
        assert.equal(
          (await bench.front.reserve(tx, { projectId: 't1', deltas: {}, subject: 'later' })).state,
          'reserved',
        )
      })
      assert.deepEqual([await holding('t1'), await line('t1')], [4, []])
      assert.deepEqual(await told('quota.waiting.granted'), ['later'])
      await bench.db.transaction((tx) => bench.front.commit(tx, 'later'))
    })

    test('asking again for what waits changes nothing, and gives the present answer', async () => {
      await open()
      await ask('all', 't2', 10)
      assert.deepEqual([await stateOf('later', 't1', 4), await stateOf('later', 't1', 4)], ['waiting', 'waiting'])
      assert.equal((await bench.front.waiting('t1')).length, 1)
      await stop('all')
      assert.equal(await stateOf('later', 't1', 4), 'reserved')
      assert.equal(await holding('t1'), 4)
    })

    test('the first in line gathers, so that small requests that come and go cannot pass it for ever', async () => {
      await open()
      for (let index = 0; index < 10; index++) await ask(`small ${index}`, 't2', 1)
      assert.equal(await stateOf('large', 't1', 6), 'waiting')
      const refused: unknown[] = []
      for (let index = 0; index < 6; index++) {
        assert.equal(await holding('t1'), index)
        await stop(`small ${index}`)
        if (index < 5) refused.push(await reasonOf(ask(`next ${index}`, 't2', 1, { whenFull: 'refuse' })))
      }
      assert.deepEqual([new Set(refused), refused.length], [new Set(['SHORTAGE']), 5])
      assert.deepEqual([await line('t1'), await holding('t1')], [[], 6])
    })

    test('those within their own come before those who borrow, whoever came first', async () => {
      await open()
      await ask('all', 't2', 10)
      await ask('borrows', 't2', 2)
      await ask('owns', 't1', 2)
      const order = (await bench.front.waitingLine.line(bench.db, 't1', { whole: true })).map(
        ({ subject }) => subject,
      )
      assert.deepEqual(order, ['owns', 'borrows'])
      await bench.db.transaction((tx) =>
        bench.front.release(tx, { projectId: 't2', subject: 'all', deltas: { cores: 2 } }),
      )
      assert.deepEqual(await told('quota.waiting.granted'), ['owns'])
      assert.deepEqual(await line('t2'), [['borrows', 1, 0]])
    })

    test('who is behind starts when the first cannot use what is free', async () => {
      await open()
      await bench.front.ensureResource({ name: 'disks', service: 'storage', defaultLimit: 1 })
      await ask('disk', 'org', 0, { deltas: { disks: 1 } })
      await ask('all', 't2', 10)
      assert.equal(await stateOf('for a disk', 'org', 0, { deltas: { disks: 1 } }), 'waiting')
      assert.equal(await stateOf('for cores', 't1', 1), 'waiting')
      await stop('all')
      assert.deepEqual(await told('quota.waiting.granted'), ['for cores'])
    })

    test('what can never fit is refused, and so is everybody who does not say that they can wait', async () => {
      await open()
      assert.equal(await reasonOf(ask('huge', 't1', 11)), 'SHORTAGE')
      await ask('all', 't2', 10)
      assert.equal(await reasonOf(ask('hurry', 't1', 1, { whenFull: 'refuse' })), 'SHORTAGE')
      assert.equal(await reasonOf(ask('hurry', 't1', 1, { whenFull: 'policy' })), 'SHORTAGE')
    })

    test('a policy says who waits, for one resource or all, and is inherited', async () => {
      await open()
      const policy = (projectId: string, set: Record<string, unknown>) =>
        bench.db.transaction((tx) => projectUpdate(tx, projectId, { policy: set }))
      await policy('org', { whenFull: 'wait', waitMaxMs: 60_000 })
      await policy('t2', { whenFullOf: { cores: 'refuse' } })
      await ask('all', 't2', 10)
      assert.equal(await stateOf('patient', 't1', 1, { whenFull: 'policy' }), 'waiting')
      assert.equal(await reasonOf(ask('hasty', 't2', 1, { whenFull: 'policy' })), 'SHORTAGE')
      const [asked] = await bench.front.waiting('t1')
      assert.equal(asked!.expiresAt, asked!.since + 60_000)
    })

    test('an ask that is given up, or out of time, leaves nothing of what it gathered', async () => {
      await open()
      await ask('most', 't2', 9)
      await ask('all but', 't1', 5, { waitMaxMs: 1000 })
      await ask('second', 't1', 5)
      assert.deepEqual(
        [await line('t1'), await holding('t1')],
        [
          [
            ['all but', 1, 1],
            ['second', 2, 0],
          ],
          1,
        ],
      )
      bench.clock.advance(1000)
      await bench.db.transaction((tx) => bench.front.waitingLine.serve(tx, 'org'))
      assert.deepEqual([await line('t1'), await holding('t1')], [[['second', 1, 1]], 1])
      await stop('second')
      assert.deepEqual([await line('t1'), await holding('t1')], [[], 0])
      assert.deepEqual(
        [await told('quota.waiting.expired'), await told('quota.waiting.cancelled')],
        [['all but'], ['second']],
      )
    })

    test('an ask whose transaction is undone never waited', async () => {
      await open()
      await ask('all', 't2', 10)
      const undone = bench.db.transaction(async (tx) => {
        await bench.front.reserve(tx, { projectId: 't1', deltas: { cores: 1 }, subject: 'undone', whenFull: 'wait' })
        throw new Error('the row could not be written')
      })
      await assert.rejects(undone, /could not be written/)
      await stop('all')
      assert.deepEqual([await holding('t1'), await told('quota.waiting.granted')], [0, []])
    })

    test('asking again counts what was kept for it', async () => {
      await open()
      await ask('most', 't2', 9)
      await ask('large', 't1', 4)
      assert.deepEqual(await line('t1'), [['large', 1, 1]])
      await bench.front.setLimits({ projectId: 'org', limits: { cores: { own: 13, pool: 7 } } })
      assert.equal(await stateOf('large', 't1', 4), 'reserved')
      assert.deepEqual([await line('t1'), await holding('t1')], [[], 4])
    })

    test('what a deleted project waits for, and what was kept for it, is for the others', async () => {
      await open()
      await ask('nearly all', 't2', 9)
      await ask('gone', 't1', 4)
      assert.deepEqual(await line('t1'), [['gone', 1, 1]])
      await bench.db.transaction((tx) => bench.front.forgetProject(tx, 't1'))
      assert.deepEqual(await bench.front.waitingLine.roots(10), [])
      assert.equal(await stateOf('last', 't2', 1, { whenFull: 'refuse' }), 'reserved')
    })

    test('a raised limit serves those who wait when the controller looks', async () => {
      await open()
      await ask('all', 't2', 10)
      await ask('later', 't1', 2)
      await bench.front.setLimits({ projectId: 'org', limits: { cores: { own: 12, pool: 6 } } })
      assert.deepEqual(await bench.front.waitingLine.roots(10), ['org'])
      await bench.db.transaction((tx) => bench.front.waitingLine.serve(tx, 'org'))
      assert.deepEqual([await line('t1'), await holding('t1')], [[], 2])
      assert.deepEqual(await bench.front.waitingLine.roots(10), [])
    })

    test('an owner who waits takes back what was lent, and starts when its borrowers have ended', async () => {
      await open()
      for (let index = 0; index < 10; index++)
        await ask(`borrowed ${index}`, 't2', 1, { reclaimable: 'yes', started: true, whenFull: 'refuse' })
      assert.equal(await stateOf('owner', 't1', 3), 'waiting')
      await recall()
      const noticed = (await bench.front.notices()).map(({ subject }) => subject)
      assert.equal(noticed.length, 3)
      assert.equal((await bench.db.transaction((tx) => bench.front.noticeOf(tx, noticed[0]!)))?.projectId, 't2')
      for (const subject of noticed) await stop(subject)
      assert.deepEqual(
        [await line('t1'), await holding('t1'), await told('quota.waiting.granted')],
        [[], 3, ['owner']],
      )
      assert.deepEqual(await bench.front.notices(), [])
    })

    const tickets = async () =>
      (await bench.db.as<QuotaTables>().selectFrom('quota_ticket').select(['project_id', 'subject']).execute()).map(
        (row) => [row.project_id, row.subject],
      )

    test('what is taken back for one who waits is for nobody else of its project', async () => {
      await open()
      for (const part of [1, 2])
        await ask(`borrowed ${part}`, 't2', 5, { reclaimable: 'yes', started: true, whenFull: 'refuse' })
      assert.equal(await stateOf('owner', 't1', 3), 'waiting')
      await recall()
      assert.deepEqual(await tickets(), [['t1', 'owner']])
      const [notice] = await bench.front.notices()
      assert.equal(await reasonOf(ask('hasty', 't1', 1, { whenFull: 'refuse' })), 'RECLAIMING')
      await stop(notice!.subject)
      assert.deepEqual([await told('quota.waiting.granted'), await tickets()], [['owner'], []])
      assert.equal(await stateOf('hasty', 't1', 1, { whenFull: 'refuse' }), 'reserved', 'what is left is for all')
    })

    test('halves that were taken back for two do not wait for each other', async () => {
      await open()
      for (const [part, by] of [
        ['a', 't1'],
        ['b', 't2'],
      ] as const)
        await ask(part, by, 5, { started: true, whenFull: 'refuse' })
      for (const by of ['t1', 't2']) assert.equal(await stateOf(`large of ${by}`, by, 8), 'waiting')
      // As if each had been promised what somebody else has taken meanwhile, and nobody has to end for it any more.
      const at = { createdAt: 0, expiresAt: bench.clock.now() + 3_600_000 }
      for (const projectId of ['t1', 't2'])
        await bench.db.transaction((tx) =>
          ticketWrite(tx, { ...at, projectId, amounts: { cores: 8 }, subject: `large of ${projectId}` }),
        )
      await stop('a')
      assert.deepEqual(await tickets(), [])
      await stop('b')
      assert.deepEqual(await told('quota.waiting.granted'), ['large of t1'])
      await stop('large of t1')
      assert.deepEqual(await told('quota.waiting.granted'), ['large of t1', 'large of t2'])
    })

    test('an ask that is given up lets those stay who were told to end for it', async () => {
      await open()
      await ask('borrowed', 't2', 10, { reclaimable: 'yes', started: true, whenFull: 'refuse' })
      await ask('owner', 't1', 3)
      await recall()
      assert.equal((await bench.front.notices()).length, 1)
      await stop('owner')
      assert.deepEqual([await bench.front.notices(), await tickets(), await holding('t1')], [[], [], 0])
    })

    test('a wish of one who no longer waits costs nobody anything', async () => {
      await open()
      await ask('borrowed', 't2', 10, { reclaimable: 'yes', started: true, whenFull: 'refuse' })
      await ask('owner', 't1', 3)
      const late = bench.wishes.slice()
      await stop('owner')
      assert.ok(late.length > 0)
      await recall()
      assert.deepEqual([await bench.front.notices(), await tickets()], [[], []])
    })

    test('who is given up makes way for who is behind', async () => {
      await open()
      await ask('most', 't2', 9)
      await ask('large', 't1', 5)
      await ask('small', 't1', 1)
      assert.deepEqual(await told('quota.waiting.granted'), [])
      await stop('large')
      assert.deepEqual(await told('quota.waiting.granted'), ['small'])
    })

    test('a line of hundreds is served to its end, and asks started say so when they are granted', async () => {
      await open()
      await ask('all', 't2', 10)
      for (let index = 0; index < 250; index++)
        await ask(`job ${index}`, index % 2 ? 't1' : 't2', 5, { priority: index % 3, started: index % 2 === 0 })
      await stop('all')
      const granted = new Set<string>()
      while (granted.size < 250) {
        const fresh = (await told('quota.waiting.granted')).filter((subject) => !granted.has(subject))
        assert.equal(fresh.length, Math.min(2, 250 - granted.size), 'two at a time fit')
        for (const subject of fresh) {
          granted.add(subject)
          const isStarted = Number(subject.slice(4)) % 2 === 0
          assert.equal((await claimFetch(bench.db, subject))!.state, isStarted ? 'committed' : 'reserved')
        }
        await bench.db.transaction(async (tx) => {
          for (const subject of fresh) await bench.front.cancel(tx, subject)
        })
      }
    })

    test('of many who wait and many who come and go at once, nobody is forgotten or counted twice', async () => {
      await open()
      const subjects = Array.from({ length: 24 }, (_, index) => `crowd ${index}`)
      await Promise.all(subjects.map((subject, index) => ask(subject, index % 2 ? 't1' : 't2', 1 + (index % 3))))
      const isHeld = async (subject: string) => {
        const { rows } = await bench.db
          .as<{ quota_claim: { subject: string } }>()
          .selectFrom('quota_claim')
          .select('subject')
          .where('subject', '=', subject)
          .execute()
          .then((found) => ({ rows: found }))
        return rows.length > 0
      }
      const ended = new Set<string>()
      for (let round = 0; round < 100 && ended.size < subjects.length; round++) {
        const running = []
        for (const subject of subjects) if (!ended.has(subject) && (await isHeld(subject))) running.push(subject)
        assert.ok(running.length > 0, 'somebody must run while somebody waits')
        await Promise.all(running.map(stop))
        for (const subject of running) ended.add(subject)
      }
      assert.equal(ended.size, subjects.length)
      assert.deepEqual([await holding('t1'), await holding('t2'), await holding('org')], [0, 0, 0])
    })
  })
}
