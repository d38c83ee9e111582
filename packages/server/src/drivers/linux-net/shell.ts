/** Runs the kernel's own tools in batches: one script per batch, one `ip -batch` or `nft -f` per step. */
import type { Clock } from '#platform/clock/clock.ts'
import { unavailable } from '#platform/errors/errors.ts'
import { KeptShells } from './kept-shells.ts'

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
  /** Lines that fail are told by number, and the others run all the same. */
  goesOn?: boolean
  /** Failure is this one's own: it is told under this name, and the batch goes on. */
  ownFailure?: string
}

/** Runs shell text in the host's namespace and gives its output. */
export interface Shell {
  /** Text that only looks. */
  look(script: string): Promise<string>
  /** Text that changes things. */
  change(script: string): Promise<string>
  /** When the last change of ours ended, in milliseconds since the epoch; now, while one is under way. */
  changedAt(): number
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
  if (step.goesOn) return goingOn(step)
  if (step.mayFail) return `${command} 2>/dev/null || :${input}`
  if (step.ownFailure === undefined)
    return `${command} || { echo ${quote(failureMark + step.about)} >&2; exit 1; }${input}`
  return `words=$(${command} 2>&1${input}) || { echo ${quote(`@@ failed ${step.ownFailure}`)}; echo "$words"; }\n`
}

function goingOn(step: Step): string {
  const enter = step.netns ? `nsenter --net=${step.netns} ` : ''
  const input = `\n${step.lines.join('\n')}\n${endMark}\n`
  return `words=$(${enter}ip -force -batch - 2>&1 <<'${endMark}'${input}) || { echo '@@ lines'; echo "$words"; }\n`
}

/** Which lines of a step that went on failed, counted from 0, in the tool's words. */
export function failedLines(output: string): Map<number, string> {
  const failed = new Map<number, string>()
  let words: string[] = []
  for (const line of (output.split(/^@@ lines\n/m)[1] ?? '').split('\n')) {
    const number = /^Command failed -:(\d+)/.exec(line)?.[1]
    if (number === undefined) words.push(line)
    else {
      failed.set(Number(number) - 1, toolWords(words))
      words = []
    }
  }
  return failed
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
export function createShell(clock: Clock, hostNamespace?: string): Shell {
  const shells = new KeptShells()
  const run = (script: string) => runScript(shells, hostNamespace ? inside(hostNamespace, script) : script)
  let under = 0
  let changedAt = 0
  const change = async (script: string): Promise<string> => {
    under++
    try {
      return await run(script)
    } finally {
      under--
      changedAt = clock.now()
    }
  }
  return { look: run, change, changedAt: () => (under > 0 ? clock.now() : changedAt) }
}

const inside = (namespace: string, script: string): string =>
  `nsenter --net=${namespace} sh -s <<'${hostEndMark}'\n${script}\n${hostEndMark}`

/** Runs the steps in order; rejects with the tool's own words about the step that failed. */
export async function runSteps(shell: Shell, steps: Step[]): Promise<string> {
  const script = scriptOf(steps)
  return script === '' ? '' : await shell.change(script)
}

export const countLines = (steps: Step[]): number => steps.reduce((sum, step) => sum + step.lines.length, 0)

const endMark = 'QUAYSTONE_END'
const hostEndMark = 'QUAYSTONE_HOST_END'
const failureMark = 'quaystone-step: '

async function runScript(shells: KeptShells, script: string): Promise<string> {
  const { code, output, complaints } = await shells.run(script)
  if (code !== 0) throw unavailable(sentenceOf(complaints, code))
  return output
}

/** `could not plug port x: RTNETLINK answers: File exists`. */
function sentenceOf(complaints: string, code: number): string {
  const lines = complaints.split('\n')
  const about = lines.findLast((line) => line.startsWith(failureMark))?.slice(failureMark.length)
  const words = toolWords(lines.filter((line) => !line.startsWith(failureMark)))
  return `could not ${about ?? "run the host's network tools"}: ${words || `exit code ${code}`}`
}

/** The kernel's words that say too little. */
const plainer: Readonly<Record<string, string>> = {
  'RTNETLINK answers: Exchange full': 'a network has 1,023 ports on one host at most: as many as a Linux bridge',
}

/** The first words of a tool's complaint; `Command failed -:3` says nothing to the reader. */
const toolWords = (lines: string[]): string =>
  lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('Command failed'))
    .map((line) => plainer[line] ?? line)
    .slice(0, 4)
    .join('; ')
