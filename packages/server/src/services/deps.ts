/** What `app/compose` hands to every service: the platform, the drivers, and the facades of lower levels. */
import type { Bus } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { Log } from '#platform/log/log.ts'
import type { Metrics } from '#platform/metrics/metrics.ts'
import type { Enforcer } from '#platform/auth/enforcer.ts'
import type { KeystoneFacade } from '#services/keystone/facade.ts'
import type { HostsFacade } from '#services/hosts/facade.ts'
import type { QuotaFacade } from '#services/quota/facade.ts'
import type { PlacementFacade } from '#services/placement/facade.ts'
import type { CinderFacade } from '#services/cinder/facade.ts'
import type { GlanceFacade } from '#services/glance/facade.ts'
import type { MetadataFacade } from '#services/metadata/facade.ts'
import type { NeutronFacade } from '#services/neutron/facade.ts'
import type { NovaFacade } from '#services/nova/facade.ts'
import type { WorkloadsFacade } from '#services/workloads/facade.ts'
import type { ContainerRuntime } from '#services/workloads/ports.ts'
import type { VolumeStore } from '#services/cinder/ports.ts'
import type { HostNetwork } from '#services/neutron/ports.ts'

export interface Facades {
  keystone: KeystoneFacade
  hosts: HostsFacade
  quota: QuotaFacade
  placement: PlacementFacade
  glance: GlanceFacade
  cinder: CinderFacade
  neutron: NeutronFacade
  workloads: WorkloadsFacade
  nova: NovaFacade
  metadata: MetadataFacade
}

/** One Docker host: its engine and its network stack. `name` is the host's name in Nova's and Neutron's APIs. */
export interface Host {
  name: string
  runtime: ContainerRuntime
  network: HostNetwork
  /** Absent: the host can hold no volumes. */
  volumes?: VolumeStore
  address: string
}

/** The hosts this process can reach: the local one, or agents'. */
export interface HostDirectory {
  list(): Host[]
  /** Undefined: not reachable now. */
  find(name: string): Host | undefined
  /** Every host that ever joined, silent ones too. Absent: the cloud has no other hosts than those of `list`. */
  known?(): KnownHost[]
}

/** A host, whether or not it answers. Times in milliseconds since the epoch. */
export interface KnownHost { name: string; address: string; isAlive: boolean; seenAt: number; joinedAt: number }

/** The bus topic that says: a host came or went. */
export const hostsChanged = 'hosts.changed'

export interface ServiceDeps {
  db: Database
  bus: Bus
  clock: Clock
  log: Log
  metrics: Metrics
  policy: Enforcer
  hosts: HostDirectory
  /** Of lower levels only: asking for a higher one throws. */
  facades: Facades
  /** A folder of the service's own below the data directory, made with mode 0700. */
  dataDir: string
  /** Identifies this cloud's objects on hosts: 8 hexadecimal digits. */
  cloudId: string
  region: string
  /** 32 random bytes of this data directory, for sealing secrets at rest; never logged. */
  masterKey: Buffer
  /** The service's own section of the configuration. */
  config: Record<string, unknown>
}
