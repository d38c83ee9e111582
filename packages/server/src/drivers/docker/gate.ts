/** The host's side of the network gate: one directory for each container, with a FIFO and a busybox to wait at it. */
import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { access, copyFile, link, mkdir, readdir, readFile, rename, rm, chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '#platform/clock/clock.ts'
import { uuid } from '#platform/ids/ids.ts'
import { conflict, unavailable } from '#platform/errors/errors.ts'
import { isWaitingArgv } from './gate-command.ts'

const run = promisify(execFile)
/** One process makes this many FIFOs at once, since Node cannot make any. */
const sparesAtOnce = 32
/** A started process is at its gate within milliseconds; after the first tries, something is slow. */
const briskTries = 30
const pauseMs = { brisk: 1, slow: 20 }
/** No `execve` takes this many looks; who still has no argv then has wiped it. */
const changesMax = 100

export interface GateOptions { busyboxPath: string; gateDir: string; clock: Clock }

export class Gates {
  readonly #options: GateOptions
  readonly #home: string
  readonly #spareDir: string
  readonly #preparing = new Map<string, Promise<string>>()
  #spares: string[] = []
  #ready: Promise<string> | undefined
  #making: Promise<void> | undefined

  constructor(options: GateOptions) {
    this.#options = options
    this.#home = join(options.gateDir, 'containers')
    this.#spareDir = join(options.gateDir, 'spares')
  }

  /** The directory to mount. It is made anew where it is missing or was left half made. */
  prepare(workloadId: string): Promise<string> {
    const made =
      this.#preparing.get(workloadId) ?? this.#prepare(workloadId).finally(() => this.#preparing.delete(workloadId))
    this.#preparing.set(workloadId, made)
    return made
  }

  async #prepare(workloadId: string): Promise<string> {
    this.#ready ??= this.#setUp().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    const busybox = await this.#ready
    const dir = join(this.#home, workloadId)
    await mkdir(dir, { recursive: true, mode: 0o755 })
    await Promise.all([link(busybox, join(dir, 'busybox')).catch(ignoreExisting), this.#placeFifo(join(dir, 'gate'))])
    return dir
  }

  async discard(workloadId: string): Promise<void> {
    await rm(join(this.#home, workloadId), { recursive: true, force: true })
  }

  /** The workloads that have a gate. */
  async list(): Promise<string[]> {
    return (await readdir(this.#home).catch(ignoreMissing)) ?? []
  }

  /** True while the process `pid` has not become the container's command. */
  isWaiting(pid: number): boolean {
    const place = placeOf(pid)
    return place === 'waiting' || place === 'changing'
  }

  /** False once the process has ended, even while its parent has not noticed. */
  isAlive(pid: number): boolean {
    return placeOf(pid) !== 'ended'
  }

  /**
   * Lets `pid` through; returns when it has become the command. False when it ended, or went by another's word.
   * Opening without a reader fails at once (ENXIO), so a reader that is not there yet is waited for; one that has
   * left with an earlier word breaks the pipe (EPIPE); a word said twice is lost with the pipe.
   */
  async open(workloadId: string, pid: number): Promise<boolean> {
    const fifo = join(this.#home, workloadId, 'gate')
    let said = false
    let changing = 0
    for (let attempt = 1; this.isWaiting(pid) && changing < changesMax; attempt++) {
      said = sayGo(fifo) || said
      changing = placeOf(pid) === 'changing' ? changing + 1 : 0
      await this.#options.clock.sleep(attempt <= briskTries ? pauseMs.brisk : pauseMs.slow)
    }
    return said
  }

  async #setUp(): Promise<string> {
    const { busyboxPath, gateDir } = this.#options
    await Promise.all([mkdir(this.#home, { recursive: true }), mkdir(this.#spareDir, { recursive: true })])
    const content = await readFile(busyboxPath).catch((error: unknown) => {
      throw unavailable(
        `The network gate needs a static busybox at ${busyboxPath}: install busybox-static.`,
        { reason: 'busybox' },
        error,
      )
    })
    const target = join(gateDir, `busybox-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`)
    if (!(await exists(target))) {
      const draft = `${target}.${uuid()}`
      await copyFile(busyboxPath, draft)
      await chmod(draft, 0o755)
      await rename(draft, target)
    }
    this.#spares = await readdir(this.#spareDir)
    return target
  }

  /** A FIFO at which somebody may wait is never replaced; `rename` leaves no second name for another gate to get. */
  async #placeFifo(target: string): Promise<void> {
    if (!(await exists(target))) await rename(join(this.#spareDir, await this.#takeSpare()), target)
  }

  async #takeSpare(): Promise<string> {
    for (;;) {
      const spare = this.#spares.pop()
      if (spare !== undefined) return spare
      this.#making ??= this.#makeSpares().finally(() => {
        this.#making = undefined
      })
      await this.#making
    }
  }

  async #makeSpares(): Promise<void> {
    const names = Array.from({ length: sparesAtOnce }, uuid)
    await run(this.#options.busyboxPath, ['mkfifo', '-m', '644', ...names], { cwd: this.#spareDir })
    this.#spares.push(...names)
  }
}

/** Opens and writes in one tick: a restart in between would have to be a thousand times faster than engines are. */
function sayGo(fifo: string): boolean {
  let descriptor: number
  try {
    descriptor = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENXIO') return false
    if (codeOf(error) === 'ENOENT')
      throw conflict('The gate of this container is gone: stop and start it.', { reason: 'gateGone' }, error)
    throw error
  }
  try {
    return writeSync(descriptor, 'go\n') === 3
  } catch (error) {
    if (codeOf(error) === 'EPIPE') return false
    throw error
  } finally {
    closeSync(descriptor)
  }
}

type Place = 'ended' | 'waiting' | 'through' | 'changing'

/**
 * In the middle of `execve` a process has no argv for a moment (`changing`); so has a zombie, and a command that
 * wiped its own.
 */
function placeOf(pid: number): Place {
  const argv = pid > 0 ? readProc(`/proc/${pid}/cmdline`) : undefined
  if (argv === undefined) return 'ended'
  if (argv !== '') return isWaitingArgv(argv.split('\0')) ? 'waiting' : 'through'
  const state = readProc(`/proc/${pid}/stat`)?.replace(/^.*\) /s, '')[0]
  return state === undefined || state === 'Z' || state === 'X' ? 'ended' : 'changing'
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined
    throw error
  }
}

const codeOf = (error: unknown) => (error as { code?: string })?.code
const exists = (path: string) =>
  access(path).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    },
  )
const ignoreExisting = (error: unknown): undefined => { if (codeOf(error) !== 'EEXIST') throw error }
const ignoreMissing = (error: unknown): undefined => { if (codeOf(error) !== 'ENOENT') throw error }
