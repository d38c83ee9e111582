/** Runs the kernel's own tools in batches: one `sh` per batch, one `ip -batch` or `nft -f` per step. */
import { spawn } from 'node:child_process'
import { unavailable } from '#platform/errors/errors.ts'

/** One process: lines for a tool's batch mode, in a namespace. */
export interface Step {
  /** Ends the sentence "could not …" when the step fails. */
  about: string
  tool: 'ip' | 'bridge' | 'nft' | 'sh'
  lines: string[]
  /** Path of the network namespace; undefined is the host's. */
  netns?: string
  /** Failure is no news: the thing is gone already. */
  mayFail?: boolean
  /** Failure is this one's own: it is told under this name, and the batch goes on. */
  ownFailure?: string
}

/** Runs shell text in the host's namespace and gives its output. Tests replace it. */
export interface Shell {
  run(script: string): Promise<string>
}

const commands: Record<Step['tool'], string> = {
  ip: 'ip -batch -',
  bridge: 'bridge -batch -',
  nft: 'nft -f -',
  sh: 'sh -e -s',
}

/** A batch as one shell script. It stops at the first step that fails and says which. */
export const scriptOf = (steps: Step[]): string =>
  steps
    .filter((step) => step.lines.length > 0)
    .map(stepText)
    .join('')

function stepText(step: Step): string {
  const command = `${step.netns ? `nsenter --net=${step.netns} ` : ''}${commands[step.tool]} <<'${endMark}'`
  const input = `\n${step.lines.join('\n')}\n${endMark}\n`
  if (step.mayFail) return `${command} 2>/dev/null || :${input}`
  if (step.ownFailure === undefined)
    return `${command} || { echo ${quote(failureMark + step.about)} >&2; exit 1; }${input}`
  return `words=$(${command} 2>&1${input}) || { echo ${quote(`@@ failed ${step.ownFailure}`)}; echo "$words"; }\n`
}

/** The failures that steps kept for themselves: by name, in the tool's words. */
export function ownFailures(output: string): Map<string, string> {
  return new Map(
    output
      .split(/^@@ failed /m)
      .slice(1)
      .map((part) => {
        const [name = '', ...words] = part.split('\n')
        return [name, toolWords(words)]
      }),
  )
}

/** Single quotes for the shell: nothing inside is looked at. */
export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** @param hostNamespace path of the namespace that stands for the host's; undefined is this process's own. */
export function createShell(hostNamespace?: string): Shell {
  return {
    run: (script) =>
      runScript(hostNamespace ? ['nsenter', `--net=${hostNamespace}`, 'sh', '-s'] : ['sh', '-s'], script),
  }
}

/** Runs the steps in order; rejects with the tool's own words about the step that failed. */
export async function runSteps(shell: Shell, steps: Step[]): Promise<string> {
  const script = scriptOf(steps)
  return script === '' ? '' : await shell.run(script)
}

export const countLines = (steps: Step[]): number => steps.reduce((sum, step) => sum + step.lines.length, 0)

const endMark = 'QUAYSTONE_END'
const failureMark = 'quaystone-step: '

function runScript([command = 'sh', ...args]: string[], script: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: toolPath(), LC_ALL: 'C' } })
    const output: Buffer[] = []
    const complaints: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
    child.on('error', (error) => reject(unavailable(`linux-net cannot run ${command}: ${error.message}`, {}, error)))
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(output).toString())
      else reject(unavailable(sentenceOf(Buffer.concat(complaints).toString(), code)))
    })
    // A child that dies early closes the pipe; its exit code, not EPIPE, is the news.
    child.stdin.on('error', () => undefined)
    child.stdin.end(script)
  })
}

/** `could not plug port x: RTNETLINK answers: File exists`. */
function sentenceOf(complaints: string, code: number | null): string {
  const lines = complaints.split('\n')
  const about = lines.findLast((line) => line.startsWith(failureMark))?.slice(failureMark.length)
  const words = toolWords(lines.filter((line) => !line.startsWith(failureMark)))
  return `could not ${about ?? "run the host's network tools"}: ${words || `exit code ${code}`}`
}

/** The first words of a tool's complaint; `Command failed -:3` says nothing to the reader. */
const toolWords = (lines: string[]): string =>
  lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('Command failed'))
    .slice(0, 4)
    .join('; ')

/** Services often start with a PATH that lacks the administrator's tools. */
const toolPath = (): string => `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`
