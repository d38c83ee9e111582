/** Writes every generated file; with --check, writes nothing and fails when one differs from what is committed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generatedFiles } from './gen/list.ts'

const root = join(import.meta.dirname, '..')
const checking = process.argv.includes('--check')
const differing: string[] = []

for (const { path, make } of generatedFiles) {
  const file = join(root, path)
  const wanted = await make()
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue
  differing.push(path)
  if (checking) continue
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, wanted)
}

const verb = checking ? 'differs from its sources; run: npm run gen' : 'written'
for (const path of differing) process.stdout.write(`${path} ${verb}\n`)
process.exitCode = checking && differing.length > 0 ? 1 : 0
