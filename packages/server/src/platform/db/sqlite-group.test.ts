/** Transactions that come together share one commit: each is whole, fails alone, and is answered when it is on disk. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Database, Executor } from './database.ts'
import { id } from './columns.ts'
import { defineMigration, migrate } from './migrate.ts'
import { openDatabase } from './open-database.ts'

interface Tables {
  boat: { id: string }
}

const boats = defineMigration({
  id: '0001-boats',
  up: async (schema) => {
    await schema.schema
      .createTable('boat')
      .addColumn('id', ...id)
      .execute()
  },
})

const add = (executor: Executor, boat: string) =>
  executor.as<Tables>().insertInto('boat').values({ id: boat }).execute()

describe('transactions that come together on SQLite', () => {
  let folder: string, db: Database, beside: DatabaseSync
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'quaystone-group-'))
    db = await openDatabase({ url: `sqlite:${join(folder, 'cloud.db')}`, synchronous: 'full' })
    await migrate(db, [{ service: 'harbour', migrations: [boats] }])
    beside = new DatabaseSync(join(folder, 'cloud.db'), { readOnly: true })
  })
  after(async () => {
    beside.close()
    await db.close()
    rmSync(folder, { recursive: true })
  })

  /** On the disk, as another connection sees it. */
  const stored = (prefix: string) =>
    beside
      .prepare('select id from boat where id like ? order by id')
      .all(`${prefix}%`)
      .map((row) => row.id)
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

  test('each sees those before it, and their commits are one', async () => {
    const seen: number[] = []
    const unseen: number[] = []
    await Promise.all(
      names('together', 8).map((boat) =>
        db.transaction(async (tx) => {
          seen.push(
            (await tx.as<Tables>().selectFrom('boat').selectAll().where('id', 'like', 'together%').execute()).length,
          )
          unseen.push(stored('together').length)
          await add(tx, boat)
        }),
      ),
    )
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7])
    assert.ok(
      unseen.filter((count) => count === 0).length > 1,
      'the second must have run before the first was on disk',
    )
    assert.deepEqual(stored('together'), names('together', 8))
  })

  test('nobody is answered before the commit is on the disk', async () => {
    await Promise.all(
      names('told', 20).map(async (boat) => {
        await db.transaction((tx) => add(tx, boat))
        assert.ok(stored('told').includes(boat), `${boat} was told too early`)
      }),
    )
  })

  for (const failing of [0, 3, 5]) {
    test(`number ${failing} of six fails alone, with its own error`, async () => {
      const boom = new Error('boom'),
        prefix = `fails${failing} `
      const answers = await Promise.allSettled(
        names(prefix, 6).map((boat, index) =>
          db.transaction(async (tx) => {
            await add(tx, boat)
            if (index === failing) throw boom
          }),
        ),
      )
      assert.deepEqual(
        answers.map((answer) => (answer.status === 'rejected' ? answer.reason : 'stored')),
        names(prefix, 6).map((_, index) => (index === failing ? boom : 'stored')),
      )
      assert.deepEqual(
        stored(prefix),
        names(prefix, 6).filter((_, index) => index !== failing),
      )
    })
  }

  test('a statement that breaks a key can be survived, and its neighbours do not notice', async () => {
    await Promise.all(
      names('key', 4).map((boat) =>
        db.transaction(async (tx) => {
          await add(tx, boat)
          await assert.rejects(add(tx, boat))
        }),
      ),
    )
    assert.deepEqual(stored('key'), names('key', 4))
  })

  test('when the database undoes all, the neighbours of the one it failed in are done again', async () => {
    let runs = 0
    const answers = await Promise.allSettled(
      names('lost', 6).map((boat, index) =>
        db.transaction(async (tx) => {
          runs++
          await add(tx, boat)
          if (index !== 4) return
          // What SQLite does by itself on a full disk.
          await sql`rollback`.execute(tx.as())
          throw new Error('disk full')
        }),
      ),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(
      stored('lost'),
      names('lost', 6).filter((boat) => boat !== 'lost4'),
    )
    assert.equal(runs, 10, 'four were undone with it')
  })

  test('a transaction that goes on after the database has undone it writes nothing', async () => {
    await assert.rejects(
      db.transaction(async (tx) => {
        await sql`rollback`.execute(tx.as())
        await add(tx, 'ghost')
      }),
    )
    assert.deepEqual(stored('ghost'), [])
  })

  test('a write outside waits for its turn among them', async () => {
    await Promise.all([
      db.transaction((tx) => add(tx, 'mixed0')),
      add(db, 'mixed1'),
      db.transaction((tx) => add(tx, 'mixed2')),
    ])
    assert.deepEqual(stored('mixed'), names('mixed', 3))
  })

  test('a change of the tables is seen by whoever comes next', async () => {
    const work = [
      db.transaction((tx) => add(tx, 'column0')),
      db.transaction(async (tx) => {
        await sql`alter table boat add column name text`.execute(tx.as())
      }),
      db.transaction(async (tx) => {
        await sql`insert into boat (id, name) values ('column1', 'Bo')`.execute(tx.as())
        return tx.as<Tables>().selectFrom('boat').selectAll().where('id', '=', 'column1').executeTakeFirst()
      }),
    ]
    const [, , row] = await Promise.all(work)
    assert.deepEqual(row, { id: 'column1', name: 'Bo' })
  })
})
