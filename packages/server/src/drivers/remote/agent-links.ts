/** The links of one agent: one for each process of the cloud that asked for one. */
import type { Bus, Subscription } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { unauthorized, unavailable } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import { Link, type Serve } from './link.ts'
import { linkKeys, newSalt, readOpening, sealOpened, subjects, type AgentSession, type Opening } from './session.ts'

export interface AgentLinksOptions {
  bus: Bus
  session: AgentSession
  serve: Serve
  clock: Clock
  log: Log
}

export class AgentLinks {
  readonly #options: AgentLinksOptions
  readonly #links = new Map<string, Link>()
  readonly #answering: Subscription

  constructor(options: AgentLinksOptions) {
    this.#options = options
    const { bus, session } = options
    this.#answering = bus.respond(subjects.open(session.welcome.sessionId), (data) => this.#open(data))
  }

  get isLinked(): boolean {
    return this.#links.size > 0
  }

  /** Asks the cloud, by any of its processes. */
  async ask(method: string, args: unknown[]): Promise<unknown> {
    const [link] = this.#links.values()
    if (link === undefined) throw unavailable('The cloud cannot be reached now', { reason: 'link' })
    return await link.call(method, args)
  }

  close(reason: string): void {
    this.#answering.unsubscribe()
    for (const link of this.#links.values()) link.close(reason)
  }

  #open(data: unknown): { box: string } {
    const { session } = this.#options
    const opening = readOpening(session.key, data)
    if (opening === undefined) throw unauthorized('This is not sealed with the key of the session')
    const salt = newSalt()
    this.#links.get(opening.caller)?.close('the same process opened another link')
    this.#links.set(opening.caller, this.#linked(opening, salt))
    return sealOpened(session.key, opening.linkId, salt)
  }

  #linked({ linkId, salt, caller }: Opening, agentSalt: string): Link {
    const { bus, session, serve, clock, log } = this.#options
    const keys = linkKeys(session.key, salt, agentSalt)
    const link = new Link({
      keys: { toThem: keys.toCloud, toUs: keys.toAgent },
      send: (text) => bus.publish(subjects.toCloud(linkId), text),
      serve,
      peer: 'the cloud',
      clock,
      log,
    })
    const subscription = bus.subscribe(subjects.toAgent(linkId), (text) => link.receive(text))
    link.ended.addEventListener('abort', () => {
      subscription.unsubscribe()
      if (this.#links.get(caller) === link) this.#links.delete(caller)
      log.info({ caller, reason: (link.ended.reason as Error).message }, 'A link to the cloud ended')
    })
    log.info({ caller }, 'The cloud opened a link')
    return link
  }
}
