/** What happened is written with what made it happen, told to the bus and counted; refusals a little later. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { Database } from '#platform/db/database.ts'
import { runStatement } from '#platform/db/statement.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { silentLog, type Log } from '#platform/log/log.ts'
import { historyList } from '../store/history.ts'
import { openQuota, type QuotaBench } from '../testing.ts'
import { QuotaFront } from './front.ts'
import { History } from './history.ts'

interface Outbox {
  outbox: { id: number; topic: string; payload: string }
}

/** From now on the database refuses to write down what is of this kind. */
const breakHistory = async (db: Database, kind: string): Promise<void> => {
  const check = `alter table quota_history add constraint broken check (kind <> '${kind}')`
  const trigger = `create trigger broken before insert on quota_history when new.kind = '${kind}'
    begin select raise(abort, 'broken'); end`
  await db.transaction((tx) => runStatement(tx, { sqlite: trigger, postgresql: check }, []))
}

for (const database of testDatabases()) {
  describe(`history on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(() => bench.db.close())

    /** The article: 8 and 8 of 16; T1 lends all, T2 may borrow four. */
    const open = async () => {
      bench = await openQuota(database, { org: null, t1: 'org', t2: 'org' })
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 16 })
      await bench.front.setLimits({ projectId: 't1', limits: { instances: { own: 8, lend: -1 } }, by: 'chief' })
      await bench.front.setLimits({ projectId: 't2', limits: { instances: { own: 8, borrow: 4 } } })
    }
    const take = (subject: string, projectId: string, instances: number) =>
      bench.db.transaction(async (tx) => {
        await bench.front.reserve(tx, { projectId, deltas: { instances }, subject, reclaimable: 'yes' })
        await bench.front.commit(tx, subject)
      })
    const release = (subject: string) =>
      bench.db.transaction((tx) => bench.front.release(tx, { projectId: '', subject }))
    const told = async (subject?: string) =>
      (await historyList(bench.db, { subject }, 100)).map(({ kind, amounts }) => [kind, amounts.instances]).reverse()
    const topics = async () =>
      (await bench.db.as<Outbox>().selectFrom('outbox').select('topic').orderBy('id').execute()).map(
        ({ topic }) => topic,
      )

    test('a grant beyond its own is a loan too; a reclaim is told from notice to return', async () => {
      await open()
      await take('big', 't2', 12)
      assert.deepEqual(await told('big'), [
        ['granted', 12],
        ['lent', 4],
      ])
      await bench.db.transaction((tx) =>
        bench.front.reclaim.begin(tx, { projectId: 't1', amounts: { instances: 6 }, subject: 'owner' }),
      )
      bench.clock.advance(20_000)
      await release('big')
      const [released, recalled] = await historyList(bench.db, { subject: 'big' }, 2)
      assert.deepEqual([recalled!.kind, recalled!.details.for], ['recalled', 't1'])
      assert.deepEqual([released!.kind, released!.details.recalledForMs], ['released', 20_000])
      const gathered = await historyList(bench.db, { kinds: ['gathered'], projectIds: ['t1'] }, 10)
      assert.deepEqual(
        gathered.map(({ amounts }) => amounts),
        [{ instances: 6 }],
      )
      const sent = await topics()
      for (const topic of ['granted', 'lent', 'reclaim.notice', 'released', 'reclaim.gathered', 'limits.changed'])
        assert.ok(sent.includes(`quota.${topic}`), topic)
    })

    test('what is undone never happened', async () => {
      await open()
      const undone = bench.db.transaction(async (tx) => {
        await bench.front.reserve(tx, { projectId: 't1', deltas: { instances: 1 }, subject: 'undone' })
        throw new Error('undone')
      })
      await assert.rejects(undone, /undone/)
      assert.deepEqual(await told('undone'), [])
      assert.ok(!(await topics()).includes('quota.granted'))
    })

    test('settings are told with what they were, what they are, and by whom', async () => {
      await open()
      const [first] = (await historyList(bench.db, { kinds: ['settings'], projectIds: ['t1'] }, 10)).reverse()
      assert.equal(first!.actor, 'chief')
      assert.deepEqual(first!.details, { instances: { own: [0, 8], lend: [0, -1] } })
    })

    test('the same refusal again and again is one row with a count, and an event', async () => {
      await open()
      const history = new History({ db: bench.db, clock: bench.clock, log: silentLog }, (row) => seen.push(row.times))
      const seen: number[] = []
      const refused = { projectId: 't1', subject: 's', amounts: { instances: 9 }, resource: 'instances', node: 't1' }
      for (let times = 0; times < 5; times++) history.refused({ ...refused, reason: 'CEILING' })
      history.refused({ ...refused, reason: 'SHORTAGE' })
      await history.close()
      const rows = await historyList(bench.db, { kinds: ['refused'] }, 10)
      assert.deepEqual(rows.map(({ details, times }) => [details.reason, times]).sort(), [
        ['CEILING', 5],
        ['SHORTAGE', 1],
      ])
      assert.deepEqual(seen.sort(), [1, 5])
      assert.equal((await topics()).filter((topic) => topic === 'quota.refused').length, 2)
    })

    test('it is found by project, kind, resource, time, and page by page', async () => {
      await open()
      await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 16 })
      await take('a', 't1', 1)
      bench.clock.advance(1000)
      const since = bench.clock.now()
      await take('b', 't2', 1)
      const subjects = async (filter: Parameters<typeof historyList>[1], limit = 10) =>
        (await historyList(bench.db, { kinds: ['granted'], ...filter }, limit)).map(({ subject }) => subject)
      assert.deepEqual(await subjects({ resource: 'instances' }), ['b', 'a'])
      assert.deepEqual(await subjects({ projectIds: ['t1'] }), ['a'])
      assert.deepEqual(await subjects({ resource: 'cores' }), [])
      assert.deepEqual(await subjects({ resource: 'instance_' }), [], 'a wildcard is no wildcard')
      await bench.front.ensureResource({ name: 'key_pairs', service: 'compute', defaultLimit: 16 })
      await bench.db.transaction((tx) =>
        bench.front.reserve(tx, { projectId: 'org', deltas: { key_pairs: 1 }, subject: 'pair' }),
      )
      assert.deepEqual(await subjects({ resource: 'key_pairs' }), ['pair'])
      assert.deepEqual(
        [await subjects({ sinceMs: since, projectIds: ['t1', 't2'] }), await subjects({ untilMs: since })],
        [['b'], ['a']],
      )
      const [newest] = await historyList(bench.db, { kinds: ['granted'], subject: 'b' }, 1)
      assert.deepEqual(await subjects({ before: newest!.id }), ['a'])
    })

    test('what cannot be written down does not happen', async () => {
      await open()
      await breakHistory(bench.db, 'granted')
      await assert.rejects(take('unwritten', 't1', 1), /broken/)
      assert.equal((await bench.front.usage('t1')).instances!.inUse, 0)
      assert.ok(!(await topics()).includes('quota.granted'))
    })

    test('what is refused is refused although its history fails, and what fits is granted', async () => {
      await open()
      await breakHistory(bench.db, 'refused')
      const said: string[] = []
      const error: Log['error'] = (_fields: object | string, message?: string) => void said.push(message ?? '')
      const history = new History({ db: bench.db, clock: bench.clock, log: { ...silentLog, error } })
      const front = new QuotaFront({ ...bench.parts, history }, bench.projects, bench.limits)
      const ask = (subject: string, instances: number) =>
        bench.db.transaction((tx) => front.reserve(tx, { projectId: 't1', deltas: { instances }, subject }))
      await assert.rejects(ask('beyond', 99), (failure) => isRefusal(failure) && failure.kind === 'overLimit')
      await history.close()
      assert.deepEqual([said, await told('beyond')], [['Refusals could not be written down'], []])
      assert.equal((await ask('within', 1)).state, 'reserved')
    })
  })
}
