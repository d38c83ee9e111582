/** Reservations in a transaction of their own: many at once are each answered as if they had come one by one. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { PlatformTables } from '#platform/db/platform-tables.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { ReserveRequest } from '../facade.ts'
import { historyList } from '../store/history.ts'
import { assertNoDrift, openQuota, type QuotaBench } from '../testing.ts'

for (const database of testDatabases()) {
  describe(`reservations together on ${database.name}`, () => {
    let bench: QuotaBench
    afterEach(async () => {
      await assertNoDrift(bench.db)
      await bench.db.close()
    })

    /** An organisation of 20 instances and 100 cores; t1 and t2 own 8 each, and lend so much of it. */
    const open = async (lend: number) => {
      bench = await openQuota(database, { org: null, t1: 'org', t2: 'org' })
      await bench.front.ensureResource({ name: 'instances', service: 'compute', defaultLimit: 20 })
      await bench.front.ensureResource({ name: 'cores', service: 'compute', defaultLimit: 100 })
      for (const projectId of ['t1', 't2']) {
        const instances = { own: 8, lend, borrow: -1 }
        await bench.front.setLimits({ projectId, limits: { instances, cores: { own: 40 } } })
      }
    }
    const ask = (subject: string, projectId = 't1', more: Partial<ReserveRequest> = {}) =>
      bench.front.reserveAlone({ projectId, deltas: { instances: 1, cores: 2 }, subject, ...more })
    /** Of each request: its state, or the reason why not. */
    const outcomes = async (asked: Promise<{ state: string }>[]): Promise<string[]> =>
      (await Promise.allSettled(asked)).map((end) => {
        if (end.status === 'fulfilled') return end.value.state
        if (!isRefusal(end.reason)) return (end.reason as Error).message
        return String(end.reason.details.reason ?? end.reason.kind)
      })
    const numbersOf = async (projectId: string) => {
      const { instances, cores } = await bench.front.usage(projectId)
      return [instances!.inUse, instances!.reserved, cores!.inUse, cores!.reserved]
    }
    const each = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)

    test('each is made, counted, written down and told once', async () => {
      await open(0)
      const subjects = each(7)
      const got = await outcomes(subjects.map((subject, index) => ask(subject, 't1', { started: index < 3 })))
      assert.deepEqual(got, [...Array<string>(3).fill('committed'), ...Array<string>(4).fill('reserved')])
      assert.deepEqual(await numbersOf('t1'), [3, 4, 6, 8])
      const granted = await historyList(bench.db, { kinds: ['granted'], resource: 'cores' }, 100)
      assert.deepEqual(granted.map(({ subject }) => subject).sort(), subjects)
      assert.deepEqual(granted[0]!.amounts, { instances: 1, cores: 2 })
      const outbox = bench.db.as<PlatformTables>().selectFrom('outbox')
      const told = await outbox.select('payload').where('topic', '=', 'quota.granted').execute()
      assert.deepEqual(told.map(({ payload }) => JSON.parse(payload).subject as string).sort(), subjects)
    })

    test('where too many come, as many are granted as fit, and the others learn why not', async () => {
      await open(0)
      const got = await outcomes([
        ...each(30).map((one) => ask(`a ${one}`)),
        ...each(30).map((one) => ask(`b ${one}`, 't2')),
      ])
      // Each its own eight, and between them the four that the organisation has given to nobody.
      assert.equal(got.filter((outcome) => outcome === 'reserved').length, 20)
      assert.equal(got.filter((outcome) => outcome === 'SHORTAGE').length, 40)
    })

    test('what is lent is shared by those that come together, and never twice', async () => {
      await open(-1)
      const got = await outcomes([
        ...each(25).map((one) => ask(`a ${one}`)),
        ...each(5).map((one) => ask(`b ${one}`, 't2')),
      ])
      assert.equal(got.filter((outcome) => outcome === 'reserved').length, 20)
      const [ofT1, ofT2] = [await numbersOf('t1'), await numbersOf('t2')]
      assert.equal(ofT1[1]! + ofT2[1]!, 20)
      const lent = await historyList(bench.db, { kinds: ['lent'] }, 100)
      const beyond = Math.max(0, ofT1[1]! - 8) + Math.max(0, ofT2[1]! - 8)
      assert.equal(
        lent.reduce((sum, { amounts }) => sum + amounts.instances!, 0),
        beyond,
      )
    })

    test('one subject has one claim, however often it is asked for at once', async () => {
      await open(0)
      assert.deepEqual(await outcomes(each(5).map(() => ask('same'))), Array(5).fill('reserved'))
      await bench.db.transaction((tx) => bench.front.commit(tx, 'same'))
      assert.deepEqual(await outcomes([ask('same'), ask('other')]), ['committed', 'reserved'])
      assert.deepEqual(await numbersOf('t1'), [1, 1, 2, 2])
    })

    test('one that cannot be is nobody else’s harm', async () => {
      await open(0)
      const [good, unknown, bad, odd, fine] = await outcomes([
        ask('good'),
        ask('unknown', 't1', { deltas: { boats: 1 } }),
        ask('bad', 't1', { deltas: { instances: -3 } }),
        ask('odd', 't1', { lineage: 'x\u0000y' }),
        ask('fine', 't2'),
      ])
      assert.deepEqual([good, unknown, bad, fine], ['reserved', 'NOT_REGISTERED', 'BAD_AMOUNT', 'reserved'])
      if (database.name === 'postgresql') assert.match(odd!, /invalid byte sequence/)
    })

    test('a project that is new, an ask for nothing and one that waits are answered as anywhere', async () => {
      await open(0)
      bench.known.set('t3', 'org')
      await outcomes(each(20).map((one) => ask(`fills ${one}`, Number(one) < 8 ? 't2' : 't1')))
      const got = await outcomes([
        ask('new', 't3'),
        ask('nothing', 't1', { deltas: {} }),
        ask('line', 't1', { whenFull: 'wait' }),
      ])
      assert.deepEqual(got, ['CEILING', 'reserved', 'waiting'])
      assert.equal((await bench.front.waiting('t1')).length, 1)
    })

    test('inside of a transaction it is refused, as it would wait for what that holds', async () => {
      await open(0)
      await assert.rejects(
        bench.db.transaction(() => ask('inside')),
        /inside an open transaction/,
      )
      assert.deepEqual(await numbersOf('t1'), [0, 0, 0, 0])
    })
  })
}
