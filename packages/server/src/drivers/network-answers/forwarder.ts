/** Asks the world's resolvers what is no name of ours: each in turn, with a bound, and never for ever. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Query } from './dns-message.ts'
import { rcodeOf, rcodes } from './dns-message.ts'
import { ReplyCache } from './reply-cache.ts'
import type { Upstream } from './upstream.ts'

export type AskUpstream = (upstream: Upstream, query: Buffer, signal: AbortSignal) => Promise<Buffer>

const patienceMs = 2_000
const rounds = 2

export class Forwarder {
  readonly #clock: Clock
  readonly #ask: AskUpstream
  readonly #cache: ReplyCache

  constructor(clock: Clock, ask: AskUpstream) {
    this.#clock = clock
    this.#ask = ask
    this.#cache = new ReplyCache(clock)
  }

  /** The reply of the first that has one, with the query's id; undefined: none of them answers. */
  async forward(query: Query, message: Buffer, upstreams: Upstream[]): Promise<Buffer | undefined> {
    const key = keyOf(query, message, upstreams)
    const known = this.#cache.find(key)
    if (known) {
      known.writeUInt16BE(query.id, 0)
      return known
    }
    const reply = await this.#askAll(message, upstreams)
    if (reply) this.#cache.keep(key, reply)
    return reply
  }

  async #askAll(message: Buffer, upstreams: Upstream[]): Promise<Buffer | undefined> {
    let poor: Buffer | undefined
    for (let round = 0; round < rounds; round++) {
      for (const upstream of upstreams) {
        const reply = await this.#askOne(message, upstream)
        if (reply && isSound(reply)) return reply
        poor = reply ?? poor
      }
      if (poor) return poor
    }
    return undefined
  }

  /** Undefined: it does not answer in time, or cannot be reached. */
  async #askOne(message: Buffer, upstream: Upstream): Promise<Buffer | undefined> {
    const end = new AbortController()
    const late = this.#clock.sleep(patienceMs, end.signal).then(() => end.abort())
    try {
      return await this.#ask(upstream, message, end.signal)
    } catch {
      return undefined // the next one is asked; when there is none, the asker is told
    } finally {
      end.abort()
      await late
    }
  }
}

/** A resolver that fails or refuses may have a better neighbour. */
const isSound = (reply: Buffer): boolean => {
  const rcode = rcodeOf(reply)
  return rcode !== rcodes.serverFailure && rcode !== rcodes.refused
}

/** Everything of a query but its id may change the reply: flags, case, EDNS and its options. */
const keyOf = (query: Query, message: Buffer, upstreams: Upstream[]): string =>
  [
    query.question.name,
    message.subarray(2).toString('latin1'),
    ...upstreams.map(({ address, port }) => `${address} ${port}`),
  ].join('\n')
