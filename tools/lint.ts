/** The gate of the linter: oxlint's findings less those that tools/allow.json tolerates. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { judge, readAllowList } from './tidy/allow-list.ts'
import type { Violation } from './tidy/violation.ts'

interface Diagnostic {
  readonly code?: string
  readonly filename: string
  readonly message: string
  readonly labels: readonly { span: { line: number } }[]
}

const root = join(import.meta.dirname, '..')
const filesMin = 100
const run = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--format', 'json'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 28,
})
if (run.error !== undefined) throw run.error
const report = JSON.parse(run.stdout) as { diagnostics: Diagnostic[]; number_of_files: number }
const found = report.diagnostics.map(({ code, filename, message, labels }): Violation => ({
  rule: `lint ${code ?? 'unused directive'}`,
  file: filename,
  line: labels[0]?.span.line ?? 1,
  message,
}))
const complaints = judge(found, readAllowList(root), (rule) => rule.startsWith('lint '))
if (report.number_of_files < filesMin)
  complaints.push(`oxlint saw ${report.number_of_files} files only: its configuration leaves out too much.`)

for (const complaint of complaints) process.stdout.write(`${complaint}\n`)
process.exitCode = complaints.length > 0 ? 1 : 0
