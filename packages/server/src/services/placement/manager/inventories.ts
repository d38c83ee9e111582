/** Inventories, traits and aggregates of a provider, each guarded by the provider's generation. */
import type { Database, Tx } from '#platform/db/database.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { Inventory } from '../facade.ts'
import {
  aggregatesReplace,
  generationMove,
  inventoriesList,
  inventoryDelete,
  inventoryWrite,
  traitsReplace,
} from '../store/providers.ts'
import { capacityOf, toRow } from './inventory.ts'
import { assertClassesKnown, assertTraitsKnown } from './names.ts'
import { generationConflict, inventoryInUse } from './refusals.ts'
import { requireProvider } from './views.ts'
import type { Provider } from './views.ts'

export interface Guarded {
  providerId: string
  /** Undefined: whatever it is now. */ generation?: number
}

/** Runs `work` if the generation is the one the client knew, and raises it. */
async function guarded(
  db: Database,
  { providerId, generation }: Guarded,
  work: (tx: Tx, provider: Provider) => Promise<void>,
): Promise<Provider> {
  await db.transaction(async (tx) => {
    const provider = await requireProvider(tx, providerId)
    if (generation !== undefined && generation !== provider.generation) throw generationConflict()
    await work(tx, provider)
    if (!(await generationMove(tx, providerId, provider.generation))) throw generationConflict()
  })
  return await requireProvider(db, providerId)
}

/** Since 1.26 a provider may reserve all that it has. */
export interface InventoryRules {
  mayReserveAll: boolean
}

export async function inventoriesSet(
  db: Database,
  guard: Guarded,
  inventories: Record<string, Inventory>,
  rules: InventoryRules,
): Promise<Provider> {
  await assertClassesKnown(
    db,
    Object.keys(inventories),
    `Unknown resource class in inventory for resource provider ${guard.providerId}: `,
  )
  for (const [name, inventory] of Object.entries(inventories)) assertCapacity(guard.providerId, name, inventory, rules)
  return await guarded(db, guard, async (tx, provider) => {
    const dropped = Object.keys(provider.inventories).filter((name) => !(name in inventories))
    await drop(tx, provider, dropped)
    for (const [name, inventory] of Object.entries(inventories))
      await inventoryWrite(tx, toRow(provider.id, name, inventory))
  })
}

async function drop(tx: Tx, provider: Provider, names: string[]): Promise<void> {
  const inUse = []
  for (const name of names) if (!(await inventoryDelete(tx, provider.id, name))) inUse.push(name)
  if (inUse.length > 0) throw inventoryInUse(provider.id, inUse)
}

export async function inventorySet(
  db: Database,
  guard: Guarded,
  {
    name,
    inventory,
    mode,
    rules,
  }: { name: string; inventory: Inventory; mode: 'create' | 'update'; rules: InventoryRules },
): Promise<Provider> {
  await assertClassesKnown(db, [name], `Unable to ${mode} inventory for resource provider ${guard.providerId}: `)
  assertCapacity(guard.providerId, name, inventory, rules)
  return await guarded(db, guard, async (tx, provider) => {
    const exists = (await inventoriesList(tx, [provider.id])).some((row) => row.resource_class === name)
    if (mode === 'create' && exists) throw generationConflict()
    if (mode === 'update' && !exists) {
      throw badRequest(
        `Unable to update inventory for resource provider ${provider.id}: ` +
          `No inventory record with resource class ${name}`,
      )
    }
    await inventoryWrite(tx, toRow(provider.id, name, inventory))
  })
}

export async function inventoryRemove(db: Database, providerId: string, name: string): Promise<void> {
  await guarded(db, { providerId }, async (tx, provider) => {
    if (provider.inventories[name] === undefined) {
      throw notFound(`No inventory of class ${name} found for delete: No inventory of class ${name} found.`)
    }
    await drop(tx, provider, [name])
  })
}

function assertCapacity(
  providerId: string,
  name: string,
  inventory: Inventory,
  { mayReserveAll }: InventoryRules,
): void {
  const capacity = capacityOf(inventory)
  if (capacity > 0 || (mayReserveAll && capacity === 0)) return
  throw badRequest(
    `Unable to update inventory for resource provider ${providerId}: Invalid inventory for '${name}' on resource ` +
      `provider '${providerId}'. The reserved value is greater than${mayReserveAll ? '' : ' or equal to'} total.`,
  )
}

export async function traitsSet(db: Database, guard: Guarded, traits: string[]): Promise<Provider> {
  await assertTraitsKnown(db, traits)
  return await guarded(db, guard, (tx, provider) => traitsReplace(tx, provider.id, traits))
}

export async function aggregatesSet(db: Database, guard: Guarded, aggregates: string[]): Promise<Provider> {
  return await guarded(db, guard, (tx, provider) => aggregatesReplace(tx, provider.id, aggregates))
}
