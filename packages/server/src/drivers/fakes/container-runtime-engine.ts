/** The fake engine's inside: its containers, what happens to them, and what a test may do to it. */
import { isoMicros, systemClock, type Clock } from '#platform/clock/clock.ts'
import { badRequest, conflict, notFound, unavailable } from '#platform/errors/errors.ts'
import type { BeforeCommand, ContainerRuntime, ContainerSpec, EngineEvent } from '#services/workloads/ports.ts'
import { effectiveCommand } from '../docker/effective-command.ts'
import { FakeImages } from './container-runtime-images.ts'
import type { Container, FakeRuntimeOptions } from './container-runtime-model.ts'
import { defaultPrograms, type Program, type ProgramResult } from './container-runtime-programs.ts'

export type Method = Exclude<keyof ContainerRuntime, 'watch'>

export class FakeEngine {
  /** How often each method was called. */
  readonly calls = new Map<string, number>()
  /** What happened, in order, by container name: `create web`, `start web`, `gate web`, `command web`, `stop web`… */
  readonly history: string[] = []
  readonly images = new FakeImages()
  /** Programs of all containers by base name; an unknown one runs until it is stopped. */
  readonly programs: Map<string, Program | 'missing'> = defaultPrograms()
  latencyMs: number
  protected readonly options: FakeRuntimeOptions
  protected readonly clock: Clock
  protected readonly containers = new Map<string, Container>()
  protected readonly failures: { method: string; error: Error }[] = []
  protected readonly listeners = new Set<(event: EngineEvent) => void>()
  protected nextPid = 1000
  protected down = false

  constructor(options: FakeRuntimeOptions = {}) {
    this.options = options
    this.clock = options.clock ?? systemClock
    this.latencyMs = options.latencyMs ?? 0
  }

  /** The next call of `method` throws `error`, before it has any effect. */
  failNext(method: Method, error: Error): void {
    this.failures.push({ method, error })
  }

  /** The engine stops answering, as if its daemon was gone; containers run on. */
  goDown(): void {
    this.down = true
  }
  /** It answers again; watchers get `resync`. */
  comeBack(): void {
    this.down = false
    this.emit({ kind: 'daemon', action: 'resync' })
  }

  /** The container's command ends by itself; its restart policy decides what follows. */
  exit(id: string, exitCode: number, options: { oomKilled?: boolean } = {}): void {
    const container = this.find(id)
    this.die(container, exitCode, options.oomKilled ?? false)
    const policy = container.spec.restartPolicy?.name ?? 'no'
    if (policy === 'no' || (policy === 'on-failure' && exitCode === 0)) return
    container.status.restartCount += 1
    this.run(container)
  }

  /** The host's power fails and returns: everything dies; `always` and `unless-stopped` containers run again. */
  rebootHost(): void {
    for (const container of this.containers.values()) {
      if (!this.isAlive(container)) continue
      this.die(container, 255, false)
      if (['always', 'unless-stopped'].includes(container.spec.restartPolicy?.name ?? 'no')) this.run(container)
    }
    this.emit({ kind: 'daemon', action: 'resync' })
  }

  specOf(id: string): ContainerSpec {
    return this.find(id).spec
  }
  files(id: string): Map<string, Buffer> {
    return this.find(id).files
  }
  writeLog(id: string, text: string): void {
    this.log(this.find(id), text)
  }


  // What the port's methods are made of.


  protected async enter(method: Method): Promise<void> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1)
    if (this.latencyMs > 0) await this.clock.sleep(this.latencyMs)
    if (this.down) throw unavailable('The container engine does not answer: is its daemon running?')
    const index = this.failures.findIndex((failure) => failure.method === method)
    if (index >= 0) throw this.failures.splice(index, 1)[0]!.error
  }

  protected find(id: string): Container {
    const container = this.containers.get(id)
    if (!container) throw notFound(`No such container: ${id}`, { reason: 'container' })
    return container
  }

  protected isAlive(container: Container): boolean {
    return container.status.pid !== 0
  }

  protected alive(id: string, verb: string): Container {
    const container = this.find(id)
    if (!this.isAlive(container))
      throw conflict(`Cannot ${verb} container ${container.status.name}: it is not running.`)
    return container
  }

  protected running(id: string, verb: string): Container {
    const container = this.alive(id, verb)
    if (container.status.state === 'paused')
      throw conflict(`Cannot ${verb} in container ${container.status.name}: it is paused.`)
    return container
  }

  protected refuseNameInUse(name: string): void {
    if ([...this.containers.values()].some((one) => one.status.name === name))
      throw conflict(`The container name ${name} is in use.`, { reason: 'name' })
  }

  protected commandOf(spec: ContainerSpec): string[] {
    const { entrypoint, command } = effectiveCommand(spec, this.images.get(spec.image))
    if (entrypoint.length + command.length === 0)
      throw badRequest(`Image ${spec.image} has neither ENTRYPOINT nor CMD: give a command.`, {
        reason: 'noCommand',
        field: 'command',
      })
    return [...entrypoint, ...command]
  }

  protected refuseMissingCommand(container: Container): void {
    const name = container.status.command[0]!
    if (this.programs.get(name.split('/').pop()!) !== 'missing') return
    container.status = { ...container.status, state: 'exited', exitCode: 127 }
    throw badRequest(`Cannot run "${name}": no such executable in the image ${container.spec.image}.`, {
      reason: 'commandNotFound',
    })
  }

  protected run(container: Container): void {
    const startedAt = isoMicros(this.clock.now())
    container.status = {
      ...container.status,
      state: 'running',
      pid: this.nextPid++,
      exitCode: 0,
      oomKilled: false,
      startedAt,
    }
    container.gate = container.status.gated ? 'waiting' : 'open'
    this.happened('start', container)
    if (container.gate === 'open') this.runCommand(container)
  }

  /** One caller at a container's gate at a time, as in the real driver. */
  protected passInTurn(container: Container, beforeCommand?: BeforeCommand): Promise<boolean> {
    const pass = () => this.passGate(container, beforeCommand)
    const mine = container.atGate.then(pass, pass)
    container.atGate = mine.catch(() => undefined)
    return mine
  }

  protected async passGate(container: Container, beforeCommand?: BeforeCommand): Promise<boolean> {
    if (!this.isAlive(container) || container.gate === 'open') return false
    const { pid, name } = container.status
    try {
      await beforeCommand?.({ pid, netns: `/proc/${pid}/ns/net` })
    } catch (error) {
      if (container.status.pid === pid) this.die(container, 143, false)
      throw error
    }
    if (container.status.pid !== pid)
      throw conflict(`Container ${name} stopped or restarted while its network was prepared.`)
    container.gate = 'open'
    this.history.push(`gate ${name}`)
    this.runCommand(container)
    return true
  }

  protected runCommand(container: Container): void {
    const { command, name } = container.status
    this.history.push(`command ${name}`)
    const program = this.programs.get(command[0]!.split('/').pop()!)
    if (program === undefined || program === 'missing') return
    const result: ProgramResult = program({
      command,
      env: container.spec.env,
      user: container.spec.user ?? '',
      stdin: Buffer.alloc(0),
    })
    this.log(container, result.output)
    if (result.exitCode !== undefined) this.exit(container.status.id, result.exitCode)
  }

  protected die(container: Container, exitCode: number, oomKilled: boolean): void {
    const finishedAt = isoMicros(this.clock.now())
    container.status = { ...container.status, state: 'exited', pid: 0, exitCode, oomKilled, finishedAt }
    for (const follower of container.followers) follower.end()
    container.followers.clear()
    this.happened('die', container, exitCode)
  }

  protected log(container: Container, text: string): void {
    container.logs += text
    for (const follower of container.followers) follower.write(text)
  }

  protected happened(action: string, container: Container, exitCode?: number): void {
    const { id, workloadId, name } = container.status
    this.history.push(`${action} ${name}`)
    this.emit({ kind: 'container', action, containerId: id, workloadId, exitCode })
  }

  protected emit(event: Omit<EngineEvent, 'atMs'>): void {
    for (const listener of this.listeners) listener({ ...event, atMs: this.clock.now() })
  }
}
