/** What the rooms of this service share: the platform, the hosts, and the facades below. */
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import { unavailable } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import type { Host, HostDirectory } from '#services/deps.ts'
import type { GlanceFacade } from '#services/glance/facade.ts'
import type { NeutronFacade } from '#services/neutron/facade.ts'
import type { PlacementFacade } from '#services/placement/facade.ts'

export interface Parts {
  db: Database
  clock: Clock
  log: Log
  hosts: HostDirectory
  neutron: NeutronFacade
  glance: GlanceFacade
  placement: PlacementFacade
  settings: Settings
}

export interface Settings {
  cpuAllocationRatio: number
  ramAllocationRatio: number
  diskAllocationRatio: number
  /** Memory kept for the host itself. */
  reservedRamMiB: number
  /** Containers that one engine creates and starts at the same time: above four only their latency grows. */
  startsPerHost: number
  availabilityZone: string
}

export const defaultSettings: Settings = {
  cpuAllocationRatio: 16,
  ramAllocationRatio: 1.5,
  diskAllocationRatio: 1,
  reservedRamMiB: 0,
  startsPerHost: 6,
  availabilityZone: 'nova',
}

/** Throws `unavailable`, which is tried again: a host that is away comes back or is given up elsewhere. */
export function requireHost(hosts: HostDirectory, name: string | null): Host {
  const host = name === null ? undefined : hosts.find(name)
  if (host === undefined) throw unavailable(`Host ${name} cannot be reached now`)
  return host
}
