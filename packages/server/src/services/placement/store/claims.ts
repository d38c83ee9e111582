/** Takes and gives back: `used` moves with the allocation rows, guarded by the capacity in the same statement. */
import { sql } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { AllocationRow, ConsumerRow, InventoryRow, PlacementTables } from './tables.ts'

export interface Take {
  providerId: string
  resourceClass: string
  amount: number
}
/** What stood in the way of a take: the inventory as it was then, or none of that class at all. */
export interface Shortage {
  take: Take
  inventory: InventoryRow | undefined
}

/** In one order everywhere, so that two transactions never wait for each other in a circle. */
const inLockOrder = (takes: readonly Take[]): Take[] =>
  [...takes].sort((left, right) =>
    left.providerId === right.providerId
      ? compare(left.resourceClass, right.resourceClass)
      : compare(left.providerId, right.providerId),
  )
const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

/**
 * Charges every take or answers with the first that does not fit; the caller then rolls back.
 * The test and the change are one statement: whoever comes second sees what the first has taken.
 */
export async function charge(tx: Tx, takes: readonly Take[]): Promise<Shortage | undefined> {
  for (const take of inLockOrder(takes)) {
    const { numUpdatedRows } = await tx
      .as<PlacementTables>()
      .updateTable('placement_inventory')
      .set({ used: sql<number>`used + ${take.amount}` })
      .where('provider_id', '=', take.providerId)
      .where('resource_class', '=', take.resourceClass)
      .where(sql<boolean>`used + ${take.amount} <= capacity`)
      .where('min_unit', '<=', take.amount)
      .where('max_unit', '>=', take.amount)
      .where(sql<boolean>`${take.amount} % step_size = 0`)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return { take, inventory: await inventoryFetch(tx, take) }
  }
  return undefined
}

const inventoryFetch = (executor: Executor, take: Take): Promise<InventoryRow | undefined> =>
  executor
    .as<PlacementTables>()
    .selectFrom('placement_inventory')
    .selectAll()
    .where('provider_id', '=', take.providerId)
    .where('resource_class', '=', take.resourceClass)
    .executeTakeFirst()

/** Gives back what a consumer holds and forgets its rows. */
export async function uncharge(tx: Tx, consumerId: string): Promise<AllocationRow[]> {
  const held = await allocationsOf(tx, consumerId)
  const takes = held.map((row): Take => ({
    providerId: row.provider_id,
    resourceClass: row.resource_class,
    amount: row.amount,
  }))
  for (const take of inLockOrder(takes)) {
    await tx
      .as<PlacementTables>()
      .updateTable('placement_inventory')
      .set({ used: sql<number>`used - ${take.amount}` })
      .where('provider_id', '=', take.providerId)
      .where('resource_class', '=', take.resourceClass)
      .execute()
  }
  if (held.length > 0)
    await tx.as<PlacementTables>().deleteFrom('placement_allocation').where('consumer_id', '=', consumerId).execute()
  return held
}

export async function allocationsInsert(tx: Tx, consumerId: string, takes: readonly Take[]): Promise<void> {
  if (takes.length === 0) return
  await tx
    .as<PlacementTables>()
    .insertInto('placement_allocation')
    .values(
      takes.map((take) => ({
        consumer_id: consumerId,
        provider_id: take.providerId,
        resource_class: take.resourceClass,
        amount: take.amount,
      })),
    )
    .execute()
}

export const allocationsOf = (executor: Executor, consumerId: string): Promise<AllocationRow[]> =>
  executor
    .as<PlacementTables>()
    .selectFrom('placement_allocation')
    .selectAll()
    .where('consumer_id', '=', consumerId)
    .orderBy('provider_id')
    .orderBy('resource_class')
    .execute()

export const consumerFetch = (executor: Executor, id: string): Promise<ConsumerRow | undefined> =>
  executor.as<PlacementTables>().selectFrom('placement_consumer').selectAll().where('id', '=', id).executeTakeFirst()

export async function consumerWrite(tx: Tx, consumer: ConsumerRow): Promise<void> {
  await tx
    .as<PlacementTables>()
    .insertInto('placement_consumer')
    .values(consumer)
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({
        project_id: consumer.project_id,
        user_id: consumer.user_id,
        type: consumer.type,
        generation: consumer.generation,
        mappings: consumer.mappings,
      }),
    )
    .execute()
}

export async function consumerDelete(tx: Tx, id: string): Promise<void> {
  await tx.as<PlacementTables>().deleteFrom('placement_consumer').where('id', '=', id).execute()
}

/** Whoever read a provider before this change learns of it by the generation. */
export async function generationsBump(tx: Tx, providerIds: readonly string[]): Promise<void> {
  if (providerIds.length === 0) return
  await tx
    .as<PlacementTables>()
    .updateTable('placement_provider')
    .set({ generation: sql<number>`generation + 1` })
    .where('id', 'in', [...providerIds])
    .execute()
}

/** Every consumer that holds something, with the providers it holds it of. */
export const consumersHolding = (executor: Executor): Promise<{ consumerId: string; providerId: string }[]> =>
  executor
    .as<PlacementTables>()
    .selectFrom('placement_allocation')
    .select(['consumer_id as consumerId', 'provider_id as providerId'])
    .distinct()
    .orderBy('consumer_id')
    .orderBy('provider_id')
    .execute()

export const allocationsOfProvider = (
  executor: Executor,
  providerId: string,
): Promise<(AllocationRow & { generation: number })[]> =>
  executor
    .as<PlacementTables>()
    .selectFrom('placement_allocation')
    .innerJoin('placement_consumer', 'placement_consumer.id', 'placement_allocation.consumer_id')
    .selectAll('placement_allocation')
    .select('placement_consumer.generation')
    .where('provider_id', '=', providerId)
    .orderBy('consumer_id')
    .orderBy('resource_class')
    .execute()

export const usageOfOwner = (
  executor: Executor,
  { projectId, userId }: { projectId: string; userId?: string },
): Promise<(AllocationRow & { type: string })[]> =>
  executor
    .as<PlacementTables>()
    .selectFrom('placement_allocation')
    .innerJoin('placement_consumer', 'placement_consumer.id', 'placement_allocation.consumer_id')
    .selectAll('placement_allocation')
    .select('placement_consumer.type')
    .where('project_id', '=', projectId)
    .$if(userId !== undefined, (query) => query.where('user_id', '=', userId!))
    .execute()
