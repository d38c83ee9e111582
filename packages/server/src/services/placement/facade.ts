/** What other services may ask of Placement: inventories, claims. Amounts are integers in the class's unit. */
import type { Executor, Tx } from '#platform/db/database.ts'

/** `VCPU` (count), `MEMORY_MB` (MiB), `DISK_GB` (GiB), `PCPU`, `CUSTOM_…`. */
export type ResourceAmounts = Record<string, number>

export interface Inventory {
  total: number
  reserved: number
  minUnit: number
  maxUnit: number
  stepSize: number
  allocationRatio: number
}

export interface ProviderView {
  id: string
  name: string
  generation: number
  inventories: Record<string, Inventory>
  used: ResourceAmounts
  traits: string[]
  aggregates: string[]
}

export interface PlacementFacade {
  /** Makes or updates a host's provider with its inventory and traits. Idempotent; returns its id. */
  providerEnsure(provider: {
    id: string
    name: string
    inventories: Record<string, Inventory>
    traits: string[]
  }): Promise<void>
  /** All providers with their use: the scheduler's snapshot. */
  providers(executor?: Executor): Promise<ProviderView[]>
  /**
   * Claims in the caller's transaction: all or nothing, refused (`conflict`, reason `no-capacity`) when the provider
   * cannot hold it any more. The same consumer and provider again is a no-op.
   */
  claim(
    tx: Tx,
    claim: { consumerId: string; providerId: string; resources: ResourceAmounts; projectId: string; userId: string },
  ): Promise<void>
  release(tx: Tx, consumerId: string): Promise<void>
  /** Who holds anything, and of whom: to find claims that nobody owns any more. */
  consumers(executor?: Executor): Promise<{ consumerId: string; providerId: string }[]>
  allocations(consumerId: string): Promise<{ providerId: string; resources: ResourceAmounts }[]>
}
