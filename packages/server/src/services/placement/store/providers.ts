/** Rows of providers and what belongs to them: inventories, traits, aggregates. */
import { sql } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { InventoryRow, PlacementTables, ProviderRow } from './tables.ts'

export const providerFetch = (executor: Executor, id: string): Promise<ProviderRow | undefined> =>
  executor.as<PlacementTables>().selectFrom('placement_provider').selectAll().where('id', '=', id).executeTakeFirst()

/** PostgreSQL has no empty `in ()`, and nothing is asked for anyway. */
const isNone = (ids: readonly string[] | undefined): boolean => ids?.length === 0

export const providersList = async (executor: Executor, ids?: readonly string[]): Promise<ProviderRow[]> =>
  isNone(ids)
    ? []
    : await executor
        .as<PlacementTables>()
        .selectFrom('placement_provider')
        .selectAll()
        .$if(ids !== undefined, (query) => query.where('id', 'in', [...(ids ?? [])]))
        .orderBy('name')
        .execute()

export async function providerInsert(tx: Tx, row: ProviderRow): Promise<void> {
  await tx.as<PlacementTables>().insertInto('placement_provider').values(row).execute()
}

export async function providerUpdate(tx: Tx, id: string, change: Partial<ProviderRow>): Promise<void> {
  await tx.as<PlacementTables>().updateTable('placement_provider').set(change).where('id', '=', id).execute()
}

export async function providerDelete(tx: Tx, id: string): Promise<void> {
  const tables = tx.as<PlacementTables>()
  await tables.deleteFrom('placement_inventory').where('provider_id', '=', id).execute()
  await tables.deleteFrom('placement_provider_trait').where('provider_id', '=', id).execute()
  await tables.deleteFrom('placement_provider_aggregate').where('provider_id', '=', id).execute()
  await tables.deleteFrom('placement_provider').where('id', '=', id).execute()
}

/** Raises the generation if it is still the one the caller knew: the guard against concurrent updates. */
export async function generationMove(tx: Tx, id: string, from: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .as<PlacementTables>()
    .updateTable('placement_provider')
    .set({ generation: sql<number>`generation + 1` })
    .where('id', '=', id)
    .where('generation', '=', from)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

export const inventoriesList = async (executor: Executor, providerIds?: readonly string[]): Promise<InventoryRow[]> =>
  isNone(providerIds)
    ? []
    : await executor
        .as<PlacementTables>()
        .selectFrom('placement_inventory')
        .selectAll()
        .$if(providerIds !== undefined, (query) => query.where('provider_id', 'in', [...(providerIds ?? [])]))
        .orderBy('provider_id')
        .orderBy('resource_class')
        .execute()

/** Writes one inventory; what is in use stays as it is. */
export async function inventoryWrite(tx: Tx, row: Omit<InventoryRow, 'used'>): Promise<void> {
  const { provider_id: _provider, resource_class: _class, ...change } = row
  await tx
    .as<PlacementTables>()
    .insertInto('placement_inventory')
    .values({ ...row, used: 0 })
    .onConflict((conflict) => conflict.columns(['provider_id', 'resource_class']).doUpdateSet(change))
    .execute()
}

/** Removes an inventory that nobody uses; false when somebody does. */
export async function inventoryDelete(tx: Tx, providerId: string, resourceClass: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .as<PlacementTables>()
    .deleteFrom('placement_inventory')
    .where('provider_id', '=', providerId)
    .where('resource_class', '=', resourceClass)
    .where('used', '=', 0)
    .executeTakeFirst()
  return numDeletedRows === 1n
}

export const traitsOf = async (
  executor: Executor,
  providerIds?: readonly string[],
): Promise<{ provider_id: string; trait: string }[]> =>
  isNone(providerIds)
    ? []
    : await executor
        .as<PlacementTables>()
        .selectFrom('placement_provider_trait')
        .selectAll()
        .$if(providerIds !== undefined, (query) => query.where('provider_id', 'in', [...(providerIds ?? [])]))
        .orderBy('trait')
        .execute()

export async function traitsReplace(tx: Tx, providerId: string, traits: readonly string[]): Promise<void> {
  await tx.as<PlacementTables>().deleteFrom('placement_provider_trait').where('provider_id', '=', providerId).execute()
  if (traits.length === 0) return
  await tx
    .as<PlacementTables>()
    .insertInto('placement_provider_trait')
    .values([...new Set(traits)].map((trait) => ({ provider_id: providerId, trait })))
    .execute()
}

export const aggregatesOf = async (
  executor: Executor,
  providerIds?: readonly string[],
): Promise<{ provider_id: string; aggregate_id: string }[]> =>
  isNone(providerIds)
    ? []
    : await executor
        .as<PlacementTables>()
        .selectFrom('placement_provider_aggregate')
        .selectAll()
        .$if(providerIds !== undefined, (query) => query.where('provider_id', 'in', [...(providerIds ?? [])]))
        .orderBy('aggregate_id')
        .execute()

export async function aggregatesReplace(tx: Tx, providerId: string, aggregates: readonly string[]): Promise<void> {
  await tx
    .as<PlacementTables>()
    .deleteFrom('placement_provider_aggregate')
    .where('provider_id', '=', providerId)
    .execute()
  if (aggregates.length === 0) return
  await tx
    .as<PlacementTables>()
    .insertInto('placement_provider_aggregate')
    .values([...new Set(aggregates)].map((aggregate) => ({ provider_id: providerId, aggregate_id: aggregate })))
    .execute()
}

export async function childrenOf(executor: Executor, id: string): Promise<string[]> {
  const rows = await executor
    .as<PlacementTables>()
    .selectFrom('placement_provider')
    .select('id')
    .where('parent_id', '=', id)
    .execute()
  return rows.map((row) => row.id)
}

export async function rootMove(tx: Tx, ids: readonly string[], rootId: string): Promise<void> {
  await tx
    .as<PlacementTables>()
    .updateTable('placement_provider')
    .set({ root_id: rootId })
    .where('id', 'in', [...ids])
    .execute()
}
