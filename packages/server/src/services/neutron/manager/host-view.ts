/** How one host sees the others: where their ends of the tunnels are, and which of them is the routers' home. */
import type { HostDirectory, KnownHost } from '#services/deps.ts'
import type { Port } from '../store/tables.ts'
import { routerOwners } from './wanted-rows.ts'
import type { HostView } from './wanted.ts'

/** A host that is silent for a moment, as while its agent is started anew, stays the routers' home. */
const homePatienceMs = 30_000

/** All hosts, also those that are silent now: what runs on them goes on, and is reached as before. */
export const knownHosts = (hosts: HostDirectory, now: number): KnownHost[] =>
  hosts.known?.() ??
  hosts.list().map(({ name, address }) => ({ name, address, isAlive: true, seenAt: now, joinedAt: 0 }))

export const hostView = (hosts: HostDirectory, name: string, now: number): HostView => {
  const all = knownHosts(hosts, now)
  return { name, addresses: new Map(all.map((host) => [host.name, host.address])), isAlone: all.length <= 1 }
}

/** All routers live on the first host by name that is alive, so that each has one home, and all agree which. */
export const routerHome = (hosts: HostDirectory, now: number): string | undefined =>
  knownHosts(hosts, now)
    .filter(({ isAlive, seenAt }) => isAlive || now - seenAt < homePatienceMs)
    .map(({ name }) => name)
    .sort()[0]

/** Routers' ports are bound to no host by the API: they are where the routers live. */
export const withRouters = (neighbours: Port[], home: string | undefined): Port[] =>
  neighbours.map((port) => (routerOwners.includes(port.device_owner) ? { ...port, host: home ?? '' } : port))
