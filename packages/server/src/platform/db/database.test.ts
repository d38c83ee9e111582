/** Transactions, isolation, events and refusals, on both databases. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { ManualClock } from '#platform/clock/clock.ts'
import { count, id, reference, text } from './columns.ts'
import type { Database, Executor } from './database.ts'
import { isForeignKeyViolation, isUniqueViolation } from './db-errors.ts'
import { defineMigration } from './migrate.ts'
import type { PlatformTables } from './platform-tables.ts'
import { bothTexts, outboxInsert } from './statement.ts'
import { testDatabases } from './testing.ts'

interface Tables {
  boat: { id: string; name: string; cranes: number }
  mooring: { id: string; boat: string }
}

const migrations = [defineMigration({
  id: '0001-boats',
  up: async (schema) => {
    await schema.schema.createTable('boat').addColumn('id', ...id).addColumn('name', ...text)
      .addColumn('cranes', ...count).execute()
    await schema.schema.createTable('mooring').addColumn('id', ...id).addColumn('boat', ...reference('boat.id'))
      .execute()
  },
})]

const add = (executor: Executor, boatId: string) =>
  executor.as<Tables>().insertInto('boat').values({ id: boatId, name: `Boat ${boatId}`, cranes: 2 }).execute()
const find = (executor: Executor, boatId: string) =>
  executor.as<Tables>().selectFrom('boat').selectAll().where('id', '=', boatId).executeTakeFirst()
const events = (db: Database, topic: string) =>
  db.as<PlatformTables>().selectFrom('outbox').select(['topic', 'payload', 'at']).where('topic', '=', topic)
    .orderBy('id').execute()

for (const { name, open } of testDatabases()) {
  describe(`database on ${name}`, () => {
    const clock = new ManualClock(1_800_000_000_123)
    let db: Database
    before(async () => { db = await open({ migrations: [{ service: 'harbour', migrations }], clock }) })
    after(() => db.close())

    test('a committed transaction is seen, as plain rows', async () => {
      const answer = await db.transaction(async (tx) => { await add(tx, 'committed'); return 7 })
      assert.equal(answer, 7)
      assert.deepEqual(await find(db, 'committed'), { id: 'committed', name: 'Boat committed', cranes: 2 })
    })

    test('one statement is a transaction of its own, and rings for the events it inserts', async () => {
      let rung = 0
      const silence = db.onEmit(() => rung++)
      const send = bothTexts(outboxInsert('select name, ?, cranes from boat where id = ?'))
      await db.transaction(async (tx) => {
        await add(tx, 'alone')
        await assert.rejects(db.alone(send, ['{}', 'alone']), /inside an open transaction/)
      })
      await db.alone(send, ['{"a":1}', 'alone'])
      await assert.rejects(db.alone(bothTexts('insert into boat (id, name) values (?, ?)'), ['alone', 'twice']))
      silence()
      assert.deepEqual(await events(db, 'Boat alone'), [{ topic: 'Boat alone', payload: '{"a":1}', at: 2 }])
      assert.equal(rung, 1)
    })

    test('a transaction whose work throws leaves nothing, and throws the same error', async () => {
      const boom = new Error('boom')
      await assert.rejects(db.transaction(async (tx) => {
        await add(tx, 'thrown')
        tx.emit('test.thrown', {})
        throw boom
      }), boom)
      assert.equal(await find(db, 'thrown'), undefined)
      assert.deepEqual(await events(db, 'test.thrown'), [])
    })

    test('a read outside neither waits for an open transaction nor sees its rows', async () => {
      const done = await db.transaction(async (tx) => {
        await add(tx, 'open')
        assert.equal((await find(tx, 'open'))?.id, 'open')
        return await find(db, 'open')
      })
      assert.equal(done, undefined)
      assert.equal((await find(db, 'open'))?.id, 'open')
    })

    test('transactions that read and then write the same row lose no update', async () => {
      await add(db, 'counter')
      const increment = () => db.transaction(async (tx) => {
        const boat = await find(tx, 'counter')
        await tx.as<Tables>().updateTable('boat').set({ cranes: (boat?.cranes ?? 0) + 1 }).where('id', '=', 'counter')
          .execute()
      })
      await Promise.all(Array.from({ length: 5 }, increment))
      assert.equal((await find(db, 'counter'))?.cranes, 7)
    })

    test('a second transaction inside one is refused, and the first goes on', async () => {
      await db.transaction(async (tx) => {
        await assert.rejects(db.transaction(async () => undefined), /inside an open transaction/)
        await add(tx, 'nested')
      })
      assert.equal((await find(db, 'nested'))?.id, 'nested')
    })

    test('a write past the transaction one is in is refused', async () => {
      await db.transaction(async () => { await assert.rejects(add(db, 'past'), /inside an open transaction/) })
      await add(db, 'past')
      assert.equal((await find(db, 'past'))?.id, 'past')
    })

    test('a transaction that has ended refuses everything', async () => {
      let kept: Executor | undefined
      let builder: Kysely<Tables> | undefined
      await db.transaction(async (tx) => { kept = tx; builder = tx.as<Tables>() })
      assert.throws(() => kept?.as(), /has ended/)
      await assert.rejects(async () => { await builder?.selectFrom('boat').selectAll().execute() })
    })

    test('events are written with the transaction, in order, at the time of the clock', async () => {
      await db.transaction(async (tx) => {
        tx.emit('test.order', { n: 1 })
        tx.emit('test.order', { n: 2 })
      })
      const at = clock.now()
      assert.deepEqual(await events(db, 'test.order'), [
        { topic: 'test.order', payload: '{"n":1}', at }, { topic: 'test.order', payload: '{"n":2}', at }])
    })

    test('a bad topic and an event too large are refused where they are emitted', async () => {
      await db.transaction(async (tx) => {
        assert.throws(() => tx.emit('no spaces', {}), /not a topic/)
        assert.throws(() => tx.emit('a.*', {}), /not a topic/)
        assert.throws(() => tx.emit('large', { text: 'x'.repeat(200_000) }), /send an id/)
      })
    })

    test('listeners and follow-ups run after the commit only, and may open transactions', async () => {
      const calls: string[] = []
      const forget = db.onEmit(() => { calls.push('emitted') })
      await assert.rejects(db.transaction(async (tx) => {
        tx.afterCommit(() => { calls.push('never') })
        tx.emit('test.never', {})
        throw new Error('no')
      }))
      const followed = Promise.withResolvers<void>()
      await db.transaction(async (tx) => {
        tx.emit('test.listened', {})
        tx.afterCommit(() => db.transaction(async (next) => { await add(next, 'followed'); calls.push('followed') })
          .finally(followed.resolve))
        calls.push('working')
      })
      await followed.promise
      forget()
      assert.deepEqual(calls, ['working', 'emitted', 'followed'])
    })

    test('a failing follow-up does not undo the commit', async () => {
      await db.transaction(async (tx) => {
        await add(tx, 'stands')
        tx.afterCommit(() => { throw new Error('after') })
      })
      assert.equal((await find(db, 'stands'))?.id, 'stands')
    })

    test('broken keys are told apart', async () => {
      await add(db, 'twice')
      await assert.rejects(add(db, 'twice'), (error) => isUniqueViolation(error) && !isForeignKeyViolation(error))
      const moor = db.as<Tables>().insertInto('mooring').values({ id: 'm', boat: 'nowhere' }).execute()
      await assert.rejects(moor, (error) => isForeignKeyViolation(error) && !isUniqueViolation(error))
    })

    test('affected rows are counted, and returned rows given', async () => {
      await add(db, 'affected')
      const updated = await db.as<Tables>().updateTable('boat').set({ cranes: 3 }).where('id', '=', 'affected')
        .executeTakeFirst()
      assert.equal(updated.numUpdatedRows, 1n)
      const deleted = await db.as<Tables>().deleteFrom('boat').where('id', '=', 'affected').returning('cranes')
        .execute()
      assert.deepEqual(deleted, [{ cranes: 3 }])
    })

    test('sums and counts are numbers', async () => {
      const row = await db.as<Tables>().selectFrom('boat')
        .select((select) => [select.fn.countAll<number>().as('all'), select.fn.sum<number>('cranes')
          .as('cranes')]).executeTakeFirstOrThrow()
      assert.equal(typeof row.all, 'number')
      assert.equal(typeof row.cranes, 'number')
    })

    test('raw SQL reads and writes too', async () => {
      await add(db, 'raw')
      await sql`update boat set cranes = ${9} where id = ${'raw'}`.execute(db.as())
      const { rows } = await sql<{ cranes: number }>`select cranes from boat where id = ${'raw'}`.execute(db.as())
      assert.deepEqual(rows, [{ cranes: 9 }])
    })
  })
}
