/** Makes, starts and ends containers on one engine. Only containers of this cloud are ever touched. */
import { buffer } from 'node:stream/consumers'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import { badRequest, conflict, isRefusal, notFound, unavailable } from '#platform/errors/errors.ts'
import { labels, type BeforeCommand, type ContainerSpec, type ContainerStatus } from '#services/workloads/ports.ts'
import { createBody, driverLabels, isGated, resourceLimits } from './container-create.ts'
import { commandOf, statusOf, type EngineContainer } from './container-status.ts'
import { eachLimited } from './each-limited.ts'
import { effectiveCommand, type Command } from './effective-command.ts'
import type { EngineClient } from './engine-client.ts'
import type { EngineImages } from './engine-images.ts'
import type { Gates } from './gate.ts'
import { OutputDemux } from './output-frames.ts'

/** What never changes during a container's life. */
export interface OwnContainer { id: string; workloadId: string; gated: boolean; tty: boolean }

export interface ContainersOptions {
  client: EngineClient
  images: EngineImages
  gates: Gates
  cloudId: string
  clock: Clock
  log: Log
}

const inspectsAtOnce = 8
const noticePauseMs = 10
const noticePausesMax = 500
const removalPauseMs = 50
const removalPausesMax = 600

export class EngineContainers {
  readonly #client: EngineClient
  readonly #images: EngineImages
  readonly #gates: Gates
  readonly #cloudId: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #own = new Map<string, OwnContainer>()
  readonly #creating = new Map<string, Promise<{ id: string }>>()
  readonly #atGate = new Map<string, Promise<unknown>>()
  #hostCpus: number | undefined

  constructor({ client, images, gates, cloudId, clock, log }: ContainersOptions) {
    this.#client = client
    this.#images = images
    this.#gates = gates
    this.#cloudId = cloudId
    this.#clock = clock
    this.#log = log
  }

  /** One creation of a workload at a time; a second caller gets the first one's answer. */
  create(spec: ContainerSpec): Promise<{ id: string }> {
    const running = this.#creating.get(spec.workloadId)
    if (running) return running
    const created = this.#create(spec).finally(() => this.#creating.delete(spec.workloadId))
    this.#creating.set(spec.workloadId, created)
    return created
  }

  async #create(spec: ContainerSpec): Promise<{ id: string }> {
    const [existing, image, hostCpus] = await Promise.all([
      this.#findWorkload(spec.workloadId),
      this.#images.config(spec.image),
      this.hostCpus(),
    ])
    if (existing) return { id: existing }
    if (!image) throw notFound(`No such image: ${spec.image}`, { reason: 'image', field: 'image' })
    const command = effectiveCommand(spec, image)
    refuseNoCommand(spec, command)
    const gateDir = isGated(spec) ? await this.#gates.prepare(spec.workloadId) : undefined
    return await this.#post(spec, createBody(spec, { cloudId: this.#cloudId, hostCpus, image, command, gateDir }))
  }

  async #post(spec: ContainerSpec, body: Record<string, unknown>): Promise<{ id: string }> {
    try {
      const { Id } = await this.#client.json<{ Id: string }>('POST', '/containers/create', {
        query: { name: spec.name },
        json: body,
      })
      this.#own.set(Id, { id: Id, workloadId: spec.workloadId, gated: isGated(spec), tty: spec.tty ?? false })
      return { id: Id }
    } catch (error) {
      if (!isRefusal(error) || error.details.reason !== 'name') throw error
      const existing = await this.#findWorkload(spec.workloadId)
      if (existing) return { id: existing }
      throw error
    }
  }

  /** CPUs of the engine's host, asked once. */
  async hostCpus(): Promise<number> {
    this.#hostCpus ??= (await this.#client.json<{ NCPU: number }>('GET', '/info')).NCPU
    return this.#hostCpus
  }

  async #findWorkload(workloadId: string): Promise<string | undefined> {
    const found = await this.#ids([`${labels.cloud}=${this.#cloudId}`, `${labels.workload}=${workloadId}`])
    return found[0]
  }

  async #ids(label: string[]): Promise<string[]> {
    const query = { all: 1, filters: JSON.stringify({ label }) }
    const found = await this.#client.json<{ Id: string }[]>('GET', '/containers/json', { query })
    return found.map(({ Id }) => Id)
  }

  async list(): Promise<ContainerStatus[]> {
    const ids = await this.#ids([`${labels.cloud}=${this.#cloudId}`])
    const found = await eachLimited(ids, inspectsAtOnce, (id) => this.inspect(id).catch(ignoreNotFound))
    return found.filter((status) => status !== undefined)
  }

  async inspect(id: string): Promise<ContainerStatus> {
    return statusOf(await this.#fetch(id))
  }

  /** The container in the engine's words; a foreign one does not exist for us. */
  async #fetch(id: string): Promise<EngineContainer> {
    const container = await this.#client
      .json<EngineContainer>('GET', `/containers/${encodeURIComponent(id)}/json`)
      .catch((error: unknown) => {
        if (isRefusal(error) && error.kind === 'notFound') this.#own.delete(id)
        throw error
      })
    const own = container.Config.Labels ?? {}
    if (own[labels.cloud] !== this.#cloudId) throw notFound(`No such container: ${id}`, { reason: 'container' })
    this.#own.set(container.Id, {
      id: container.Id,
      workloadId: own[labels.workload] ?? '',
      gated: Boolean(own[driverLabels.gate]),
      tty: container.Config.Tty,
    })
    return container
  }

  /** Refuses foreign containers; asks the engine at the first sight of an id only. */
  async own(id: string): Promise<OwnContainer> {
    const known = this.#own.get(id)
    if (known) return known
    const { Id } = await this.#fetch(id)
    return this.#own.get(Id)!
  }

  /** One call about one of our containers: `verb` is its path below `/containers/{id}`. */
  async call(id: string, verb: string, call: Parameters<EngineClient['text']>[2] = {}): Promise<string> {
    const own = await this.own(id)
    return await this.#client.text('POST', `/containers/${own.id}/${verb}`, call)
  }

  async start(id: string, beforeCommand?: BeforeCommand): Promise<ContainerStatus> {
    const own = await this.own(id)
    if (beforeCommand && !own.gated)
      throw badRequest(
        `Container ${id} was made without a gate: its network cannot be filled before its command runs.`,
        { field: 'gated' },
      )
    if (own.gated) await this.#gates.prepare(own.workloadId)
    await this.#client.text('POST', `/containers/${own.id}/start`)
    const status = await this.inspect(own.id)
    if (status.pid === 0) await this.#explainExit(own, status)
    if (own.gated) await this.#alone(own, () => this.#letThrough(own, status, beforeCommand))
    return status
  }

  async openGate(id: string, beforeCommand?: BeforeCommand): Promise<boolean> {
    const own = await this.own(id)
    return (
      own.gated &&
      (await this.#alone(own, async () => await this.#letThrough(own, await this.inspect(own.id), beforeCommand)))
    )
  }

  async gateWaiting(id: string): Promise<boolean> {
    const own = await this.own(id)
    return own.gated && this.#gates.isWaiting((await this.inspect(own.id)).pid)
  }

  /** One caller at a container's gate at a time: its network is filled once, whoever hears of the start first. */
  async #alone<T>(own: OwnContainer, work: () => Promise<T>): Promise<T> {
    const before = this.#atGate.get(own.id)
    const mine = (before ?? Promise.resolve()).then(work, work)
    this.#atGate.set(own.id, mine)
    try {
      return await mine
    } finally {
      if (this.#atGate.get(own.id) === mine) this.#atGate.delete(own.id)
    }
  }

  async #letThrough(
    own: OwnContainer,
    { pid, name }: ContainerStatus,
    beforeCommand?: BeforeCommand,
  ): Promise<boolean> {
    if (!this.#gates.isWaiting(pid)) {
      await this.#explainIfEnded(own, pid)
      return false
    }
    try {
      await beforeCommand?.({ pid, netns: `/proc/${pid}/ns/net` })
      if (await this.#gates.open(own.workloadId, pid)) return true
    } catch (error) {
      await this.stop(own.id, 0).catch((failure: unknown) =>
        this.#log.error({ err: failure, containerId: own.id }, 'A container whose network failed could not be stopped'),
      )
      throw error
    }
    if (!(await this.#explainIfEnded(own, pid))) return false
    throw conflict(`Container ${name} stopped or restarted while its network was prepared.`, { reason: 'restarted' })
  }

  /** The engine learns of an end a little later than the kernel tells it. */
  async #explainIfEnded(own: OwnContainer, pid: number): Promise<boolean> {
    if (pid === 0 || this.#gates.isAlive(pid)) return false
    let status = await this.inspect(own.id)
    for (let pause = 0; status.pid === pid && pause < noticePausesMax; pause++) {
      await this.#clock.sleep(noticePauseMs)
      status = await this.inspect(own.id)
    }
    await this.#explainExit(own, status)
    return true
  }

  /**
   * The gate's own words about the command are the container's last line. It is stopped, as an engine does not
   * restart what it could not start either.
   */
  async #explainExit(own: OwnContainer, { exitCode, restartCount, name }: ContainerStatus): Promise<void> {
    if ((exitCode < 125 || exitCode > 127) && restartCount === 0) return
    const sentence = /^quaystone: (exec: .*)/.exec(await this.#lastLine(own))?.[1]
    if (!sentence) return
    await this.stop(own.id, 0)
    throw badRequest(`Container ${name} cannot run its command: ${sentence.trim()}.`, {
      reason: 'commandNotFound',
      field: 'command',
    })
  }

  async #lastLine(own: OwnContainer): Promise<string> {
    const answer = await this.#client.open('GET', `/containers/${own.id}/logs`, {
      query: { stdout: 1, stderr: 1, tail: 1 },
    })
    return (await buffer(own.tty ? answer.body : answer.body.pipe(new OutputDemux()))).toString()
  }

  async stop(id: string, graceSeconds: number): Promise<void> {
    await this.call(id, 'stop', { query: { t: graceSeconds }, timeoutMs: (graceSeconds + 60) * 1000 })
  }

  async kill(id: string, signal = 'SIGKILL'): Promise<void> {
    await this.call(id, 'kill', { query: { signal } })
  }

  async pause(id: string): Promise<void> {
    await this.call(id, 'pause').catch(ignoreSentence(/already paused/i))
  }
  async unpause(id: string): Promise<void> {
    await this.call(id, 'unpause').catch(ignoreSentence(/is not paused/i))
  }

  async rename(id: string, name: string): Promise<void> {
    await this.call(id, 'rename', { query: { name } }).catch(ignoreSentence(/same name as its current name/i))
  }

  async update(id: string, resources: Partial<ContainerSpec['resources']>): Promise<void> {
    await this.call(id, 'update', { json: resourceLimits(resources, await this.hostCpus()) })
  }

  /** Removes the container with its anonymous volumes, then its gate; returns when the engine has forgotten it. */
  async remove(id: string): Promise<void> {
    const own = await this.own(id).catch(ignoreNotFound)
    if (!own) return
    for (let pause = 0; !(await this.#removed(own.id)); pause++) {
      if (pause === removalPausesMax) throw unavailable(`The engine is still removing container ${own.id}.`)
      await this.#clock.sleep(removalPauseMs)
    }
    this.#own.delete(own.id)
    await this.#gates.discard(own.workloadId)
  }

  async #removed(id: string): Promise<boolean> {
    try {
      await this.#client.text('DELETE', `/containers/${id}`, { query: { force: 1, v: 1 } })
      return true
    } catch (error) {
      if (isRefusal(error) && error.kind === 'notFound') return true
      if (isRefusal(error) && /already in progress/i.test(error.message)) return false
      throw error
    }
  }

  /** The container's own command, for a commit, which must not keep the gate's. */
  async userCommand(id: string): Promise<Command> {
    return commandOf(await this.#fetch(id))
  }

  /**
   * Removes gates of containers that are gone, such as after a crash between the two halves of `remove`. Gates are
   * read first, then who is being created, then who exists: what is missing in both has no owner.
   */
  async sweepGates(): Promise<void> {
    const gates = await this.#gates.list()
    const creating = new Set(this.#creating.keys())
    const live = new Set((await this.list()).map((status) => status.workloadId))
    for (const workloadId of gates) {
      if (!live.has(workloadId) && !creating.has(workloadId)) await this.#gates.discard(workloadId)
    }
  }
}

function refuseNoCommand(spec: ContainerSpec, command: Command): void {
  if (command.entrypoint.length + command.command.length > 0) return
  throw badRequest(`Image ${spec.image} has neither ENTRYPOINT nor CMD: give a command.`, {
    reason: 'noCommand',
    field: 'command',
  })
}

const ignoreNotFound = (error: unknown): undefined => {
  if (!isRefusal(error) || error.kind !== 'notFound') throw error
}
const ignoreSentence = (pattern: RegExp) => (error: unknown): undefined => {
  if (!isRefusal(error) || !pattern.test(error.message)) throw error
}
