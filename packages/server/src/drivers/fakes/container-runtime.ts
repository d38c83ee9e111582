/** A container engine in memory with the real one's manners: states, gate, refusals; with failures and latency on demand. */
import { createHash } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { badRequest, conflict, notFound, unavailable } from '#platform/errors/errors.ts'
import { isoMicros, systemClock, type Clock } from '#platform/clock/clock.ts'
import type {
  BeforeCommand, ContainerRuntime, ContainerSpec, ContainerStats, ContainerStatus, EngineEvent, EngineImage, EngineInfo, ExecResult,
} from '#services/workloads/ports.ts'
import { effectiveCommand } from '../docker/effective-command.ts'
import { newStatus, type Container, type FakeRuntimeOptions } from './container-runtime-model.ts'
import { FakeImages, readTar, tarOf } from './container-runtime-images.ts'
import { defaultPrograms, fakeTerminal, type Program, type ProgramResult } from './container-runtime-programs.ts'

type Method = Exclude<keyof ContainerRuntime, 'watch'>

export class FakeRuntime implements ContainerRuntime {
  /** How often each method was called. */
  readonly calls = new Map<string, number>()
  /** What happened, in order: `create web`, `start web`, `gate web`, `command web`, `stop web`… (by container name). */
  readonly history: string[] = []
  readonly images = new FakeImages()
  /** Programs of all containers by base name; an unknown one runs until it is stopped. */
  readonly programs: Map<string, Program | 'missing'> = defaultPrograms()
  latencyMs: number
  readonly #options: FakeRuntimeOptions
  readonly #clock: Clock
  readonly #containers = new Map<string, Container>()
  readonly #failures: { method: string; error: Error }[] = []
  readonly #listeners = new Set<(event: EngineEvent) => void>()
  #nextPid = 1000
  #down = false

  constructor(options: FakeRuntimeOptions = {}) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.latencyMs = options.latencyMs ?? 0
  }

  // --- what a test may do to the engine ---

  /** The next call of `method` throws `error`, before it has any effect. */
  failNext(method: Method, error: Error): void { this.#failures.push({ method, error }) }

  /** The engine stops answering, as if its daemon was gone; containers run on. */
  goDown(): void { this.#down = true }
  /** It answers again; watchers get `resync`. */
  comeBack(): void {
    this.#down = false
    this.#emit({ kind: 'daemon', action: 'resync' })
  }

  /** The container's command ends by itself; its restart policy decides what follows. */
  exit(id: string, exitCode: number, options: { oomKilled?: boolean } = {}): void {
    const container = this.#find(id)
    this.#die(container, exitCode, options.oomKilled ?? false)
    const policy = container.spec.restartPolicy?.name ?? 'no'
    if (policy === 'no' || (policy === 'on-failure' && exitCode === 0)) return
    container.status.restartCount += 1
    this.#run(container)
  }

  /** The host's power fails and returns: everything dies; `always` and `unless-stopped` containers run again. */
  rebootHost(): void {
    for (const container of this.#containers.values()) {
      if (!this.#isAlive(container)) continue
      this.#die(container, 255, false)
      if (['always', 'unless-stopped'].includes(container.spec.restartPolicy?.name ?? 'no')) this.#run(container)
    }
    this.#emit({ kind: 'daemon', action: 'resync' })
  }

  specOf(id: string): ContainerSpec { return this.#find(id).spec }
  files(id: string): Map<string, Buffer> { return this.#find(id).files }
  writeLog(id: string, text: string): void { this.#log(this.#find(id), text) }

  // --- ContainerRuntime ---

  async info(_signal?: AbortSignal): Promise<EngineInfo> {
    await this.#enter('info')
    const { name = 'fake', vcpus = 8, ramMiB = 16384, diskGiB = 100 } = this.#options
    const runningContainers = [...this.#containers.values()].filter((one) => this.#isAlive(one)).length
    return {
      name, vcpus, ramMiB, diskGiB, diskFreeGiB: diskGiB, apiVersion: '1.56', engineVersion: 'fake', storeKind: 'containerd',
      architecture: 'x86_64', kernel: '6.1.0', runningContainers,
    }
  }

  async ping(): Promise<boolean> {
    try { await this.#enter('ping'); return true } catch { return false }
  }

  async create(spec: ContainerSpec): Promise<{ id: string }> {
    await this.#enter('create')
    const existing = [...this.#containers.values()].find((one) => one.status.workloadId === spec.workloadId)
    if (existing) return { id: existing.status.id }
    this.#refuseNameInUse(spec.name)
    const command = this.#commandOf(spec)
    const id = createHash('sha256').update(`${spec.workloadId} ${this.#nextPid++}`).digest('hex')
    this.#containers.set(id, { status: newStatus({ id, spec, command, cloudId: this.#options.cloudId ?? 'fake' }), spec, gate: 'open', atGate: Promise.resolve(), logs: '', followers: new Set(), files: new Map() })
    this.#happened('create', this.#find(id))
    return { id }
  }

  async start(id: string, beforeCommand?: BeforeCommand): Promise<ContainerStatus> {
    await this.#enter('start')
    const container = this.#find(id)
    if (beforeCommand && !container.status.gated) throw badRequest(`Container ${id} was made without a gate: its network cannot be filled before its command runs.`, { field: 'gated' })
    if (container.status.state === 'paused') throw conflict(`Container ${container.status.name} is paused: unpause it first.`)
    this.#refuseMissingCommand(container)
    if (!this.#isAlive(container)) this.#run(container)
    const status = structuredClone(container.status)
    await this.#openGate(container, beforeCommand)
    return status
  }

  async openGate(id: string, beforeCommand?: BeforeCommand): Promise<boolean> {
    await this.#enter('openGate')
    return await this.#openGate(this.#find(id), beforeCommand)
  }

  async gateWaiting(id: string): Promise<boolean> {
    await this.#enter('gateWaiting')
    const container = this.#find(id)
    return this.#isAlive(container) && container.gate === 'waiting'
  }

  async stop(id: string, _graceSeconds: number): Promise<void> {
    await this.#enter('stop')
    const container = this.#find(id)
    if (!this.#isAlive(container)) return
    this.#die(container, 143, false)
    this.#happened('stop', container)
  }

  async kill(id: string, signal = 'SIGKILL'): Promise<void> {
    await this.#enter('kill')
    const container = this.#alive(id, 'kill')
    this.#happened('kill', container)
    if (/KILL$|^9$/.test(signal)) this.#die(container, 137, false)
    else if (/TERM$|INT$/.test(signal)) this.#die(container, 143, false)
  }

  async pause(id: string): Promise<void> { await this.#freeze(id, 'pause', 'paused') }
  async unpause(id: string): Promise<void> { await this.#freeze(id, 'unpause', 'running') }

  async #freeze(id: string, verb: 'pause' | 'unpause', state: 'paused' | 'running'): Promise<void> {
    await this.#enter(verb)
    const container = this.#alive(id, verb)
    if (container.status.state === state) return
    container.status.state = state
    this.#happened(verb, container)
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#enter('rename')
    const container = this.#find(id)
    if (container.status.name === name) return
    this.#refuseNameInUse(name)
    container.status.name = name
    this.#happened('rename', container)
  }

  async update(id: string, resources: Partial<ContainerSpec['resources']>): Promise<void> {
    await this.#enter('update')
    const container = this.#find(id)
    container.spec = { ...container.spec, resources: { ...container.spec.resources, ...resources } }
    this.#happened('update', container)
  }

  async remove(id: string): Promise<void> {
    await this.#enter('remove')
    const container = this.#containers.get(id)
    if (!container) return
    if (this.#isAlive(container)) this.#die(container, 137, false)
    this.#containers.delete(id)
    this.#happened('destroy', container)
  }

  async inspect(id: string): Promise<ContainerStatus> {
    await this.#enter('inspect')
    return structuredClone(this.#find(id).status)
  }

  async list(): Promise<ContainerStatus[]> {
    await this.#enter('list')
    return [...this.#containers.values()].map((one) => structuredClone(one.status))
  }

  async stats(id: string): Promise<ContainerStats> {
    await this.#enter('stats')
    const container = this.#find(id)
    const alive = this.#isAlive(container)
    const memoryMaxBytes = alive ? container.spec.resources.ramMiB * 2 ** 20 : 0
    return { cpuTimeNs: alive ? 5_000_000 : 0, memoryBytes: alive ? 1 << 20 : 0, memoryMaxBytes, pids: alive ? 1 : 0, blkReadBytes: 0, blkWriteBytes: 0 }
  }

  async logs(id: string, options: { tail?: number; timestamps?: boolean }): Promise<Buffer> {
    await this.#enter('logs')
    const lines = this.#find(id).logs.split(/(?<=\n)/).filter((line) => line !== '')
    const kept = options.tail === undefined ? lines : options.tail === 0 ? [] : lines.slice(-options.tail)
    const stamp = options.timestamps ? `${isoMicros(this.#clock.now())} ` : ''
    return Buffer.from(kept.map((line) => stamp + line).join(''))
  }

  async followLogs(id: string, signal: AbortSignal): Promise<Readable> {
    await this.#enter('followLogs')
    const container = this.#find(id)
    const stream = new PassThrough()
    stream.write(container.logs)
    if (!this.#isAlive(container)) return stream.end()
    container.followers.add(stream)
    signal.addEventListener('abort', () => stream.end())
    return stream
  }

  async exec(id: string, command: string[], options: Parameters<ContainerRuntime['exec']>[2] = {}): Promise<ExecResult> {
    await this.#enter('exec')
    const container = this.#running(id, 'exec')
    const program = this.programs.get(command[0]?.split('/').pop() ?? '')
    if (program === 'missing') return { exitCode: 127, output: Buffer.from(`exec: "${command[0]}": executable file not found in $PATH\n`) }
    const env = { ...container.spec.env, ...options.env }
    const result = program?.({ command, env, user: options.user ?? container.spec.user ?? '', stdin: Buffer.from(options.stdin ?? '') })
    return { exitCode: result?.exitCode ?? 0, output: Buffer.from(result?.output ?? '') }
  }

  async attachTerminal(id: string, _command: string[], size: { columns: number; rows: number }) {
    await this.#enter('attachTerminal')
    this.#running(id, 'exec')
    return fakeTerminal(size)
  }

  async putArchive(id: string, path: string, tar: Buffer | Readable): Promise<void> {
    await this.#enter('putArchive')
    const container = this.#find(id)
    for (const [name, content] of await readTar(Readable.from(tar))) container.files.set(`${path.replace(/\/$/, '')}/${name}`, content)
  }

  async getArchive(id: string, path: string): Promise<Readable> {
    await this.#enter('getArchive')
    const found = [...this.#find(id).files].filter(([name]) => name === path || name.startsWith(`${path}/`))
    if (found.length === 0) throw notFound(`Could not find the file ${path} in container ${id}`, { reason: 'path' })
    const parent = path.slice(0, path.lastIndexOf('/') + 1)
    return tarOf(found.map(([name, content]) => ({ name: name.slice(parent.length), content })))
  }

  async imageInspect(reference: string): Promise<EngineImage | undefined> { await this.#enter('imageInspect'); return this.images.find(reference) }
  async imageLoad(tar: Readable, reference?: string): Promise<EngineImage[]> { await this.#enter('imageLoad'); return await this.images.load(tar, reference) }
  async imageImport(tar: Readable, reference: string, changes: string[]): Promise<EngineImage> { await this.#enter('imageImport'); return await this.images.import(tar, reference, changes) }
  async imageTag(id: string, reference: string): Promise<void> { await this.#enter('imageTag'); this.images.tag(id, reference) }
  async imageList(): Promise<EngineImage[]> { await this.#enter('imageList'); return this.images.list() }
  async imageSave(reference: string): Promise<Readable> { await this.#enter('imageSave'); return tarOf(this.images.save(reference)) }

  async imageRemove(reference: string): Promise<void> {
    await this.#enter('imageRemove')
    const image = this.images.find(reference)
    const user = [...this.#containers.values()].find((one) => this.images.find(one.spec.image)?.id === image?.id)
    if (image && user && image.tags.length < 2) throw conflict(`Image ${reference} is in use by container ${user.status.name}.`)
    this.images.remove(reference)
  }

  async commit(id: string, reference: string, _labels: Record<string, string>): Promise<EngineImage> {
    await this.#enter('commit')
    const { spec } = this.#find(id)
    return this.images.add(reference, effectiveCommand(spec, this.images.get(spec.image)))
  }

  async watch(listener: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#listeners.add(listener)
    listener({ kind: 'daemon', action: 'resync', atMs: this.#clock.now() })
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    this.#listeners.delete(listener)
  }

  // --- inside ---

  async #enter(method: Method): Promise<void> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1)
    if (this.latencyMs > 0) await this.#clock.sleep(this.latencyMs)
    if (this.#down) throw unavailable('The container engine does not answer: is its daemon running?')
    const index = this.#failures.findIndex((failure) => failure.method === method)
    if (index >= 0) throw this.#failures.splice(index, 1)[0]!.error
  }

  #find(id: string): Container {
    const container = this.#containers.get(id)
    if (!container) throw notFound(`No such container: ${id}`, { reason: 'container' })
    return container
  }

  #isAlive(container: Container): boolean { return container.status.pid !== 0 }

  #alive(id: string, verb: string): Container {
    const container = this.#find(id)
    if (!this.#isAlive(container)) throw conflict(`Cannot ${verb} container ${container.status.name}: it is not running.`)
    return container
  }

  #running(id: string, verb: string): Container {
    const container = this.#alive(id, verb)
    if (container.status.state === 'paused') throw conflict(`Cannot ${verb} in container ${container.status.name}: it is paused.`)
    return container
  }

  #refuseNameInUse(name: string): void {
    if ([...this.#containers.values()].some((one) => one.status.name === name)) throw conflict(`The container name ${name} is in use.`, { reason: 'name' })
  }

  #commandOf(spec: ContainerSpec): string[] {
    const { entrypoint, command } = effectiveCommand(spec, this.images.get(spec.image))
    if (entrypoint.length + command.length === 0) throw badRequest(`Image ${spec.image} has neither ENTRYPOINT nor CMD: give a command.`, { reason: 'noCommand', field: 'command' })
    return [...entrypoint, ...command]
  }

  #refuseMissingCommand(container: Container): void {
    const name = container.status.command[0]!
    if (this.programs.get(name.split('/').pop()!) !== 'missing') return
    container.status = { ...container.status, state: 'exited', exitCode: 127 }
    throw badRequest(`Cannot run "${name}": no such executable in the image ${container.spec.image}.`, { reason: 'commandNotFound' })
  }

  #run(container: Container): void {
    const startedAt = isoMicros(this.#clock.now())
    container.status = { ...container.status, state: 'running', pid: this.#nextPid++, exitCode: 0, oomKilled: false, startedAt }
    container.gate = container.status.gated ? 'waiting' : 'open'
    this.#happened('start', container)
    if (container.gate === 'open') this.#runCommand(container)
  }

  /** One caller at a container's gate at a time, as in the real driver. */
  #openGate(container: Container, beforeCommand?: BeforeCommand): Promise<boolean> {
    const pass = () => this.#passGate(container, beforeCommand)
    const mine = container.atGate.then(pass, pass)
    container.atGate = mine.catch(() => undefined)
    return mine
  }

  async #passGate(container: Container, beforeCommand?: BeforeCommand): Promise<boolean> {
    if (!this.#isAlive(container) || container.gate === 'open') return false
    const { pid, name } = container.status
    try {
      await beforeCommand?.({ pid, netns: `/proc/${pid}/ns/net` })
    } catch (error) {
      if (container.status.pid === pid) this.#die(container, 143, false)
      throw error
    }
    if (container.status.pid !== pid) throw conflict(`Container ${name} stopped or restarted while its network was prepared.`)
    container.gate = 'open'
    this.history.push(`gate ${name}`)
    this.#runCommand(container)
    return true
  }

  #runCommand(container: Container): void {
    const { command, name } = container.status
    this.history.push(`command ${name}`)
    const program = this.programs.get(command[0]!.split('/').pop()!)
    if (program === undefined || program === 'missing') return
    const result: ProgramResult = program({ command, env: container.spec.env, user: container.spec.user ?? '', stdin: Buffer.alloc(0) })
    this.#log(container, result.output)
    if (result.exitCode !== undefined) this.exit(container.status.id, result.exitCode)
  }

  #die(container: Container, exitCode: number, oomKilled: boolean): void {
    const finishedAt = isoMicros(this.#clock.now())
    container.status = { ...container.status, state: 'exited', pid: 0, exitCode, oomKilled, finishedAt }
    for (const follower of container.followers) follower.end()
    container.followers.clear()
    this.#happened('die', container, exitCode)
  }

  #log(container: Container, text: string): void {
    container.logs += text
    for (const follower of container.followers) follower.write(text)
  }

  #happened(action: string, container: Container, exitCode?: number): void {
    const { id, workloadId, name } = container.status
    this.history.push(`${action} ${name}`)
    this.#emit({ kind: 'container', action, containerId: id, workloadId, exitCode })
  }

  #emit(event: Omit<EngineEvent, 'atMs'>): void {
    for (const listener of this.#listeners) listener({ ...event, atMs: this.#clock.now() })
  }
}

export const createFakeRuntime = (options: FakeRuntimeOptions = {}): FakeRuntime => new FakeRuntime(options)
