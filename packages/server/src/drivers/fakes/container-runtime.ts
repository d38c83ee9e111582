/** A container engine in memory with the real one's manners; it fails and is slow on demand. */
import { createHash } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { isoMicros } from '#platform/clock/clock.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import type {
  BeforeCommand,
  ContainerRuntime,
  ContainerSpec,
  ContainerStats,
  ContainerStatus,
  EngineEvent,
  EngineImage,
  EngineInfo,
  ExecResult,
} from '#services/workloads/ports.ts'
import { effectiveCommand } from '../docker/effective-command.ts'
import { FakeEngine } from './container-runtime-engine.ts'
import { readTar, tarOf } from './container-runtime-images.ts'
import { newStatus, type FakeRuntimeOptions } from './container-runtime-model.ts'
import { fakeTerminal } from './container-runtime-programs.ts'

export class FakeRuntime extends FakeEngine implements ContainerRuntime {

  async info(_signal?: AbortSignal): Promise<EngineInfo> {
    await this.enter('info')
    const { name = 'fake', vcpus = 8, ramMiB = 16384, diskGiB = 100 } = this.options
    const runningContainers = [...this.containers.values()].filter((one) => this.isAlive(one)).length
    return {
      name,
      vcpus,
      ramMiB,
      diskGiB,
      diskFreeGiB: diskGiB,
      apiVersion: '1.56',
      engineVersion: 'fake',
      storeKind: 'containerd',
      architecture: 'x86_64',
      kernel: '6.1.0',
      runningContainers,
    }
  }

  async ping(): Promise<boolean> {
    try {
      await this.enter('ping')
      return true
    } catch {
      return false
    }
  }

  async create(spec: ContainerSpec): Promise<{ id: string }> {
    await this.enter('create')
    const existing = [...this.containers.values()].find((one) => one.status.workloadId === spec.workloadId)
    if (existing) return { id: existing.status.id }
    this.refuseNameInUse(spec.name)
    const command = this.commandOf(spec)
    const id = createHash('sha256').update(`${spec.workloadId} ${this.nextPid++}`).digest('hex')
    this.containers.set(id, {
      status: newStatus({ id, spec, command, cloudId: this.options.cloudId ?? 'fake' }),
      spec,
      gate: 'open',
      atGate: Promise.resolve(),
      logs: '',
      followers: new Set(),
      files: new Map(),
    })
    this.happened('create', this.find(id))
    return { id }
  }

  async start(id: string, beforeCommand?: BeforeCommand): Promise<ContainerStatus> {
    await this.enter('start')
    const container = this.find(id)
    if (beforeCommand && !container.status.gated)
      throw badRequest(
        `Container ${id} was made without a gate: its network cannot be filled before its command runs.`,
        { field: 'gated' },
      )
    if (container.status.state === 'paused')
      throw conflict(`Container ${container.status.name} is paused: unpause it first.`)
    this.refuseMissingCommand(container)
    if (!this.isAlive(container)) this.run(container)
    const status = structuredClone(container.status)
    await this.passInTurn(container, beforeCommand)
    return status
  }

  async openGate(id: string, beforeCommand?: BeforeCommand): Promise<boolean> {
    await this.enter('openGate')
    return await this.passInTurn(this.find(id), beforeCommand)
  }

  async gateWaiting(id: string): Promise<boolean> {
    await this.enter('gateWaiting')
    const container = this.find(id)
    return this.isAlive(container) && container.gate === 'waiting'
  }

  async stop(id: string, _graceSeconds: number): Promise<void> {
    await this.enter('stop')
    const container = this.find(id)
    if (!this.isAlive(container)) return
    this.die(container, 143, false)
    this.happened('stop', container)
  }

  async kill(id: string, signal = 'SIGKILL'): Promise<void> {
    await this.enter('kill')
    const container = this.alive(id, 'kill')
    this.happened('kill', container)
    if (/KILL$|^9$/.test(signal)) this.die(container, 137, false)
    else if (/TERM$|INT$/.test(signal)) this.die(container, 143, false)
  }

  async pause(id: string): Promise<void> {
    await this.#freeze(id, 'pause', 'paused')
  }
  async unpause(id: string): Promise<void> {
    await this.#freeze(id, 'unpause', 'running')
  }

  async #freeze(id: string, verb: 'pause' | 'unpause', state: 'paused' | 'running'): Promise<void> {
    await this.enter(verb)
    const container = this.alive(id, verb)
    if (container.status.state === state) return
    container.status.state = state
    this.happened(verb, container)
  }

  async rename(id: string, name: string): Promise<void> {
    await this.enter('rename')
    const container = this.find(id)
    if (container.status.name === name) return
    this.refuseNameInUse(name)
    container.status.name = name
    this.happened('rename', container)
  }

  async update(id: string, resources: Partial<ContainerSpec['resources']>): Promise<void> {
    await this.enter('update')
    const container = this.find(id)
    container.spec = { ...container.spec, resources: { ...container.spec.resources, ...resources } }
    this.happened('update', container)
  }

  async remove(id: string): Promise<void> {
    await this.enter('remove')
    const container = this.containers.get(id)
    if (!container) return
    if (this.isAlive(container)) this.die(container, 137, false)
    this.containers.delete(id)
    this.happened('destroy', container)
  }

  async inspect(id: string): Promise<ContainerStatus> {
    await this.enter('inspect')
    return structuredClone(this.find(id).status)
  }

  async list(): Promise<ContainerStatus[]> {
    await this.enter('list')
    return [...this.containers.values()].map((one) => structuredClone(one.status))
  }

  async stats(id: string): Promise<ContainerStats> {
    await this.enter('stats')
    const container = this.find(id)
    const alive = this.isAlive(container)
    const memoryMaxBytes = alive ? container.spec.resources.ramMiB * 2 ** 20 : 0
    return {
      cpuTimeNs: alive ? 5_000_000 : 0,
      memoryBytes: alive ? 1 << 20 : 0,
      memoryMaxBytes,
      pids: alive ? 1 : 0,
      blkReadBytes: 0,
      blkWriteBytes: 0,
    }
  }

  async logs(id: string, options: { tail?: number; timestamps?: boolean }): Promise<Buffer> {
    await this.enter('logs')
    const lines = this.find(id)
      .logs.split(/(?<=\n)/)
      .filter((line) => line !== '')
    const kept = options.tail === undefined ? lines : options.tail === 0 ? [] : lines.slice(-options.tail)
    const stamp = options.timestamps ? `${isoMicros(this.clock.now())} ` : ''
    return Buffer.from(kept.map((line) => stamp + line).join(''))
  }

  async followLogs(id: string, signal: AbortSignal): Promise<Readable> {
    await this.enter('followLogs')
    const container = this.find(id)
    const stream = new PassThrough()
    stream.write(container.logs)
    if (!this.isAlive(container)) return stream.end()
    container.followers.add(stream)
    signal.addEventListener('abort', () => stream.end())
    return stream
  }

  async exec(
    id: string,
    command: string[],
    options: Parameters<ContainerRuntime['exec']>[2] = {},
  ): Promise<ExecResult> {
    await this.enter('exec')
    const container = this.running(id, 'exec')
    const program = this.programs.get(command[0]?.split('/').pop() ?? '')
    if (program === 'missing')
      return { exitCode: 127, output: Buffer.from(`exec: "${command[0]}": executable file not found in $PATH\n`) }
    const env = { ...container.spec.env, ...options.env }
    const result = program?.({
      command,
      env,
      user: options.user ?? container.spec.user ?? '',
      stdin: Buffer.from(options.stdin ?? ''),
    })
    return { exitCode: result?.exitCode ?? 0, output: Buffer.from(result?.output ?? '') }
  }

  async attachTerminal(id: string, _command: string[], size: { columns: number; rows: number }) {
    await this.enter('attachTerminal')
    this.running(id, 'exec')
    return fakeTerminal(size)
  }

  async putArchive(id: string, path: string, tar: Buffer | Readable): Promise<void> {
    await this.enter('putArchive')
    const container = this.find(id)
    for (const [name, content] of await readTar(Readable.from(tar)))
      container.files.set(`${path.replace(/\/$/, '')}/${name}`, content)
  }

  async getArchive(id: string, path: string): Promise<Readable> {
    await this.enter('getArchive')
    const found = [...this.find(id).files].filter(([name]) => name === path || name.startsWith(`${path}/`))
    if (found.length === 0) throw notFound(`Could not find the file ${path} in container ${id}`, { reason: 'path' })
    const parent = path.slice(0, path.lastIndexOf('/') + 1)
    return tarOf(found.map(([name, content]) => ({ name: name.slice(parent.length), content })))
  }

  async imageInspect(reference: string): Promise<EngineImage | undefined> {
    await this.enter('imageInspect')
    return this.images.find(reference)
  }
  async imageLoad(tar: Readable, reference?: string): Promise<EngineImage[]> {
    await this.enter('imageLoad')
    return await this.images.load(tar, reference)
  }
  async imageImport(tar: Readable, reference: string, changes: string[]): Promise<EngineImage> {
    await this.enter('imageImport')
    return await this.images.import(tar, reference, changes)
  }
  async imageTag(id: string, reference: string): Promise<void> {
    await this.enter('imageTag')
    this.images.tag(id, reference)
  }
  async imageList(): Promise<EngineImage[]> {
    await this.enter('imageList')
    return this.images.list()
  }
  async imageSave(reference: string): Promise<Readable> {
    await this.enter('imageSave')
    return tarOf(this.images.save(reference))
  }

  async imageRemove(reference: string): Promise<void> {
    await this.enter('imageRemove')
    const image = this.images.find(reference)
    const user = [...this.containers.values()].find((one) => this.images.find(one.spec.image)?.id === image?.id)
    if (image && user && image.tags.length < 2)
      throw conflict(`Image ${reference} is in use by container ${user.status.name}.`)
    this.images.remove(reference)
  }

  async commit(id: string, reference: string, _labels: Record<string, string>): Promise<EngineImage> {
    await this.enter('commit')
    const { spec } = this.find(id)
    return this.images.add(reference, effectiveCommand(spec, this.images.get(spec.image)))
  }

  async watch(listener: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.listeners.add(listener)
    listener({ kind: 'daemon', action: 'resync', atMs: this.clock.now() })
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    this.listeners.delete(listener)
  }
}

export const createFakeRuntime = (options: FakeRuntimeOptions = {}): FakeRuntime => new FakeRuntime(options)
