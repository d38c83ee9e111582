/** What PostgreSQL was not asked to keep is kept by nobody, however statements, commits and connections fail. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import pg from 'pg'
import { id, text } from './columns.ts'
import type { Database, Executor, Tx } from './database.ts'
import { isUniqueViolation } from './db-errors.ts'
import { defineMigration } from './migrate.ts'
import { Flights } from './postgres-flight.ts'
import { bothTexts, runStatement } from './statement.ts'
import { testDatabases } from './testing.ts'

interface Tables {
  boat: { id: string; name: string }
}

const migrations = [
  defineMigration({
    id: '0001-boats',
    up: async (schema) => {
      await schema.schema
        .createTable('boat')
        .addColumn('id', ...id)
        .addColumn('name', ...text)
        .execute()
      await sql`create table berth (boat text references boat deferrable initially deferred)`.execute(schema)
    },
  }),
]

const insert = bothTexts('insert into boat (id, name) values (?, ?)')
const all = bothTexts('select * from boat where id = ?')

const add = (executor: Executor, boat: string) => runStatement(executor, insert, [boat, 'Anna'])
const boatsOf = async (db: Database, ...ids: string[]): Promise<string[]> =>
  (await db.as<Tables>().selectFrom('boat').select('id').where('id', 'in', ids).orderBy('id').execute()).map(
    (boat) => boat.id,
  )
const endConnection = (tx: Tx) => sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx.as())

for (const { name, open } of testDatabases().filter(({ name }) => name === 'postgresql')) {
  describe(`transactions on ${name}`, () => {
    let db: Database
    before(async () => {
      db = await open({ migrations: [{ service: 'harbour', migrations }] })
    })
    after(() => db.close())

    test('a first statement that fails is the failure, and the connection is good again', async () => {
      await db.transaction((tx) => add(tx, 'first'))
      for (let again = 0; again < 8; again++)
        await assert.rejects(
          db.transaction((tx) => add(tx, 'first')),
          isUniqueViolation,
        )
      await db.transaction((tx) => add(tx, 'second'))
      assert.deepEqual(await boatsOf(db, 'first', 'second'), ['first', 'second'])
    })

    test('a failure that the work swallows fails the commit', async () => {
      const swallowing = db.transaction(async (tx) => {
        await add(tx, 'swallowed')
        await add(tx, 'swallowed').catch(() => undefined)
      })
      await assert.rejects(swallowing, isUniqueViolation)
      const swallowingFirst = db.transaction(async (tx) => {
        await sql`select 1 / 0`.execute(tx.as()).catch(() => undefined)
        await assert.rejects(add(tx, 'swallowed'), /earlier statement of this transaction failed/)
        tx.emit('test.swallowed', {})
      })
      await assert.rejects(swallowingFirst, /division by zero/)
      assert.deepEqual(await boatsOf(db, 'swallowed'), [])
    })

    test('events that cannot be written undo the transaction and are the failure', async () => {
      const failing = db.transaction(async (tx) => {
        await add(tx, 'untold')
        await sql`create temporary table outbox (topic integer) on commit drop`.execute(tx.as())
        tx.emit('test.untold', {})
      })
      await assert.rejects(failing, /payload|outbox|column/)
      assert.deepEqual(await boatsOf(db, 'untold'), [])
      await db.transaction(async (tx) => tx.emit('test.told', {}))
    })

    test('what the commit refuses is not done, and the refusal is the failure', async () => {
      const mooring = db.transaction(async (tx) => {
        await add(tx, 'moored')
        await sql`insert into berth values ('nowhere')`.execute(tx.as())
        tx.emit('test.moored', {})
      })
      await assert.rejects(mooring, /foreign key/)
      assert.deepEqual(await boatsOf(db, 'moored'), [])
    })

    test('a connection that is lost fails its transaction alone', async () => {
      const early = db.transaction(endConnection)
      await assert.rejects(early, /terminat/)
      const late = db.transaction(async (tx) => {
        await add(tx, 'lost')
        await endConnection(tx).catch(() => undefined)
      })
      await assert.rejects(late)
      await db.transaction((tx) => add(tx, 'kept'))
      assert.deepEqual(await boatsOf(db, 'kept', 'lost'), ['kept'])
    })

    test('statements that were planned before the tables changed are planned again', async () => {
      const read = () => db.transaction((tx) => runStatement<{ name: string }>(tx, all, ['planned']))
      await db.transaction((tx) => add(tx, 'planned'))
      for (let again = 0; again < 8; again++) assert.equal((await read()).rows.length, 1)
      await db.transaction((tx) => sql`alter table boat add column flag text`.execute(tx.as()))
      assert.deepEqual((await read()).rows, [{ id: 'planned', name: 'Anna', flag: null }])
    })

    test('statements that are asked for at once keep their order behind the begin', async () => {
      await db.transaction(async (tx) => {
        await Promise.all(['one', 'three', 'two'].map((boat) => add(tx, boat)))
        assert.equal((await runStatement(tx, all, ['two'])).rows.length, 1)
      })
      assert.deepEqual(await boatsOf(db, 'one', 'two', 'three'), ['one', 'three', 'two'])
    })

    test('statements that are asked for at once are not done behind a first one that fails', async () => {
      const failing = db.transaction(async (tx) => {
        const asked = [sql`select 1 / 0`.execute(tx.as()), add(tx, 'behind one'), add(tx, 'behind two')]
        const ends = await Promise.allSettled(asked)
        assert.deepEqual(
          ends.map(({ status }) => status),
          ['rejected', 'rejected', 'rejected'],
        )
      })
      await assert.rejects(failing, /division by zero/)
      assert.deepEqual(await boatsOf(db, 'behind one', 'behind two'), [])
    })

    test('a transaction that asks nothing, or only tells, ends well', async () => {
      assert.equal(await db.transaction(async () => 7), 7)
      await db.transaction(async (tx) => tx.emit('test.alone', {}))
      const { rows } = await sql`select topic from outbox where topic = 'test.alone'`.execute(db.as())
      assert.equal(rows.length, 1)
    })
  })
}

const url = process.env['QUAYSTONE_TEST_PG']
if (url !== undefined && url !== '') {
  test('nothing that follows a failure in its flight is run', async () => {
    const pool = new pg.Pool({ connectionString: url, max: 1 }),
      client = await pool.connect(),
      flights = new Flights(pg, client)
    try {
      await client.query('create temporary table boat (id text)')
      const insert = { text: 'insert into boat values ($1)', values: ['stray'], name: 'insert boat' }
      await assert.rejects(
        flights.fly([{ text: 'start transaction isolation level nonsense' }, insert]),
        /syntax error/,
      )
      await flights.fly([{ text: 'start transaction' }, insert])
      await assert.rejects(flights.fly([{ text: 'select 1 / 0' }, { text: 'commit' }]), /division by zero/)
      await client.query('rollback')
      await flights.fly([insert, insert])
      const [boats] = await flights.fly([{ text: 'select count(*)::int as count from boat' }])
      assert.deepEqual(boats!.rows, [{ count: 2 }])
    } finally {
      client.release()
      await pool.end()
    }
  })
}
