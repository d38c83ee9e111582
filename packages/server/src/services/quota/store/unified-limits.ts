/** Which of Keystone's limits this tree follows now: one row a project and resource, and the default of a resource. */
import type { Executor } from '#platform/db/database.ts'
import type { QuotaTables, UnifiedLimitRow } from './tables.ts'

export const unifiedLimitsList = (executor: Executor, projectId?: string): Promise<UnifiedLimitRow[]> => {
  const query = executor.as<QuotaTables>().selectFrom('quota_unified_limit').selectAll()
  return (projectId === undefined ? query : query.where('project_id', '=', projectId)).execute()
}

export async function unifiedLimitWrite(executor: Executor, row: UnifiedLimitRow): Promise<void> {
  const { limit_id, value } = row
  await executor
    .as<QuotaTables>()
    .insertInto('quota_unified_limit')
    .values(row)
    .onConflict((conflict) => conflict.columns(['project_id', 'resource']).doUpdateSet({ limit_id, value }))
    .execute()
}

export async function unifiedLimitDelete(executor: Executor, projectId: string, resource: string): Promise<void> {
  await executor
    .as<QuotaTables>()
    .deleteFrom('quota_unified_limit')
    .where('project_id', '=', projectId)
    .where('resource', '=', resource)
    .execute()
}

/** Null: the service's own default stands again. */
export async function registeredLimitWrite(executor: Executor, name: string, value: number | null): Promise<void> {
  await executor
    .as<QuotaTables>()
    .updateTable('quota_resource')
    .set((row) => ({
      registered_limit: value,
      default_limit: value ?? row.fn.coalesce('declared_limit', 'default_limit'),
    }))
    .where('name', '=', name)
    .execute()
}
