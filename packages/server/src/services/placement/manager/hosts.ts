/** Hosts as providers: what workloads write of them. */
import type { Database, Tx } from '#platform/db/database.ts'
import type { Inventory, PlacementFacade, ProviderView } from '../facade.ts'
import { generationsBump } from '../store/claims.ts'
import { nameEnsure } from '../store/names.ts'
import {
  inventoriesList,
  inventoryDelete,
  inventoryWrite,
  providerFetch,
  providerInsert,
  providerUpdate,
  traitsOf,
  traitsReplace,
} from '../store/providers.ts'
import { isSameInventory, toRow } from './inventory.ts'
import { isStandardTrait } from './standard-names.ts'
import { providerViews } from './views.ts'

type Wanted = Parameters<PlacementFacade['providerEnsure']>[0]

export async function providerEnsure(db: Database, wanted: Wanted): Promise<void> {
  const [known] = await providerViews(db, [wanted.id])
  if (known !== undefined && isAsWanted(known, wanted)) return
  await db.transaction((tx) => write(tx, wanted))
}

async function write(tx: Tx, wanted: Wanted): Promise<void> {
  const known = await providerFetch(tx, wanted.id)
  if (known === undefined) {
    await providerInsert(tx, { id: wanted.id, name: wanted.name, generation: 0, parent_id: null, root_id: wanted.id })
  } else if (known.name !== wanted.name) await providerUpdate(tx, wanted.id, { name: wanted.name })
  await inventoriesEnsure(tx, wanted.id, wanted.inventories)
  await traitsEnsure(tx, wanted.id, wanted.traits)
  await generationsBump(tx, [wanted.id])
}

/** A class that is no longer offered but still used stays, so that nothing is counted twice. */
async function inventoriesEnsure(tx: Tx, providerId: string, inventories: Record<string, Inventory>): Promise<void> {
  for (const [resourceClass, inventory] of Object.entries(inventories)) {
    await inventoryWrite(tx, toRow(providerId, resourceClass, inventory))
  }
  for (const row of await inventoriesList(tx, [providerId])) {
    if (!(row.resource_class in inventories)) await inventoryDelete(tx, providerId, row.resource_class)
  }
}

/** Custom traits that an operator set by hand stay; the standard ones are the host's to say. */
async function traitsEnsure(tx: Tx, providerId: string, traits: readonly string[]): Promise<void> {
  const byHand = (await traitsOf(tx, [providerId])).map(({ trait }) => trait).filter((trait) => !isStandardTrait(trait))
  for (const trait of traits) if (!isStandardTrait(trait)) await nameEnsure(tx, 'placement_trait', trait)
  await traitsReplace(tx, providerId, [...traits, ...byHand])
}

function isAsWanted(known: ProviderView, wanted: Wanted): boolean {
  const names = Object.keys(wanted.inventories)
  return (
    known.name === wanted.name &&
    names.length === Object.keys(known.inventories).length &&
    names.every(
      (name) => known.inventories[name] && isSameInventory(known.inventories[name], wanted.inventories[name]!),
    ) &&
    wanted.traits.every((trait) => known.traits.includes(trait))
  )
}
