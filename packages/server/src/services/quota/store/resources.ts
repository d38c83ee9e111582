/** The resources that services have declared, and their default limits. */
import type { Executor } from '#platform/db/database.ts'
import type { QuotaTables, ResourceRow } from './tables.ts'

export const resourcesList = (executor: Executor): Promise<ResourceRow[]> =>
  executor.as<QuotaTables>().selectFrom('quota_resource').selectAll().orderBy('name').execute()

export const resourceFetch = (executor: Executor, name: string): Promise<ResourceRow | undefined> =>
  executor.as<QuotaTables>().selectFrom('quota_resource').selectAll().where('name', '=', name).executeTakeFirst()

export async function resourceWrite(executor: Executor, row: ResourceRow): Promise<void> {
  const { name, ...rest } = row
  await executor
    .as<QuotaTables>()
    .insertInto('quota_resource')
    .values({ name, ...rest })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(rest))
    .execute()
}
