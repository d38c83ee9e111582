/** Every import rule bites: its known-bad fixture is caught, and by no other rule than it says. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { cruise, type Cruise } from './cruise.ts'
import { rules } from './rules.ts'

const root = join(import.meta.dirname, '../..')
const fixtures = 'tools/fixtures/bad-imports/src'
const files = globSync(`${fixtures}/**/*.{ts,js}`, { cwd: root })
let seen: Cruise

/** The rules that a fixture says it breaks, from its first line. */
function declaredBy(file: string): string[] {
  const [, names] = /^\/\*\* Breaks: (.+)\. \*\//.exec(readFileSync(join(root, file), 'utf8')) ?? []
  return names?.split(', ') ?? []
}

before(async () => {
  seen = await cruise(fixtures)
})

test('the cruiser sees every fixture', () => {
  assert.ok(files.length > rules.length)
  assert.ok(seen.modules >= files.length, `${seen.modules} modules seen of ${files.length} files`)
})

test('every rule has a fixture that breaks it', () => {
  const broken = new Set(files.flatMap(declaredBy))
  assert.deepEqual(
    rules.map((rule) => rule.name).filter((name) => !broken.has(name)),
    [],
  )
})

test('each fixture is caught by exactly the rules that it names', () => {
  for (const file of files) {
    const caught = new Set(
      seen.violations.filter((violation) => violation.from === file).map((violation) => violation.rule),
    )
    assert.deepEqual([...caught].sort(), declaredBy(file).sort(), file)
  }
})
