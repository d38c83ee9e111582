/** The few programs that exist inside the fake engine's containers, and the terminal that runs them. */
import { Duplex } from 'node:stream'

export interface ProgramRun { command: string[]; env: Record<string, string>; user: string; stdin: Buffer }
/** What a program does: it writes output and exits, or `exitCode: undefined`: it keeps running (a server). */
export interface ProgramResult { exitCode?: number; output: string }
export type Program = (run: ProgramRun) => ProgramResult

const exits = (exitCode: number, output = ''): ProgramResult => ({ exitCode, output })

/** `sh -c` understands `echo TEXT`, `exit N` and `sleep N`, joined by `;` or `&&`. */
function shell(run: ProgramRun): ProgramResult {
  let output = ''
  for (const step of (run.command[2] ?? '').split(/;|&&/).map((text) => text.trim())) {
    const [name, ...words] = step.split(/\s+/)
    if (name === 'echo') output += words.join(' ') + '\n'
    if (name === 'exit') return exits(Number(words[0] ?? 0), output)
    if (name === 'sleep') return { output }
  }
  return exits(0, output)
}

export const defaultPrograms = (): Map<string, Program | 'missing'> => new Map<string, Program | 'missing'>([
  ['true', () => exits(0)],
  ['false', () => exits(1)],
  ['echo', (run) => exits(0, run.command.slice(1).join(' ') + '\n')],
  ['cat', (run) => exits(0, run.stdin.toString())],
  ['env', (run) => exits(0, Object.entries(run.env).map(([name, value]) => `${name}=${value}\n`).join(''))],
  ['id', (run) => exits(0, `${run.user || '0'}\n`)],
  ['sleep', () => ({ output: '' })],
  ['sh', shell],
  ['no-such-command', 'missing'],
])

/** A line-wise terminal: `echo …`, `stty size`, `exit`. It echoes what is typed, as a TTY does. */
export function fakeTerminal(initial: { columns: number; rows: number }) {
  let size = initial
  const answer = (line: string) => line === 'stty size' ? `${size.rows} ${size.columns}\r\n`
    : line.startsWith('echo ') ? `${line.slice(5)}\r\n` : ''
  let typed = ''
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      stream.push(chunk.toString().replaceAll('\r', '\r\n'))
      const lines = (typed + chunk.toString()).split(/[\r\n]/)
      typed = lines.pop() ?? ''
      for (const line of lines) stream.push(line === 'exit' ? null : answer(line))
      done()
    },
  })
  return { stream: stream as Duplex, resize: async (next: { columns: number; rows: number }) => { size = next } }
}
