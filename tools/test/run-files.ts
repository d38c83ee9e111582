/** Runs test files in one `node --test` process group with a hard time limit, prints failures as they come, counts. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { noCounts, type Counts, type Outcome, type ReportLine } from './outcome.ts'
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
    const name = relative(this.#root, resolve(this.#root, line.file))
    if (line.kind === 'output')
      this.#output.set(name, ((this.#output.get(name) ?? '') + line.text).slice(-outputCharsMax))
    else if (line.kind === 'file') this.#endFile(name, line.durationMs)
    else if (line.kind === 'test') this.#takeTest(name, line)
  }

  /** A file that holds no test, cannot be loaded or ends its process is reported as a test with the file's own name. */
  #takeTest(name: string, outcome: Outcome): void {
    const isFile = outcome.nesting === 0 && outcome.name === name
    if (!isFile) return this.#count(name, outcome)
    const why = outcome.verdict === 'passed' ? 'It holds no test. Write one, or remove the file.' : outcome.why
    this.#count(name, { ...outcome, name: '(the file)', verdict: 'failed', ownFailure: true, why })
    this.#endFile(name, outcome.durationMs)
  }

  #count(file: string, outcome: Outcome): void {
    const { name, verdict, why } = outcome
    this.counts[verdict] += 1
    const ofFile = this.#perFile.get(file) ?? noCounts()
    ofFile[verdict] += 1
    this.#perFile.set(file, ofFile)
    if (verdict === 'failed' && outcome.ownFailure) say.failure(file, name, why)
    else if (verdict === 'skipped') say.line(`  skipped ${file}: ${name}${why === 'true' ? '' : ` (${why})`}`)
  }

  #endFile(file: string, durationMs: number): void {
    this.#waiting.delete(file)
    const counts = this.#perFile.get(file) ?? noCounts()
    if (counts.failed > 0) say.output(file, this.#output.get(file) ?? '')
    say.file(file, counts, durationMs)
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
    env: { ...run.env, NODE_TEST_CONTEXT: undefined }, // else a suite started from a test believes to be that test
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
    say.failure(
      'the layer',
      'time limit',
      `It ran over its limit of ${end.timeoutMs / 1000} s; unfinished: ${lost.join(', ')}.`,
    )
  } else if (lost.length > 0 || (end.code !== 0 && progress.counts.failed === 0)) {
    say.failure(
      'the layer',
      'end',
      `node --test ended with ${end.code}; no result from: ${lost.join(', ') || 'all files reported'}.`,
    )
  } else return
  progress.counts.failed += 1
}
