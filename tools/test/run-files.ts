/** Runs test files, a few at once and each in its own process, prints failures as they come, and counts. */
import { noCounts, type Counts } from './outcome.ts'
import { runFile, type FileResult } from './run-file.ts'
import { say } from './say.ts'

export interface FilesRun {
  readonly root: string
  readonly files: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly filesAtOnce: number
  readonly fileTimeoutMs: number
  /** For all files together. */
  readonly timeoutMs: number
}

export async function runFiles(run: FilesRun): Promise<Counts> {
  const counts = noCounts()
  const queue = [...run.files]
  const { root, env, fileTimeoutMs } = run
  const signal = AbortSignal.timeout(run.timeoutMs)
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      if (signal.aborted) counts.failed += notStarted(file)
      else report(file, await runFile({ root, file, env, timeoutMs: fileTimeoutMs, signal }), counts)
    }
  }
  await Promise.all(Array.from({ length: run.filesAtOnce }, work))
  return counts
}

function notStarted(file: string): number {
  say.failure(file, '(the file)', 'The time of the layer was over before it started.')
  return 1
}

function report(file: string, { outcomes, output, durationMs }: FileResult, total: Counts): void {
  const counts = noCounts()
  for (const { kind, name, verdict, ownFailure, why } of outcomes) {
    if (kind === 'suite') continue
    counts[verdict] += 1
    total[verdict] += 1
    if (verdict === 'failed' && ownFailure) say.failure(file, name, why)
    if (verdict === 'skipped') say.line(`  skipped ${file}: ${name}${why === 'true' ? '' : ` (${why})`}`)
  }
  if (counts.failed > 0) say.output(file, output)
  say.file(file, counts, durationMs)
}
