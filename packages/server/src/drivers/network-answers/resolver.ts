/** The resolver of one network: its own names from the zone, everything else from the resolvers of the world. */
import { parseAddress } from '#engines/cidr/address.ts'
import { cidrContains } from '#engines/cidr/prefix.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { malformedReply, parseQuery, rcodes, replyTo, truncatedReply, type Query } from './dns-message.ts'
import type { Forwarder } from './forwarder.ts'
import type { Upstream } from './upstream.ts'
import { Zone } from './zone.ts'

export type Transport = 'udp' | 'tcp'

/** Addresses move: what was resolved is to be asked again soon. */
const ttlSeconds = 5
/** Questions under way to the world, of one network: its containers cannot use up the host's sockets for others. */
const underWayMax = 128
const standardQuery = 0
const classInternet = 1

export interface ResolverOptions {
  forwarder: Forwarder
  /** The host's own resolvers, for networks whose subnets name none. */
  hostUpstreams(): Upstream[]
}

export class Resolver {
  readonly #options: ResolverOptions
  #network: WantedNetwork
  #zone: Zone
  #underWay = 0

  constructor(options: ResolverOptions, network: WantedNetwork) {
    this.#options = options
    this.#network = network
    this.#zone = new Zone(network)
  }

  /** What the network is from now on. */
  update(network: WantedNetwork): void {
    const isSame = JSON.stringify(zoneParts(network)) === JSON.stringify(zoneParts(this.#network))
    this.#network = network
    if (!isSame) this.#zone = new Zone(network)
  }

  /** Undefined: what came in is no question, and is not answered. `asker` is the source address. */
  async answer(message: Buffer, asker: string, transport: Transport): Promise<Buffer | undefined> {
    const query = parseQuery(message)
    if (query === undefined) return undefined
    if ('malformed' in query) return malformedReply(query.id)
    const sizeMax = transport === 'udp' ? query.udpSizeMax : undefined
    if (query.opcode !== standardQuery || query.question.class !== classInternet)
      return replyTo(query, { rcode: rcodes.notImplemented }, sizeMax)
    const found = this.#zone.find(query.question, asker)
    if (found.kind === 'foreign') return await this.#forward(query, message, sizeMax)
    const rcode = found.kind === 'absent' ? rcodes.noName : rcodes.ok
    const answers = found.kind === 'answers' ? found.answers : []
    return replyTo(query, { rcode, answers, authoritative: true, ttlSeconds }, sizeMax)
  }

  async #forward(query: Query, message: Buffer, sizeMax: number | undefined): Promise<Buffer> {
    const reply = this.#underWay < underWayMax ? await this.#ask(query, message) : undefined
    if (reply === undefined) return replyTo(query, { rcode: rcodes.serverFailure }, sizeMax)
    return sizeMax !== undefined && reply.length > sizeMax ? truncatedReply(query) : reply
  }

  async #ask(query: Query, message: Buffer): Promise<Buffer | undefined> {
    this.#underWay++
    try {
      return await this.#options.forwarder.forward(query, message, this.#upstreams())
    } finally {
      this.#underWay--
    }
  }

  #upstreams(): Upstream[] {
    const named = this.#network.subnets.flatMap(({ dnsNameservers }) => dnsNameservers)
    const usable = [...new Set(named)].filter((address) => isForeign(address, this.#network))
    return named.length > 0 ? usable.map((address) => ({ address, port: 53 })) : this.#options.hostUpstreams()
  }
}

const zoneParts = ({ names, subnets, dnsDomain }: WantedNetwork): unknown => [names, subnets, dnsDomain]

/** The host's own, its link's and anycast of no one: a tenant may not have the host ask there in its name. */
const forbidden = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8']

/** An address inside the network means another machine outside of it, maybe another tenant's. */
function isForeign(address: string, { subnets }: WantedNetwork): boolean {
  const cidrs = [...forbidden, ...subnets.map(({ cidr }) => cidr)]
  return parseAddress(address) !== undefined && !cidrs.some((cidr) => cidrContains(cidr, address))
}
