/** What is shown of a quota tree: what is used or dealt out, unless somebody asks for more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choose, resourcesOf, restingLines } from './quota-choice.ts'
import type { TreeRow } from './quota-tables.ts'

const still = { limit: 10, inUse: 0, reserved: 0, allocated: 0, free: 10, pool: 0, available: 10, subtree: 0 }
const terms = { lend: 0, borrow: 0, ceiling: null, weight: 1, tier: 1, self: null }
const rowOf = (project: string, depth: number, resource: string, change: Partial<TreeRow> = {}): TreeRow => {
  return { project, depth, resource, ...still, ...terms, owned: 10, lent: 0, borrowed: 0, deserved: 0, ...change }
}
const nothing = { owned: 0, borrow: -1 }
const rows = [
  rowOf('org', 0, 'ports'),
  rowOf('org', 0, 'instances', { allocated: 8 }),
  rowOf('org', 0, 'cores', { subtree: 3 }),
  rowOf('web', 1, 'ports', nothing),
  rowOf('web', 1, 'instances', { owned: 8 }),
  rowOf('web', 1, 'cores', { owned: 0 }),
]
const named = (chosen: readonly TreeRow[]) => chosen.map(({ project, resource }) => `${project} ${resource}`)

test('what is used or dealt out, resource by resource, and a line about the rest', () => {
  const chosen = choose(rows, {})
  assert.deepEqual(named(chosen.rows), ['org cores', 'org instances', 'web instances'])
  assert.deepEqual(restingLines(chosen), [
    '(1 more, of which nothing is used or dealt out: see them with --all, or -r NAME.)',
  ])
})

test('where nothing is in play, what somebody owns', () => {
  const chosen = choose([rowOf('org', 0, 'ports'), rowOf('org', 0, 'disk', { owned: 0 })], {})
  assert.deepEqual(named(chosen.rows), ['org ports'])
  assert.deepEqual(restingLines(chosen), [])
})

test('everything, or what is named, when it is asked for', () => {
  assert.equal(choose(rows, { all: true }).rows.length, rows.length)
  assert.deepEqual(named(choose(rows, { resource: ['ports'] }).rows), ['org ports', 'web ports'])
})

test('a simulation shows what its steps are about', () => {
  const claim = { claim: { project_id: 'web', amounts: { cores: 1, ram: 2 } } }
  const set = { set: { project_id: 'web', resource: 'ram', holding: {} } }
  assert.deepEqual(resourcesOf([claim, set]), ['cores', 'ram'])
  assert.equal(resourcesOf([claim, { release: { subject: 'x' } }]), undefined)
})
