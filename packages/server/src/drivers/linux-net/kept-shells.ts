/** Shells that stay and run one script after another: to start one costs a fork of this whole process each time. */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { unavailable } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'

export interface ScriptEnd {
  code: number
  output: string
  complaints: string
}

/** Idle shells beyond these end at once. */
const idleMax = 8

export class KeptShells {
  readonly #idle = new Set<KeptShell>()

  /** Runs a script in an idle shell, or in a new one when all are at work. Standard input is empty. */
  async run(script: string): Promise<ScriptEnd> {
    const shell = this.#take()
    const end = await shell.run(script)
    if (this.#idle.size < idleMax) this.#idle.add(shell)
    else shell.end()
    return end
  }

  #take(): KeptShell {
    for (const shell of this.#idle) {
      this.#idle.delete(shell)
      if (shell.isAlive) return shell
    }
    return new KeptShell()
  }
}

/** What a pipe brought. Only its end is looked at while it grows: a listing comes in hundreds of pieces. */
class Gathered {
  #pieces: string[] = []
  tail = ''

  add(text: string): void {
    this.#pieces.push(text)
    this.tail = (this.tail + text).slice(-markTailMax)
  }

  /** Everything but the last characters; begins anew. */
  take(withoutLast: number): string {
    const all = this.#pieces.join('')
    this.#pieces = []
    this.tail = ''
    return all.slice(0, all.length - withoutLast)
  }
}

interface Job {
  mark: string
  resolve(end: ScriptEnd): void
  reject(error: Error): void
}

/** One `sh`. It reads its next script from a pipe, so it ends with this process, however that ends. */
class KeptShell {
  readonly #child: ChildProcess
  readonly #pipes: Socket[]
  readonly #output = new Gathered()
  readonly #complaints = new Gathered()
  #job: Job | undefined
  isAlive = true

  constructor() {
    this.#child = spawn('sh', ['-s'], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: toolPath(), LC_ALL: 'C' } })
    const { stdin, stdout, stderr } = this.#child
    this.#pipes = [stdin, stdout, stderr] as Socket[]
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output.add(text)
      this.#settle()
    })
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints.add(text)
      this.#settle()
    })
    // A shell that dies closes the pipe; its end, not EPIPE, is the news.
    stdin?.on('error', () => undefined)
    this.#child.once('error', (error) => this.#die(`cannot be started: ${error.message}`))
    this.#child.once('close', (code, signal) => this.#die(`ended (${signal ?? `exit code ${code}`})`))
  }

  run(script: string): Promise<ScriptEnd> {
    const mark = `@@end-${uuid()}`
    this.#output.take(0)
    this.#complaints.take(0)
    this.#hold(true)
    return new Promise((resolve, reject) => {
      this.#job = { mark, resolve, reject }
      // The script's own `exit` ends the subshell only.
      const marks = `printf '\\n%s %s\\n' ${mark} $?; printf '\\n%s\\n' ${mark} >&2`
      this.#child.stdin?.write(`(\n${script}\n) </dev/null\n${marks}\n`)
    })
  }

  end(): void {
    this.#child.stdin?.end()
  }

  #settle(): void {
    const job = this.#job
    if (job === undefined) return
    const code = new RegExp(`\\n${job.mark} (\\d+)\\n$`).exec(this.#output.tail)
    const complaintsEnd = `\n${job.mark}\n`
    if (code === null || !this.#complaints.tail.endsWith(complaintsEnd)) return
    this.#job = undefined
    this.#hold(false)
    job.resolve({
      code: Number(code[1]),
      output: this.#output.take(code[0].length),
      complaints: this.#complaints.take(complaintsEnd.length),
    })
  }

  #die(how: string): void {
    this.isAlive = false
    this.#job?.reject(unavailable(`The shell for the host's network tools ${how}`))
    this.#job = undefined
  }

  /** An idle shell does not keep this process from its end. */
  #hold(held: boolean): void {
    for (const each of [this.#child, ...this.#pipes]) {
      if (held) each.ref()
      else each.unref()
    }
  }
}

const markTailMax = 80

/** Services often start with a PATH that lacks the administrator's tools. */
const toolPath = (): string => `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`
