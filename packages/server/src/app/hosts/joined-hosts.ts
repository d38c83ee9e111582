/** The hosts that joined by an agent, as one process of the cloud sees them: let in, heard, linked, silent. */
import { isIP } from 'node:net'
import type { Bus, Subscription } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { badRequest, isRefusal, unavailable } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import { HostSession } from '#drivers/remote/host-session.ts'
import type { Serve } from '#drivers/remote/link.ts'
import { createRemoteNetwork } from '#drivers/remote/remote-network.ts'
import { createRemoteRuntime } from '#drivers/remote/remote-runtime.ts'
import { createRemoteVolumes } from '#drivers/remote/remote-volumes.ts'
import { protocol, subjects } from '#drivers/remote/session.ts'
import type { Beat, CloudKeys, Hello, HelloReply, Introduction } from '#drivers/remote/session.ts'
import type { HostsFacade, Member } from '#services/hosts/facade.ts'
import { hostsChanged, type Host, type HostDirectory, type KnownHost } from '#services/deps.ts'

export interface JoinedHostsOptions {
  bus: Bus
  keys: CloudKeys
  cloudId: string
  /** Of this process, the same after a restart. */
  caller: string
  /** The machine itself, when it is a host of the cloud. */
  local?: Host
  members: () => HostsFacade
  /** Answers agents' own questions. */
  answers: Serve
  clock: Clock
  log: Log
}

const roundMs = 2_000
/** The name goes into DNS-like places and shells: letters, digits, dots and dashes. */
const namePattern = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/

export class JoinedHosts implements HostDirectory {
  readonly #options: JoinedHostsOptions
  readonly #sessions = new Map<string, HostSession>()
  /** One object a host, whatever becomes of its sessions: others hold on to it. */
  readonly #hosts = new Map<string, Host>()
  readonly #ended = new AbortController()
  #subscriptions: Subscription[] = []
  #members: Member[] = []
  #standing: ReadonlySet<string> = new Set()

  constructor(options: JoinedHostsOptions) {
    this.#options = options
  }

  list(): Host[] {
    const linked = [...this.#sessions.values()].filter(({ isLinked }) => isLinked).map(({ ticket }) => ticket.host)
    const { local } = this.#options
    return [...(local ? [local] : []), ...linked.sort().map((name) => this.#host(name))]
  }

  find(name: string): Host | undefined {
    if (name === this.#options.local?.name) return this.#options.local
    return this.#sessions.get(name)?.isLinked ? this.#host(name) : undefined
  }

  known(): KnownHost[] {
    const { local, clock } = this.#options
    const now = clock.now()
    const own = local ? [{ ...pick(local), isAlive: true, seenAt: now, joinedAt: 0 }] : []
    const joined = this.#members.map(({ name, address, seenAt, joinedAt }) => {
      const isAlive = this.#sessions.get(name)?.isLinked ?? false
      return { name, address, isAlive, seenAt: isAlive ? now : seenAt, joinedAt }
    })
    return [...own, ...joined]
  }

  /** Reads who ever joined, lets newcomers in, and asks everybody to say that they are there. */
  async start(): Promise<void> {
    const { bus } = this.#options
    await this.#look()
    this.#subscriptions = [
      bus.respond(subjects.hello, (hello) => this.#welcome(hello as Partial<Hello>)),
      bus.subscribe(subjects.beat, (beat) => this.#hear(beat as Partial<Beat>)),
    ]
    bus.publish(subjects.rollCall, {})
    void this.#keepLooking()
  }

  stop(): void {
    this.#ended.abort()
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
    for (const session of this.#sessions.values()) session.close('this process of the cloud ends')
  }

  async #welcome(hello: Partial<Hello>): Promise<HelloReply> {
    const { keys, cloudId, clock, log } = this.#options
    if (hello.protocol !== protocol)
      return {
        refused:
          `The agent speaks protocol ${hello.protocol}, the cloud speaks ${protocol}: ` +
          'run the same version of quaystone on both.',
      }
    const read = keys.readHello(hello as Hello)
    if (read === undefined) return { refused: 'The token is of another cloud: its key does not fit this one.' }
    try {
      assertIntroduction(read.introduction, this.#options.local?.name)
      const { tokenId } = await this.#options.members().admit(read.introduction)
      log.info({ host: read.introduction.name, tokenId }, 'A host joined')
      await this.#look()
      return keys.welcome(read, { cloudId, tokenId, openedAt: clock.now() })
    } catch (error) {
      if (!isRefusal(error)) throw error
      log.warn({ host: read.introduction.name, reason: error.message }, 'A host was refused')
      return { refused: error.message }
    }
  }

  async #hear(beat: Partial<Beat>): Promise<void> {
    const read = this.#options.keys.readBeat(beat)
    if (read === undefined) return
    const { ticket, body } = read
    if (!this.#standing.has(ticket.tokenId)) await this.#look()
    if (!this.#standing.has(ticket.tokenId)) return
    const session = this.#sessionOf(ticket)
    if (session?.heard(body)) await this.#options.members().seen(ticket.host)
  }

  /** The newest session of a name is the one; what belongs to an older one is late. */
  #sessionOf(ticket: HostSession['ticket']): HostSession | undefined {
    const known = this.#sessions.get(ticket.host)
    if (known?.ticket.sessionId === ticket.sessionId) return known
    if (known && known.ticket.openedAt > ticket.openedAt) return undefined
    const { bus, caller, clock, log, answers } = this.#options
    const session = new HostSession({
      bus,
      ticket,
      caller,
      serve: answers,
      changed: () => this.#tell(ticket.host),
      clock,
      log,
    })
    this.#sessions.set(ticket.host, session)
    known?.close('its agent was started anew')
    return session
  }

  #tell(host: string): void {
    if (!this.#ended.signal.aborted) this.#options.bus.publish(hostsChanged, { host })
  }

  #host(name: string): Host {
    const known = this.#hosts.get(name)
    const { address } = this.#sessions.get(name)!.ticket
    if (known) return Object.assign(known, { address })
    const call: Serve = async (method, args) => {
      const session = this.#sessions.get(name)
      if (session === undefined) throw unavailable(`Host ${name} cannot be reached now`, { reason: 'link' })
      return await session.call(method, args)
    }
    const network = createRemoteNetwork(call, () => this.#sessions.get(name)?.namespacePath ?? '')
    const volumes = createRemoteVolumes(call)
    const host: Host = { name, address, runtime: createRemoteRuntime(call), network, volumes }
    this.#hosts.set(name, host)
    return host
  }

  async #keepLooking(): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#ended
    while (!signal.aborted) {
      await clock.sleep(roundMs, signal)
      if (signal.aborted) return
      await this.#look().catch((error: unknown) => log.warn({ err: error }, 'The list of hosts could not be read'))
    }
  }

  /** Members and tokens as they are written: another process may have changed them. */
  async #look(): Promise<void> {
    const members = this.#options.members()
    this.#members = await members.members()
    this.#standing = await members.standing(this.#members.map(({ tokenId }) => tokenId))
    for (const [name, session] of this.#sessions) {
      if (this.#standing.has(session.ticket.tokenId)) continue
      this.#sessions.delete(name)
      session.close('its token was revoked or has expired')
    }
  }
}

const pick = ({ name, address }: Host) => ({ name, address })

function assertIntroduction({ name, address }: Introduction, localName: string | undefined): void {
  const problem = !namePattern.test(name)
    ? `"${name}" is no name for a host: letters, digits, dots and dashes, at most 63.`
    : isIP(address) === 0
      ? `"${address}" is no IP address: give the one where the other hosts reach this host, by --address.`
      : name === localName
        ? `The cloud's own machine is called ${name} already: join with another --name.`
        : undefined
  if (problem) throw badRequest(problem)
}
