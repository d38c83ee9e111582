/** The query of image lists, read into filters. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '#platform/errors/errors.ts'
import { rangeOf } from './data.ts'
import { filterOf, pageOf } from './listing.ts'
import { operationsOf } from './patch-body.ts'

const refused = (work: () => unknown): void => {
  assert.throws(work, (error) => isRefusal(error) && error.kind === 'badRequest' && error.message.length > 10)
}

test('plain fields filter by equality, in: lists by membership with quoting', () => {
  assert.deepEqual(filterOf({ name: 'in:a,"b,c"' }).equals, [{ column: 'name', values: ['a', 'b,c'] }])
  assert.deepEqual(filterOf({ min_disk: '3' }).equals, [{ column: 'min_disk', values: [3] }])
  refused(() => filterOf({ name: 'in:a,"b' }))
  refused(() => filterOf({ min_disk: 'three' }))
})

test('unknown names are custom properties, paging words are not', () => {
  const filter = filterOf({ os_distro: 'debian', limit: '3', sort: 'name' })
  assert.deepEqual(filter.properties, { os_distro: 'debian' })
})

test('times take comparison operators', () => {
  assert.deepEqual(filterOf({ created_at: 'gte:2026-01-01T00:00:00Z' }).ranges, [
    { column: 'created_at', operator: '>=', value: Date.UTC(2026, 0, 1) },
  ])
  refused(() => filterOf({ updated_at: 'yesterday' }))
})

test('visibility and member status are held to their words', () => {
  refused(() => filterOf({ visibility: 'secret' }))
  refused(() => filterOf({ member_status: 'maybe' }))
})

test('pages: 25 by default, 1000 at most, newest first', () => {
  assert.equal(pageOf({}).limit, 25)
  assert.equal(pageOf({ limit: '5000' }).limit, 1000)
  assert.deepEqual(
    pageOf({}).sort.map(({ column }) => column),
    ['created_at', 'id'],
  )
  refused(() => pageOf({ limit: '-1' }))
})

test('ranges: first-last, open end, suffix', () => {
  assert.deepEqual(rangeOf('bytes=0-3', 10), { start: 0, end: 3 })
  assert.deepEqual(rangeOf('bytes=7-', 10), { start: 7, end: 9 })
  assert.deepEqual(rangeOf('bytes=-2', 10), { start: 8, end: 9 })
  assert.equal(rangeOf(undefined, 10), undefined)
  refused(() => rangeOf('bytes=11-12', 10))
  refused(() => rangeOf('lines=1-2', 10))
})

test('both patch dialects give the same operations', () => {
  assert.deepEqual(operationsOf([{ op: 'replace', path: '/name', value: 'a' }]), [
    { op: 'replace', path: ['name'], value: 'a' },
  ])
  assert.deepEqual(operationsOf([{ replace: '/name', value: 'a' }]), [{ op: 'replace', path: ['name'], value: 'a' }])
  assert.deepEqual(operationsOf([{ op: 'remove', path: '/a~1b' }]), [
    { op: 'remove', path: ['a/b'], value: undefined },
  ])
  for (const odd of [
    {},
    [1],
    [{ op: 'test', path: '/a' }],
    [{ op: 'add', path: 'a', value: 1 }],
    [{ op: 'add', path: '/a' }],
  ])
    refused(() => operationsOf(odd))
})
