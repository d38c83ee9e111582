/** One agent as one process of the cloud sees it: its session, and the link to it while there is one. */
import type { Bus, Subscription } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { unavailable } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import { uuid } from '#platform/ids/ids.ts'
import { Link, type Serve } from './link.ts'
import { linkKeys, newSalt, readOpened, sealOpening, subjects, type BeatBody, type Ticket } from './session.ts'

export interface HostSessionOptions {
  bus: Bus
  ticket: Ticket
  /** This process: at the agent, its newer link ends its older ones. */
  caller: string
  serve: Serve
  /** The link was opened or has ended. */
  changed(): void
  clock: Clock
  log: Log
}

const openMsMax = 5_000

export class HostSession {
  readonly #options: HostSessionOptions
  readonly #key: Buffer
  #lastBeat: BeatBody = { count: 0, namespacePath: '' }
  #link: Link | undefined
  #opening: Promise<void> | undefined
  #isClosed = false

  constructor(options: HostSessionOptions) {
    this.#options = options
    this.#key = Buffer.from(options.ticket.key, 'base64')
  }

  get ticket(): Ticket {
    return this.#options.ticket
  }

  get isLinked(): boolean {
    return this.#link !== undefined && !this.#link.ended.aborted
  }

  /** Path of any network's namespace on the host, with `idInPath` for its id. */
  get namespacePath(): string {
    return this.#lastBeat.namespacePath
  }

  /** False: said before. A beat of an agent without a link opens one. */
  heard(beat: BeatBody): boolean {
    if (beat.count <= this.#lastBeat.count) return false
    this.#lastBeat = beat
    if (!this.isLinked && !this.#isClosed) this.#opening ??= this.#open().finally(() => (this.#opening = undefined))
    return true
  }

  async call(method: string, args: unknown[]): Promise<unknown> {
    await this.#opening
    if (this.#link === undefined || this.#isClosed)
      throw unavailable(`Host ${this.ticket.host} cannot be reached now`, { reason: 'link' })
    return await this.#link.call(method, args)
  }

  close(reason: string): void {
    this.#isClosed = true
    this.#link?.close(reason)
  }

  async #open(): Promise<void> {
    const { bus, caller, ticket, log } = this.#options
    const opening = { linkId: uuid(), salt: newSalt(), caller }
    const early: unknown[] = []
    const inbox = { receive: (text: unknown): void => void early.push(text) }
    const subscription = bus.subscribe(subjects.toCloud(opening.linkId), (text) => inbox.receive(text))
    try {
      const box = sealOpening(this.#key, opening)
      const reply = await bus.request(subjects.open(ticket.sessionId), box, { timeoutMs: openMsMax })
      const opened = readOpened(this.#key, opening.linkId, reply)
      if (opened === undefined) throw new Error('somebody else answered in its place')
      const link = this.#linked(opening.linkId, linkKeys(this.#key, opening.salt, opened.salt), subscription)
      for (const text of early.splice(0)) link.receive(text)
      inbox.receive = (text) => link.receive(text)
    } catch (error) {
      subscription.unsubscribe()
      log.debug({ err: error, host: ticket.host }, 'No link to a host could be opened; its next beat is another try')
    }
  }

  #linked(linkId: string, keys: ReturnType<typeof linkKeys>, subscription: Subscription): Link {
    const { bus, ticket, serve, clock, log, changed } = this.#options
    const link = new Link({
      keys: { toThem: keys.toAgent, toUs: keys.toCloud },
      send: (text) => bus.publish(subjects.toAgent(linkId), text),
      serve,
      peer: `host ${ticket.host}`,
      clock,
      log,
    })
    this.#link = link
    link.ended.addEventListener('abort', () => {
      subscription.unsubscribe()
      log.info({ host: ticket.host, reason: String((link.ended.reason as Error).message) }, 'A host is out of reach')
      changed()
    })
    if (this.#isClosed) link.close('the session is over')
    log.info({ host: ticket.host }, 'A host is in reach')
    changed()
    return link
  }
}
