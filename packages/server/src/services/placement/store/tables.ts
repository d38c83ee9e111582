/** The tables of Placement: providers with what they have, consumers with what they took. */

export interface ProviderRow {
  id: string
  name: string
  generation: number
  parent_id: string | null
  root_id: string
}
/** `capacity` is the whole part of (total − reserved) × ratio; `used` changes with the allocations, in one go. */
export interface InventoryRow {
  provider_id: string
  resource_class: string
  total: number
  reserved: number
  min_unit: number
  max_unit: number
  step_size: number
  allocation_ratio: number
  capacity: number
  used: number
}
export interface ConsumerRow {
  id: string
  project_id: string
  user_id: string
  type: string
  generation: number
  mappings: string
}
export interface AllocationRow {
  consumer_id: string
  provider_id: string
  resource_class: string
  amount: number
}
export interface TraitRow {
  name: string
}
export interface ResourceClassRow {
  name: string
}
export interface ProviderTraitRow {
  provider_id: string
  trait: string
}
export interface ProviderAggregateRow {
  provider_id: string
  aggregate_id: string
}

export interface PlacementTables {
  placement_provider: ProviderRow
  placement_inventory: InventoryRow
  placement_consumer: ConsumerRow
  placement_allocation: AllocationRow
  placement_trait: TraitRow
  placement_resource_class: ResourceClassRow
  placement_provider_trait: ProviderTraitRow
  placement_provider_aggregate: ProviderAggregateRow
}
