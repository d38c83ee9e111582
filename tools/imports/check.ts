/** The gate of the import rules: every broken one, with the reason for the rule. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { cruise } from './cruise.ts'
import { rules } from './rules.ts'

const folder = 'packages/server/src'
const files = globSync(`${folder}/**/*.ts`, { cwd: join(import.meta.dirname, '../..') }).length
const { modules, violations } = await cruise(folder)

for (const { rule, from, to } of violations) {
  const why = rules.find((one) => one.name === rule)?.comment ?? ''
  process.stdout.write(`${from} -> ${to}\n  ${rule}: ${why}\n`)
}
// A cruiser that sees nothing finds nothing: it must have seen each of our files at least.
if (modules < files)
  process.stdout.write(`Only ${modules} modules seen, and ${folder} holds ${files}: the rules were not applied.\n`)
process.exitCode = violations.length > 0 || modules < files ? 1 : 0
