/** What an inventory must be, and how many units of it may be given out. */
import type { Inventory } from '../facade.ts'
import type { InventoryRow } from '../store/tables.ts'

/** As Placement counts: the whole part of what is left after the reservation, times the ratio. */
export const capacityOf = ({ total, reserved, allocationRatio }: Inventory): number =>
  Math.floor((total - reserved) * allocationRatio)

export const toRow = (providerId: string, resourceClass: string, inventory: Inventory): Omit<InventoryRow, 'used'> => ({
  provider_id: providerId,
  resource_class: resourceClass,
  total: inventory.total,
  reserved: inventory.reserved,
  min_unit: inventory.minUnit,
  max_unit: inventory.maxUnit,
  step_size: inventory.stepSize,
  allocation_ratio: inventory.allocationRatio,
  capacity: capacityOf(inventory),
})

export const toInventory = (row: InventoryRow): Inventory => ({
  total: row.total,
  reserved: row.reserved,
  minUnit: row.min_unit,
  maxUnit: row.max_unit,
  stepSize: row.step_size,
  allocationRatio: row.allocation_ratio,
})

export const isSameInventory = (left: Inventory, right: Inventory): boolean =>
  left.total === right.total &&
  left.reserved === right.reserved &&
  left.minUnit === right.minUnit &&
  left.maxUnit === right.maxUnit &&
  left.stepSize === right.stepSize &&
  left.allocationRatio === right.allocationRatio
