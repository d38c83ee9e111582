/** Runs test files in one `node --test` process group with a hard time-out, prints failures as they come, and counts. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { noCounts, type Counts, type FileEnd, type Outcome, type ReportLine } from './outcome.ts'
import { killGroup } from './leftovers.ts'
import { say } from './say.ts'

export interface FilesRun {
  readonly root: string
  readonly files: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly filesAtOnce: number
  readonly timeoutMs: number
}

const outputCharsMax = 8_000

/** What is known so far about a run; each line of the reporter changes it. */
class Progress {
  readonly counts: Counts = noCounts()
  readonly #perFile = new Map<string, Counts>()
  readonly #output = new Map<string, string>()
  readonly #waiting: Set<string>
  readonly #root: string

  constructor(root: string, files: readonly string[]) {
    this.#root = root
    this.#waiting = new Set(files)
  }

  unfinished(): string[] {
    return [...this.#waiting]
  }

  take(line: ReportLine): void {
    if (line.kind === 'output') this.#output.set(line.file, ((this.#output.get(line.file) ?? '') + line.text).slice(-outputCharsMax))
    else if (line.kind === 'file') this.#endFile(line)
    else if (line.kind === 'test') this.#count(line)
  }

  #count(outcome: Outcome): void {
    const name = relative(this.#root, outcome.file)
    const empty = outcome.verdict === 'passed' && outcome.nesting === 0 && outcome.name.endsWith(name)
    const verdict = empty ? 'failed' : outcome.verdict
    this.counts[verdict] += 1
    const ofFile = this.#perFile.get(outcome.file) ?? noCounts()
    ofFile[verdict] += 1
    this.#perFile.set(outcome.file, ofFile)
    if (empty) say.failure(name, '(the file)', 'It holds no test. Write one, or remove the file.')
    else if (verdict === 'failed' && outcome.ownFailure) say.failure(name, outcome.name, outcome.why)
    else if (verdict === 'skipped') say.line(`  skipped ${name}: ${outcome.name}${outcome.why === 'true' ? '' : ` (${outcome.why})`}`)
  }

  #endFile(end: FileEnd): void {
    const name = relative(this.#root, end.file)
    this.#waiting.delete(name)
    const counts = this.#perFile.get(end.file) ?? noCounts()
    if (counts.failed > 0) say.output(name, this.#output.get(end.file) ?? '')
    say.file(name, counts, end.durationMs)
  }
}

function start(run: FilesRun): ChildProcess {
  const flags = [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${run.filesAtOnce}`,
    `--test-reporter=${join(import.meta.dirname, 'reporter.ts')}`,
    '--test-reporter-destination=stdout',
  ]
  return spawn(process.execPath, [...flags, ...run.files], {
    cwd: run.root,
    env: run.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

export async function runFiles(run: FilesRun): Promise<Counts> {
  const progress = new Progress(run.root, run.files)
  const child = start(run)
  const ended = once(child, 'close')
  let late = false
  const limit = setTimeout(() => {
    late = true
    killGroup(child.pid)
  }, run.timeoutMs)
  for await (const line of createInterface({ input: child.stdout! })) progress.take(JSON.parse(line) as ReportLine)
  const [code] = (await ended) as [number | null]
  clearTimeout(limit)
  killGroup(child.pid)
  reportLoss(progress, { late, code, timeoutMs: run.timeoutMs })
  return progress.counts
}

/** A run that ended without saying so for each file, or says failure without a failed test, is a failure itself. */
function reportLoss(progress: Progress, end: { late: boolean; code: number | null; timeoutMs: number }): void {
  const lost = progress.unfinished()
  if (end.late) {
    say.failure('the layer', 'time limit', `It ran over its limit of ${end.timeoutMs / 1000} s; unfinished: ${lost.join(', ')}.`)
  } else if (lost.length > 0 || (end.code !== 0 && progress.counts.failed === 0)) {
    say.failure('the layer', 'end', `node --test ended with ${end.code}; no result from: ${lost.join(', ') || 'all files reported'}.`)
  } else return
  progress.counts.failed += 1
}
