/** Migrations run once, in order, whole, and refuse a database from the future. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { autoId, flag, id, text } from './columns.ts'
import { defineMigration, migrate } from './migrate.ts'
import type { Migration } from './migrate.ts'
import { testDatabases } from './testing.ts'

const boats = defineMigration({
  id: '0001-boats',
  up: async (schema) => { await schema.schema.createTable('boat').addColumn('id', ...id).addColumn('name', ...text)
    .execute() },
})
const cranes = defineMigration({
  id: '0002-cranes',
  up: async (schema) => {
    await schema.schema.createTable('crane').addColumn('id', ...autoId(schema)).addColumn('busy', ...flag).execute()
    await schema.schema.alterTable('boat').addColumn('crane', 'text').execute()
  },
})
const harbour = (...migrations: Migration[]) => [{ service: 'harbour', migrations }]

for (const { name, open } of testDatabases()) {
  describe(`migrations on ${name}`, () => {
    test('run what is missing, once', async () => {
      await using stack = new AsyncDisposableStack()
      const db = stack.adopt(await open(), (opened) => opened.close())
      assert.deepEqual(
        (await migrate(db, harbour(boats))).filter((step) => step.startsWith('harbour')), ['harbour/0001-boats'],
      )
      assert.deepEqual(await migrate(db, harbour(boats, cranes)), ['harbour/0002-cranes'])
      assert.deepEqual(await migrate(db, harbour(boats, cranes)), [])
      const first = await db.kysely.insertInto('crane').values({ busy: 1 }).returning(['id', 'busy']).executeTakeFirst()
      assert.deepEqual(first, { id: 1, busy: 1 })
    })

    test('a query prepared before a migration sees its columns afterwards', async () => {
      await using stack = new AsyncDisposableStack()
      const db = stack.adopt(await open({ migrations: harbour(boats) }), (opened) => opened.close())
      await db.kysely.insertInto('boat').values({ id: 'b', name: 'Boat' }).execute()
      assert.deepEqual(await db.kysely.selectFrom('boat').selectAll().execute(), [{ id: 'b', name: 'Boat' }])
      await migrate(db, harbour(boats, cranes))
      assert.deepEqual(await db.kysely.selectFrom('boat').selectAll()
        .execute(), [{ id: 'b', name: 'Boat', crane: null }])
    })

    test('a migration that fails leaves no half of itself', async () => {
      await using stack = new AsyncDisposableStack()
      const db = stack.adopt(await open({ migrations: harbour(boats) }), (opened) => opened.close())
      const broken = defineMigration(
        { id: '0002-broken', up: async (schema) => { await cranes.up(schema); throw new Error('no more') } },
      )
      await assert.rejects(migrate(db, harbour(boats, broken)), /no more/)
      assert.deepEqual(await migrate(db, harbour(boats, cranes)), ['harbour/0002-cranes'])
    })

    test('starters that come together run each migration once', async () => {
      await using stack = new AsyncDisposableStack()
      const db = stack.adopt(await open(), (opened) => opened.close())
      const results = await Promise.all([1, 2, 3].map(() => migrate(db, harbour(boats, cranes))))
      assert.deepEqual(results.flat().filter((step) => step.startsWith('harbour'))
        .sort(), ['harbour/0001-boats', 'harbour/0002-cranes'])
    })

    test('a database that is newer than the program is refused in a sentence', async () => {
      await using stack = new AsyncDisposableStack()
      const db = stack.adopt(await open({ migrations: harbour(boats, cranes) }), (opened) => opened.close())
      await assert.rejects(migrate(db, harbour(boats)), /newer than this program: harbour has already run 0002-cranes/)
    })

    test('ids must count up without gaps', async () => {
      await using stack = new AsyncDisposableStack()
      const db = stack.adopt(await open(), (opened) => opened.close())
      await assert.rejects(migrate(db, harbour(cranes)), /must be number 0001/)
      assert.throws(() => defineMigration({ id: 'boats', up: async () => undefined }), /must look like/)
    })
  })
}
