/** Pages: together they are the whole list, whatever the order. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { openDatabase } from '#platform/db/database.ts'
import { Refusal } from '#platform/errors/errors.ts'
import { nextUrl, paged, parseSort, type SortKey } from './paging.ts'

interface Tables { thing: { id: string; name: string; size: number } }

test('pages of any size together are the whole list in order', async () => {
  const db = await openDatabase({ url: 'sqlite::memory:' })
  try {
    await db.kysely.schema.createTable('thing')
      .addColumn('id', 'text').addColumn('name', 'text').addColumn('size', 'integer').execute()
    const rows = Array.from({ length: 30 }, (_, at) => ({ id: `i${at}`, name: `n${at % 4}`, size: at % 3 }))
    await db.as<Tables>().insertInto('thing').values(rows).execute()
    const key = (column: string) => fc.constantFrom<SortKey['direction']>('asc', 'desc').map((direction) => (
      { column, direction }
    ))
    await fc.assert(fc.asyncProperty(key('name'), key('size'), key('id'), fc.integer({ min: 1, max: 12 }), async (
      name, size, id, limit,
    ) => {
      const sort = [name, size, id]
      const all = await paged(db.as<Tables>().selectFrom('thing').selectAll(), { sort }).execute()
      const found: typeof all = []
      for (;;) {
        const page = await paged(db.as<Tables>().selectFrom('thing').selectAll(), {
          sort, limit, after: found.at(-1),
        }).execute()
        if (page.length === 0) break
        found.push(...page)
      }
      assert.deepEqual(found, all)
    }), { numRuns: 20 })
  } finally {
    await db.close()
  }
})

const rules = {
  columns: { name: 'name', created_at: 'created' }, defaults: [{ column: 'created', direction: 'desc' as const }],
  unique: 'id',
}

test('both ways to ask for an order are read, and the unique key ends it', () => {
  const expected = [
    { column: 'name', direction: 'desc' }, { column: 'created', direction: 'asc' }, { column: 'id', direction: 'desc' },
  ]
  assert.deepEqual(parseSort({ sort: 'name:desc,created_at' }, rules), expected)
  assert.deepEqual(parseSort({ sort_key: ['name', 'created_at'], sort_dir: ['desc', 'asc'] }, rules), expected)
  assert.deepEqual(parseSort({}, rules), [
    { column: 'created', direction: 'desc' }, { column: 'id', direction: 'desc' },
  ])
})

test('an unknown key or direction is refused by name', () => {
  assert.throws(
    () => parseSort({ sort_key: 'constructor' }, rules),
    (error) => error instanceof Refusal && /"constructor"/.test(error.message),
  )
  assert.throws(
    () => parseSort({ sort: 'name:up' }, rules), (error) => error instanceof Refusal && /"up"/.test(error.message),
  )
})

test('the next page keeps the rest of the query', () => {
  assert.equal(
    nextUrl('http://h', '/v2/images?limit=2&marker=a&name=x%20y', 'b'), 'http://h/v2/images?limit=2&marker=b&name=x+y',
  )
})
