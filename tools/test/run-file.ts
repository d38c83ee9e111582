/** Runs one test file in a process group of its own, with a time limit, and reads its outcomes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { killGroup } from './leftovers.ts'
import type { Outcome, RunEnd } from './outcome.ts'

export interface FileRun {
  readonly root: string
  /** From the root. */
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** Ends the run early: the layer's time is over. */
  readonly signal: AbortSignal
}

export interface FileResult {
  readonly outcomes: readonly Outcome[]
  /** What the tests printed, its end. */
  readonly output: string
  readonly durationMs: number
}

interface Ending {
  readonly code: number | null
  readonly late: boolean
}

/** Time for the last words of a process to arrive, when something it started still holds the pipe. */
const lastWordsMs = 300

const outputCharsMax = 8_000
/** A single test gets most of the file's time, so that the one that hangs is named. */
const shareOfOneTest = 0.8

const problem = (why: string): Outcome => ({
  kind: 'test',
  name: '(the file)',
  ownFailure: true,
  verdict: 'failed',
  why,
})

function argumentsFor(run: FileRun, results: string): string[] {
  return [
    '--disable-warning=ExperimentalWarning',
    `--test-timeout=${Math.round(run.timeoutMs * shareOfOneTest)}`,
    `--test-reporter=${join(import.meta.dirname, 'reporter.ts')}`,
    `--test-reporter-destination=${results}`,
    run.file,
  ]
}

export async function runFile(run: FileRun): Promise<FileResult> {
  const directory = mkdtempSync(join(tmpdir(), 'quaystone-results-'))
  const results = join(directory, 'outcomes.jsonl')
  const startedMs = Date.now()
  try {
    const { ending, output } = await execute(run, results)
    const lines = existsSync(results) ? parse(readFileSync(results, 'utf8')) : []
    const outcomes = lines.filter((line) => line.kind !== 'end')
    const complete = outcomes.length < lines.length
    return {
      outcomes: [...outcomes, ...judge(outcomes, { ...ending, complete }, run)],
      output,
      durationMs: Date.now() - startedMs,
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function execute(run: FileRun, results: string): Promise<{ ending: Ending; output: string }> {
  // NODE_TEST_CONTEXT would make a suite that is started from a test believe to be that test.
  const env = { ...run.env, NODE_TEST_CONTEXT: undefined }
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  const child = spawn(process.execPath, argumentsFor(run, results), {
    cwd: run.root,
    env,
    detached: true,
    stdio: [...stdio],
  })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharsMax)
  }
  child.stdout!.on('data', keep)
  child.stderr!.on('data', keep)
  let late = false
  const end = (): void => {
    late = true
    killGroup(child.pid)
  }
  const limit = setTimeout(end, run.timeoutMs)
  run.signal.addEventListener('abort', end)
  const closed = once(child, 'close')
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(limit)
  run.signal.removeEventListener('abort', end)
  killGroup(child.pid)
  await Promise.race([closed, sleep(lastWordsMs)])
  return { ending: { code, late }, output }
}

/** The last line may be cut when the process was killed while it wrote. */
function parse(lines: string): (Outcome | RunEnd)[] {
  return lines.split('\n').flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Outcome | RunEnd] : []))
}

/** Ways to fail that no test tells of: too slow, ended in the middle, no test at all. */
function judge(
  outcomes: readonly Outcome[],
  { code, late, complete }: Ending & { complete: boolean },
  run: FileRun,
): Outcome[] {
  const last = outcomes.at(-1)?.name ?? 'none'
  if (late && run.signal.aborted) return [problem(`The time of the layer was over. Last finished test: ${last}.`)]
  if (late) {
    return [
      problem(
        `It did not end in ${run.timeoutMs / 1000} s: a test hangs, or left a timer or connection open. Last: ${last}.`,
      ),
    ]
  }
  const tests = outcomes.filter(({ kind }) => kind === 'test')
  if (!complete || (code !== 0 && !tests.some(({ verdict }) => verdict === 'failed'))) {
    return [problem(`Its process ended with ${code} before all was told. Last finished test: ${last}.`)]
  }
  return tests.length === 0 ? [problem('It holds no test. Write one, or remove the file.')] : []
}
