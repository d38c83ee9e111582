/** The custom traits and resource classes; the standard ones are in the program. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { PlacementTables } from './tables.ts'

type NameTable = 'placement_trait' | 'placement_resource_class'

export async function namesList(executor: Executor, table: NameTable): Promise<string[]> {
  const rows = await executor.as<PlacementTables>().selectFrom(table).select('name').orderBy('name').execute()
  return rows.map(({ name }) => name)
}

/** True when it is new. */
export async function nameEnsure(tx: Tx, table: NameTable, name: string): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .as<PlacementTables>()
    .insertInto(table)
    .values({ name })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

export async function nameDelete(tx: Tx, table: NameTable, name: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .as<PlacementTables>()
    .deleteFrom(table)
    .where('name', '=', name)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

export async function resourceClassUsed(executor: Executor, name: string): Promise<boolean> {
  const row = await executor
    .as<PlacementTables>()
    .selectFrom('placement_inventory')
    .select('provider_id')
    .where('resource_class', '=', name)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function traitUsed(executor: Executor, name: string): Promise<boolean> {
  const row = await executor
    .as<PlacementTables>()
    .selectFrom('placement_provider_trait')
    .select('provider_id')
    .where('trait', '=', name)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
