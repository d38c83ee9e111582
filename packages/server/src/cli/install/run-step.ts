/** Runs one command of the machine's own tools, quietly: progress while it takes long, its last words when it fails. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { unavailable } from '#platform/errors/errors.ts'
import type { InstallContext } from './install-context.ts'

export interface Step {
  /** Says what happens, as the start of a sentence: `installing docker.io`. */
  readonly label: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Appended to the error when the command fails: what the person can do. */
  readonly remedy: string
}

const progressEveryMs = 5_000
const quietBelowMs = 1_000
const tailCharsMax = 2_000

/** The full path of a program, also in the administrator's directories that a user's PATH leaves out. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // not there, or not ours to run: both mean "look in the next directory"
  }
}

/** Says `label` again every five seconds, with the seconds so far, until `work` ends; then says how long it took. */
export async function withProgress<T>(context: InstallContext, label: string, work: Promise<T>): Promise<T> {
  const startedMs = context.clock.now()
  const stop = new AbortController()
  const elapsed = (): string => `${Math.round((context.clock.now() - startedMs) / 1000)} s`
  const repeat = async (): Promise<void> => {
    await context.clock.sleep(quietBelowMs, stop.signal)
    if (!stop.signal.aborted) context.say(`${label} …`)
    while (!stop.signal.aborted) {
      await context.clock.sleep(progressEveryMs, stop.signal)
      if (!stop.signal.aborted) context.say(`${label} … ${elapsed()}`)
    }
  }
  const repeating = repeat()
  try {
    return await work
  } finally {
    stop.abort()
    await repeating
    if (context.clock.now() - startedMs >= quietBelowMs) context.say(`${label}: ended after ${elapsed()}`)
  }
}

/** Resolves when the command succeeded; refuses with its last lines and the remedy when it did not. */
export async function runStep(context: InstallContext, step: Step): Promise<void> {
  const { code, tail } = await withProgress(context, step.label, execute(step))
  if (code === 0) return
  throw unavailable(
    `${step.label} failed: "${step.command} ${step.args.join(' ')}" ended with ${code}. ${step.remedy}\n${tail}`,
  )
}

async function execute(step: Step): Promise<{ code: number | null; tail: string }> {
  const child = spawn(step.command, step.args, {
    env: { ...process.env, ...step.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let tail = ''
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-tailCharsMax)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, tail }
}
