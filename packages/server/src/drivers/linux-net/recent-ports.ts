/** Remembers the ports that were plugged or unplugged around a sync, whose wanted state may be older than they are. */
import type { HostNetworkState, WantedNetwork, WantedSecurityGroup } from '#services/neutron/ports.ts'
import type { PlacedPort } from './port-plan.ts'

type RecentPort = PlacedPort & { groups: WantedSecurityGroup[] }

/**
 * Ports that were plugged or unplugged around a sync. The wanted state was computed before the sync began, so it may
 * not know a port that was plugged meanwhile: such a port is reaped by the next sync at the earliest.
 */
export class RecentPorts {
  #plugged = new Map<string, RecentPort>()
  #previous = new Map<string, RecentPort>()
  readonly #gone = new Set<string>()

  plugged(placed: PlacedPort, groups: WantedSecurityGroup[]): void {
    this.#plugged.set(placed.port.id, { ...placed, groups })
    this.#gone.delete(placed.port.id)
  }

  unplugged(portId: string): void {
    this.#plugged.delete(portId)
    this.#previous.delete(portId)
    this.#gone.add(portId)
  }

  /** It could not be plugged: whether it is wanted is for the wanted state to say. */
  failed(portId: string): void {
    this.#plugged.delete(portId)
    this.#previous.delete(portId)
  }

  syncStarts(): void {
    this.#previous = this.#plugged
    this.#plugged = new Map()
    this.#gone.clear()
  }

  networksBeside(wanted: HostNetworkState): WantedNetwork[] {
    const known = new Set(wanted.networks.map((network) => network.id))
    return this.#all()
      .map((placed) => placed.network)
      .filter((network) => !known.has(network.id))
  }

  /** Adds what was plugged meanwhile, takes out what was unplugged meanwhile. */
  correct(networkId: string, placed: PlacedPort[]): PlacedPort[] {
    const listed = new Set(placed.map((each) => each.port.id))
    const extra = this.#all().filter((each) => each.network.id === networkId && !listed.has(each.port.id))
    return [...placed, ...extra].filter((each) => !this.#gone.has(each.port.id))
  }

  groups(): WantedSecurityGroup[] {
    return this.#all().flatMap((each) => each.groups)
  }

  #all(): RecentPort[] {
    return [...this.#previous.values(), ...this.#plugged.values()]
  }
}
