/** All that the suite prints: lines for people, nothing that moves the cursor, so that logs stay readable. */
import type { Counts, Verdict } from './outcome.ts'

export interface LayerResult {
  readonly label: string
  readonly counts: Counts
  readonly durationMs: number
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const indent = (text: string): string => text.replace(/^/gm, '    ')
const marks: Record<Verdict, string> = { passed: 'ok     ', failed: 'FAILED ', skipped: 'skipped' }

function line(text: string): void {
  process.stdout.write(`${text}\n`)
}

function failure(where: string, name: string, why: string): void {
  line(`\n  FAILED ${where}: ${name}\n${indent(why)}\n`)
}

function output(where: string, text: string): void {
  if (text.trim() !== '') line(`  printed by ${where}:\n${indent(text.trimEnd())}\n`)
}

function file(name: string, counts: Counts, durationMs: number): void {
  const verdict: Verdict = counts.failed > 0 ? 'failed' : counts.passed > 0 ? 'passed' : 'skipped'
  line(`  ${marks[verdict]} ${name}  ${counts.passed + counts.failed} tests, ${seconds(durationMs)}`)
}

/** Seconds on each layer, then the one line that other programs read; it must stay the last. */
function summary(results: readonly LayerResult[], total: Counts): void {
  line('\nlayer               passed  failed  skipped      time')
  for (const { label, counts, durationMs } of results) {
    const numbers = [counts.passed, counts.failed].map((n) => String(n).padStart(8)).join('')
    line(`${label.padEnd(18)}${numbers}${String(counts.skipped).padStart(9)}${seconds(durationMs).padStart(10)}`)
  }
  line(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
}

export const say = { line, failure, output, file, summary }
