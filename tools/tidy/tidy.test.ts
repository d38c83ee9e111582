/** Each house rule catches its breach, and the list of tolerated ones can only shrink. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from './allow-list.ts'
import { tidyRules } from './rules.ts'

const good = '/** A good first line. */'
const inServer = 'packages/server/src'
const lateNote = ['TO', 'DO'].join('')

/** For each rule, a file that breaks it. */
const bad: Readonly<Record<string, readonly { path: string; lines: string[] }[]>> = {
  header: [{ path: `${inServer}/engines/a.ts`, lines: ['export const a = 1'] }],
  columns: [{ path: `${inServer}/engines/a.ts`, lines: [good, 'x'.repeat(121)] }],
  words: [
    { path: `${inServer}/services/nova/manager/a.ts`, lines: [good, 'const at = new Date()'] },
    { path: `${inServer}/services/nova/manager/b.ts`, lines: [good, `// ${lateNote}`] },
  ],
  names: [
    { path: `${inServer}/engines/utils.ts`, lines: [good] },
    { path: `${inServer}/engines/BigName.ts`, lines: [good] },
  ],
  folders: [Array.from({ length: 41 }, (_, n) => ({ path: `${inServer}/engines/a${n}.ts`, lines: [good] }))].flat(),
  rooms: [{ path: `${inServer}/services/nova/attic/a.ts`, lines: [good] }],
}

test('every rule has a breach here, and finds it', () => {
  assert.deepEqual(Object.keys(bad).sort(), Object.keys(tidyRules).sort())
  for (const [name, files] of Object.entries(bad)) {
    const found = tidyRules[name]!(files)
    assert.ok(found.length > 0, name)
    assert.ok(found.every(({ rule }) => rule === name))
  }
})

test('a file that keeps the rules is left alone', () => {
  const files = [
    { path: `${inServer}/services/nova/service.ts`, lines: [good] },
    { path: `${inServer}/services/nova/facade.ts`, lines: [good, 'export const at = new Date(0)'] },
  ]
  assert.deepEqual(
    Object.values(tidyRules).flatMap((check) => check(files)),
    [],
  )
})

const breach = { rule: 'columns', file: 'a.ts', line: 3, message: 'long' }
const entry = { rule: 'columns', file: 'a.ts', count: 1, reason: 'a table' }

test('a tolerated breach is silent, one more is not', () => {
  assert.deepEqual(
    judge([breach], [entry], () => true),
    [],
  )
  assert.equal(judge([breach, { ...breach, line: 4 }], [entry], () => true).length, 2)
})

test('an entry that is no longer needed must go', () => {
  assert.match(judge([], [entry], () => true).join(), /lower it/)
})

test('an entry for another checker is none of our business', () => {
  assert.deepEqual(
    judge([], [entry], () => false),
    [],
  )
})
