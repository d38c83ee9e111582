/** The gate of the house rules that no linter knows; tolerated breaches are in tools/allow.json. */
import { join } from 'node:path'
import { judge, readAllowList } from './tidy/allow-list.ts'
import { readSources } from './tidy/files.ts'
import { tidyRules } from './tidy/rules.ts'

const root = join(import.meta.dirname, '..')
const files = readSources(root)
const found = Object.values(tidyRules).flatMap((check) => check(files))
const complaints = judge(found, readAllowList(root), (rule) => rule in tidyRules)

for (const complaint of complaints) process.stdout.write(`${complaint}\n`)
process.exitCode = complaints.length > 0 ? 1 : 0
