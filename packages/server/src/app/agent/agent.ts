/** The agent of one Docker host: keeps what was last wanted, joins the cloud, and does what the cloud asks. */
import type { Bus } from '#platform/bus/bus.ts'
import { unavailable } from '#platform/errors/errors.ts'
import { AgentLinks } from '#drivers/remote/agent-links.ts'
import { keepGates, pidsOf } from '#drivers/remote/gate-keeper.ts'
import { hostMethods } from '#drivers/remote/host-methods.ts'
import { createKeptNetwork, type KeptNetwork } from '#drivers/remote/kept-network.ts'
import { idInPath } from '#drivers/remote/remote-network.ts'
import { subjects, type AgentSession } from '#drivers/remote/session.ts'
import type { MetadataAsk, MetadataReply } from '#services/metadata/ports.ts'
import type { VolumeStore } from '#services/cinder/ports.ts'
import type { HostNetwork } from '#services/neutron/ports.ts'
import type { ContainerRuntime } from '#services/workloads/ports.ts'
import { joinCloud, type Joining } from './join-cloud.ts'

/** What the machine offers to one cloud; `cloudId` marks everything that is made on it. */
export interface Machine {
  runtimeOf(cloudId: string): ContainerRuntime
  networkOf(cloudId: string): HostNetwork
  volumesOf?(cloudId: string): VolumeStore
}

export interface AgentOptions extends Omit<Joining, 'bus'> {
  /** Resolves when there is a bus, however long that takes: the host is kept meanwhile. */
  connect(): Promise<Bus>
  machine: Machine
}

interface Parts {
  runtime: ContainerRuntime
  network: KeptNetwork
  volumes?: VolumeStore
}

interface Joined {
  session: AgentSession
  bus: Bus
  links: AgentLinks
}

const beatMs = 2_000
const failedPauseMs = 10_000
/** An agent that beats and that nobody opens a link to is not known any more: it joins anew. */
const lonelyBeatsMax = 8

export class Agent {
  readonly #options: AgentOptions
  readonly #ended = new AbortController()
  #parts: Parts | undefined
  #links: AgentLinks | undefined
  #bus: Bus | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: AgentOptions) {
    this.#options = options
  }

  /**
   * Resolves once the cloud has let the agent in, or at once when it was in before: it then keeps the host as it was,
   * however long the cloud is away. Throws `StartProblem` when a newcomer is refused.
   */
  async start(): Promise<void> {
    const { cloudId } = this.#options.files.identity
    if (cloudId !== undefined) {
      this.#parts = this.#keep(cloudId)
      this.#running = this.#serve(undefined)
      return
    }
    const first = await this.#join(true)
    if (first) this.#running = this.#serve(first)
  }

  async stop(): Promise<void> {
    this.#ended.abort()
    this.#links?.close('the agent ends')
    await this.#running
    await this.#bus?.flush()
  }

  get isLinked(): boolean {
    return this.#links?.isLinked ?? false
  }

  /** Hands a container's question on to the cloud; throws `unavailable` while it is away. */
  async metadata(ask: MetadataAsk): Promise<MetadataReply> {
    if (this.#links === undefined) throw unavailable('The cloud cannot be reached now', { reason: 'link' })
    return (await this.#links.ask('cloud.metadata', [ask])) as MetadataReply
  }

  /** Joins, beats until nobody listens any more, and joins again. */
  async #serve(first: Joined | undefined): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#ended
    for (let joined = first; !signal.aborted; joined = undefined) {
      try {
        joined ??= await this.#join(false)
        if (joined) await this.#beat(joined)
      } catch (error) {
        log.error({ err: error }, 'This host cannot join; what runs on it is kept as it is')
        await clock.sleep(failedPauseMs, signal)
      }
    }
  }

  async #join(mayBeRefused: boolean): Promise<Joined | undefined> {
    this.#bus ??= await this.#options.connect()
    const bus = this.#bus
    const session = await joinCloud({ ...this.#options, bus }, { mayBeRefused, signal: this.#ended.signal })
    return session && { session, bus, links: this.#link(session, bus) }
  }

  #link(session: AgentSession, bus: Bus): AgentLinks {
    const { clock, log, files } = this.#options
    files.joined(session.welcome.cloudId)
    this.#parts ??= this.#keep(session.welcome.cloudId)
    this.#links = new AgentLinks({ bus, session, serve: hostMethods(this.#parts), clock, log })
    return this.#links
  }

  async #beat({ session, links, bus }: Joined): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#ended
    const namespacePath = this.#parts!.network.namespaceOf(idInPath)
    const beat = () => {
      try {
        bus.publish(subjects.beat, session.beat(namespacePath))
      } catch (error) {
        log.debug({ err: error }, 'The bus is away')
      }
    }
    const called = bus.subscribe(subjects.rollCall, beat)
    for (let lonely = 0; !signal.aborted && lonely <= lonelyBeatsMax; lonely = links.isLinked ? 0 : lonely + 1) {
      beat()
      await clock.sleep(beatMs, signal)
    }
    called.unsubscribe()
    links.close('the agent joins anew')
  }

  /** From here on the host is kept as it was last wanted. */
  #keep(cloudId: string): Parts {
    const { machine, files, clock, log } = this.#options
    const { signal } = this.#ended
    const runtime = machine.runtimeOf(cloudId)
    const volumes = machine.volumesOf?.(cloudId)
    const inner = machine.networkOf(cloudId)
    const network = createKeptNetwork({ network: inner, path: files.networkPath, clock, log })
    const isCloudHere = () => this.isLinked
    void this.#putBack({ runtime, network })
    void keepGates({ runtime, network, isCloudHere, clock, log }, signal)
    return { runtime, network, ...(volumes && { volumes }) }
  }

  /** After a reboot, process numbers are others': what runs is asked first. */
  async #putBack({ runtime, network }: Parts): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#ended
    for (let isPlaced = false; !isPlaced && !signal.aborted;) {
      try {
        network.placeOnly(pidsOf(await runtime.list()))
        isPlaced = true
      } catch (error) {
        log.debug({ err: error }, 'The engine does not answer yet')
        await clock.sleep(beatMs, signal)
      }
    }
    await network.heal()
    await network.guard(signal).catch((error: unknown) => log.error({ err: error }, 'The host is not watched'))
  }
}
