/** Keeps every network of a host answered: opens sockets where they are missing, closes those of yesterday. */
import { statSync } from 'node:fs'
import type { Clock } from '#platform/clock/clock.ts'
import type { Log } from '#platform/log/log.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import type { MetadataDoor } from './metadata-door.ts'
import type { openSockets, OpenSocket } from './namespace-sockets.ts'
import { Resolver, type ResolverOptions } from './resolver.ts'
import { serve, socketsFor } from './served-network.ts'

export interface KeeperParts {
  namespaceOf(networkId: string): string
  openSockets: typeof openSockets
  metadata: MetadataDoor
  resolving: ResolverOptions
  clock: Clock
  log: Log
}

interface Served {
  network: WantedNetwork
  resolver: Resolver
  sockets: OpenSocket[]
  /** Of what the sockets are: the namespace's inode and the addresses. Empty: none are open. */
  place: string
  isOpening: boolean
  failures: number
}

/** Each costs a short process; the cloud has better things to do than to start many of them. */
const openingMax = 2
const retryMsMax = 15_000

export class AnswersKeeper {
  readonly #parts: KeeperParts
  readonly #served = new Map<string, Served>()
  readonly #queue = new Set<string>()
  readonly #end = new AbortController()
  #opening = 0

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  /** Network ids that are answered now. */
  get open(): string[] {
    return [...this.#served].filter(([, { place }]) => place !== '').map(([id]) => id)
  }

  /** What one plug knows of a network: its names come on top of those that are known. */
  learn(network: WantedNetwork): void {
    const known = this.#served.get(network.id)
    this.#take(known ? { ...network, names: mergedNames(known.network.names, network.names) } : network)
  }

  /** All networks of the host as they are wanted. Others keep their answers for as long as their namespace is there. */
  learnAll(networks: WantedNetwork[]): void {
    const wanted = new Set(networks.map(({ id }) => id))
    for (const network of networks) this.#take(network)
    for (const [id, served] of this.#served) {
      if (wanted.has(id)) continue
      if (inodeOf(this.#parts.namespaceOf(id)) === undefined) this.#drop(id, served)
      else this.#wake(id)
    }
  }

  /**
   * Before a sync: a socket holds its namespace and every device in it, so that of a network that goes, or whose
   * namespace somebody took away, nothing may be kept open.
   */
  letGo(wanted: ReadonlySet<string>): void {
    for (const [id, served] of this.#served)
      if (!wanted.has(id) || served.place !== this.#placeOf(served.network)) close(served)
  }

  close(): void {
    this.#end.abort()
    for (const served of this.#served.values()) close(served)
    this.#served.clear()
    this.#parts.metadata.close()
  }

  #take(network: WantedNetwork): void {
    if (network.external) return
    const known = this.#served.get(network.id)
    if (known === undefined) {
      const resolver = new Resolver(this.#parts.resolving, network)
      this.#served.set(network.id, { network, resolver, sockets: [], place: '', isOpening: false, failures: 0 })
    } else {
      known.network = network
      known.resolver.update(network)
    }
    this.#wake(network.id)
  }

  #drop(id: string, served: Served): void {
    close(served)
    this.#served.delete(id)
  }

  #wake(id: string): void {
    const served = this.#served.get(id)
    if (served === undefined || served.isOpening || served.place === this.#placeOf(served.network)) return
    this.#queue.add(id)
    while (this.#opening < openingMax && this.#queue.size > 0) void this.#work()
  }

  async #work(): Promise<void> {
    this.#opening++
    try {
      for (const id of this.#queue) {
        this.#queue.delete(id)
        await this.#reopen(id)
      }
    } finally {
      this.#opening--
    }
  }

  async #reopen(id: string): Promise<void> {
    const served = this.#served.get(id)
    const place = served && this.#placeOf(served.network)
    if (served === undefined || !place || this.#end.signal.aborted) return
    close(served)
    served.isOpening = true
    try {
      const netns = this.#parts.namespaceOf(id)
      const sockets = await this.#parts.openSockets(netns, socketsFor(addressesOf(served.network)))
      served.isOpening = false
      this.#adopt(id, { served, place, sockets })
    } catch (error) {
      served.isOpening = false
      served.failures++
      this.#parts.log.debug({ err: error, network: id }, 'A network is not answered yet')
      void this.#retry(id, Math.min(100 * 2 ** served.failures, retryMsMax))
    }
  }

  /** The world may have changed while the sockets were being opened: then they are of no use. */
  #adopt(id: string, { served, place, sockets }: { served: Served; place: string; sockets: OpenSocket[] }): void {
    Object.assign(served, { sockets, place, failures: 0 })
    if (this.#served.get(id) !== served || this.#end.signal.aborted) return close(served)
    serve(sockets, { networkId: id, resolver: served.resolver, metadata: this.#parts.metadata })
    this.#wake(id)
  }

  async #retry(id: string, inMs: number): Promise<void> {
    await this.#parts.clock.sleep(inMs, this.#end.signal)
    if (!this.#end.signal.aborted) this.#wake(id)
  }

  /** Empty: the namespace is not there, or has no address to answer at. */
  #placeOf(network: WantedNetwork): string {
    const inode = inodeOf(this.#parts.namespaceOf(network.id))
    const addresses = addressesOf(network)
    return inode === undefined || addresses.length === 0 ? '' : `${inode} ${addresses.join(' ')}`
  }
}

function close(served: Served): void {
  for (const { socket } of served.sockets) socket.close()
  Object.assign(served, { sockets: [], place: '' })
}

const addressesOf = ({ hostAddresses }: WantedNetwork): string[] =>
  hostAddresses.map(({ cidr }) => cidr.split('/')[0]!)

/** Undefined: there is none. While a socket of ours holds a namespace, no other can get its number. */
function inodeOf(netns: string): string | undefined {
  const found = statSync(netns, { throwIfNoEntry: false })
  return found && `${found.dev}:${found.ino}`
}

const keyOf = ({ name, askers, isAlias }: WantedNetwork['names'][number]): string =>
  JSON.stringify([name, askers, isAlias])

/** A plug sees the names of its own port only; the whole list comes with the next sync. */
function mergedNames(known: WantedNetwork['names'], fresh: WantedNetwork['names']): WantedNetwork['names'] {
  const merged = new Map(known.map((entry) => [keyOf(entry), entry]))
  for (const entry of fresh) {
    const before = merged.get(keyOf(entry))
    const addresses = entry.askers ? entry.addresses : [...(before?.addresses ?? []), ...entry.addresses]
    merged.set(keyOf(entry), { ...entry, addresses: [...new Set(addresses)] })
  }
  return [...merged.values()]
}
