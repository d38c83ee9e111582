/** A new service type-checks and its own tests pass before anybody has touched it. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readSources } from '../tidy/files.ts'
import { writeService } from './write-service.ts'

const root = join(import.meta.dirname, '../..')
const compiler = [
  ...['--noEmit', '--strict', '--noUncheckedIndexedAccess', '--noUnusedLocals', '--noUnusedParameters'],
  ...['--erasableSyntaxOnly', '--verbatimModuleSyntax', '--allowImportingTsExtensions', '--skipLibCheck'],
  ...['--target', 'es2024', '--module', 'nodenext', '--types', 'node'],
]
let trial: string
let written: string[]

before(() => {
  // Beside src/, so that the "#" imports of the server resolve from there.
  trial = mkdtempSync(join(root, 'packages/server/.new-service-'))
  written = writeService({ name: 'berth-yard', level: 7, into: join(trial, 'berth-yard') })
})

after(() => {
  rmSync(trial, { recursive: true })
})

test('its types are right', () => {
  const sources = written.filter((path) => path.endsWith('.ts'))
  const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...compiler, ...sources], {
    cwd: root,
    encoding: 'utf8',
  })
  const ours = tsc.stdout.split('\n').filter((line) => line.includes('.new-service-'))
  assert.deepEqual(ours, [])
})

test('its tests pass', () => {
  const tests = written.filter((path) => path.endsWith('.test.ts'))
  assert.ok(tests.length >= 3)
  execFileSync(process.execPath, ['--test', ...tests], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    stdio: 'pipe',
  })
})

test('no word of the template is left, and every file says what it holds', () => {
  for (const path of written) {
    const text = readFileSync(path, 'utf8')
    assert.doesNotMatch(text, /__\w+__/, path)
    if (path.endsWith('.ts')) assert.match(text, /^\/\*\* \S/, path)
    assert.ok(
      text.split('\n').every((line) => line.length <= 120),
      path,
    )
  }
})

test('a folder that is there is not written over, and a strange name is refused', () => {
  assert.throws(() => writeService({ name: 'berth-yard', level: 7, into: join(trial, 'berth-yard') }), /exists/)
  assert.throws(() => writeService({ name: '../etc', level: 7, into: join(trial, 'other') }), /kebab-case/)
})

test('the templates are not taken for sources of the repository', () => {
  assert.deepEqual(
    readSources(root).filter(({ path }) => path.endsWith('.txt')),
    [],
  )
  assert.ok(globSync('**/*.ts.txt', { cwd: join(import.meta.dirname, 'service') }).length > 10)
})
