/** Runs an official program to its end; what it printed, or an error that shows both of its outputs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'

export interface Invocation {
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly timeoutMs?: number
}

const usualTimeoutMs = 180_000

export class ProgramFailed extends Error {
  readonly stderr: string

  constructor(invocation: Invocation, how: string, stdout: string, stderr: string) {
    super(`${invocation.command} ${invocation.args.join(' ')}\n  ended with ${how}\n${stdout}${stderr}`)
    this.stderr = stderr
  }
}

export async function runProgram(invocation: Invocation): Promise<string> {
  const { command, args, env, cwd, timeoutMs = usualTimeoutMs } = invocation
  const child = spawn(command, args, {
    env,
    cwd,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  const [stdout, stderr, [code, signal]] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended])
  if (code === 0) return stdout.toString()
  throw new ProgramFailed(invocation, signal ?? String(code), stdout.toString(), stderr.toString())
}
