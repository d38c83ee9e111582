/** What flows in and out of a container: logs, exec, terminals, archives, figures. */
import { PassThrough, pipeline, type Duplex, type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { ContainerRuntime, ContainerStats, ExecResult } from '#services/workloads/ports.ts'
import type { EngineClient } from './engine-client.ts'
import type { EngineContainers, OwnContainer } from './engine-containers.ts'
import { OutputDemux } from './output-frames.ts'

interface Size { columns: number; rows: number }
type ExecOptions = NonNullable<Parameters<ContainerRuntime['exec']>[2]>

/** The part of `GET /containers/{id}/stats` that is read; a stopped container has empty objects. */
interface EngineStats {
  cpu_stats?: { cpu_usage?: { total_usage?: number } }
  memory_stats?: { usage?: number; limit?: number; stats?: Record<string, number> }
  pids_stats?: { current?: number }
  blkio_stats?: { io_service_bytes_recursive?: { op: string; value: number }[] | null }
}

const resizePauseMs = 20
const resizeTriesMax = 25

export class EngineStreams {
  readonly #client: EngineClient
  readonly #containers: EngineContainers
  readonly #clock: Clock

  constructor(client: EngineClient, containers: EngineContainers, clock: Clock) {
    this.#client = client
    this.#containers = containers
    this.#clock = clock
  }

  async stats(id: string): Promise<ContainerStats> {
    const own = await this.#containers.own(id)
    return statsOf(
      await this.#client.json<EngineStats>('GET', `/containers/${own.id}/stats`, {
        query: { stream: false, 'one-shot': true },
      }),
    )
  }

  async logs(id: string, { tail, timestamps }: { tail?: number; timestamps?: boolean }): Promise<Buffer> {
    return await buffer(await this.#openLogs(await this.#containers.own(id), { tail: tail ?? 'all', timestamps }))
  }

  /** Ends when the container does, when the caller destroys it, or, without an error, when the signal aborts. */
  async followLogs(id: string, signal: AbortSignal): Promise<Readable> {
    const body = await this.#openLogs(await this.#containers.own(id), { follow: true })
    const out = new PassThrough()
    const leave = () => {
      body.destroy()
    }
    signal.addEventListener('abort', leave)
    body.once('close', () => {
      signal.removeEventListener('abort', leave)
      out.end()
    })
    body.once('error', (error) => {
      if (!signal.aborted) out.destroy(error)
    })
    out.once('close', leave)
    body.pipe(out)
    if (signal.aborted) leave()
    return out
  }

  async #openLogs(own: OwnContainer, query: Record<string, string | number | boolean | undefined>): Promise<Readable> {
    const { body } = await this.#client.open('GET', `/containers/${own.id}/logs`, {
      query: { stdout: true, stderr: true, ...query },
    })
    return own.tty ? body : deframed(body)
  }

  async exec(id: string, command: string[], options: ExecOptions = {}): Promise<ExecResult> {
    const own = await this.#containers.own(id)
    const execId = await this.#newExec(own, {
      Cmd: command,
      AttachStdin: options.stdin !== undefined,
      AttachStdout: true,
      AttachStderr: true,
      User: options.user,
      Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
    })
    try {
      const output = await this.#runExec(execId, options.stdin)
      const { ExitCode } = await this.#client.json<{ ExitCode: number | null }>('GET', `/exec/${execId}/json`)
      return { exitCode: ExitCode === 126 && notFound.test(output.toString()) ? 127 : (ExitCode ?? 126), output }
    } catch (error) {
      const exitCode = commandFailure(error)
      if (exitCode === undefined) throw error
      return { exitCode, output: Buffer.from(`${(error as Error).message}\n`) }
    }
  }

  async #newExec(own: OwnContainer, body: Record<string, unknown>): Promise<string> {
    const { Id } = await this.#client.json<{ Id: string }>('POST', `/containers/${own.id}/exec`, { json: body })
    return Id
  }

  async #runExec(execId: string, stdin: string | Buffer | undefined): Promise<Buffer> {
    if (stdin === undefined) {
      const { body } = await this.#client.open('POST', `/exec/${execId}/start`, {
        json: { Detach: false, Tty: false },
        timeoutMs: 0,
      })
      return await buffer(deframed(body))
    }
    const stream = await this.#client.hijack(`/exec/${execId}/start`, { Detach: false, Tty: false })
    const output = buffer(deframed(stream))
    stream.end(stdin)
    return await output
  }

  async attachTerminal(
    id: string,
    command: string[],
    size: Size,
  ): Promise<{ stream: Duplex; resize(size: Size): Promise<void> }> {
    const own = await this.#containers.own(id)
    const execId = await this.#newExec(own, {
      Cmd: command,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: true,
      Env: ['TERM=xterm-256color'],
      ConsoleSize: [size.rows, size.columns],
    })
    const stream = await this.#client.hijack(`/exec/${execId}/start`, { Detach: false, Tty: true })
    const resize = (next: Size) => this.#resize(execId, next, stream)
    await resize(size)
    return { stream, resize }
  }

  /** The engine refuses a new size until the process runs, which is shortly after the stream opens. */
  async #resize(execId: string, { columns, rows }: Size, stream: Duplex): Promise<void> {
    for (let attempt = 1; !stream.destroyed; attempt++) {
      try {
        await this.#client.text('POST', `/exec/${execId}/resize`, { query: { h: rows, w: columns } })
        return
      } catch (error) {
        if (!isRefusal(error) || error.kind === 'unavailable' || attempt === resizeTriesMax) throw error
        await this.#clock.sleep(resizePauseMs)
      }
    }
  }

  async putArchive(id: string, path: string, tar: Buffer | Readable): Promise<void> {
    const own = await this.#containers.own(id)
    await this.#client.text('PUT', `/containers/${own.id}/archive`, {
      query: { path, noOverwriteDirNonDir: true },
      tar,
      timeoutMs: 0,
    })
  }

  async getArchive(id: string, path: string): Promise<Readable> {
    const own = await this.#containers.own(id)
    return (await this.#client.open('GET', `/containers/${own.id}/archive`, { query: { path }, timeoutMs: 0 })).body
  }
}

/** An end or error of either side reaches the other, which `pipe` would not do. */
function deframed(raw: Readable): Readable {
  return pipeline(raw, new OutputDemux(), () => {})
}

const notFound = /executable file not found|exec .*no such file or directory/i

/** Engines report a command that cannot run as an error of the call; as a shell would, it is an exit code. */
function commandFailure(error: unknown): number | undefined {
  if (!isRefusal(error)) return undefined
  if (notFound.test(error.message)) return 127
  return /exec failed.*permission denied/i.test(error.message) ? 126 : undefined
}

const statsOf = (stats: EngineStats): ContainerStats => ({
  cpuTimeNs: stats.cpu_stats?.cpu_usage?.total_usage ?? 0,
  memoryBytes: memoryOf(stats.memory_stats),
  memoryMaxBytes: stats.memory_stats?.limit ?? 0,
  pids: stats.pids_stats?.current ?? 0,
  blkReadBytes: blockBytes(stats, 'read'),
  blkWriteBytes: blockBytes(stats, 'write'),
})

/** Without the page cache that the kernel would give back at once (cgroup v1 and v2 name it differently). */
function memoryOf({ usage = 0, stats = {} }: NonNullable<EngineStats['memory_stats']> = {}): number {
  return Math.max(0, usage - (stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0))
}

function blockBytes({ blkio_stats }: EngineStats, operation: string): number {
  const counted = (blkio_stats?.io_service_bytes_recursive ?? []).filter(({ op }) => op.toLowerCase() === operation)
  return counted.reduce((sum, { value }) => sum + value, 0)
}
