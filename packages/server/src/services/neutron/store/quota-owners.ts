/** Projects whose limits somebody set through this API, in SQL: the list that `GET /quotas` answers with. */
import type { Executor } from '#platform/db/database.ts'
import type { LinkTables } from './tables.ts'

const db = (executor: Executor) => executor.as<LinkTables>()

export const quotaOwnerAdd = async (executor: Executor, projectId: string): Promise<void> => {
  await db(executor)
    .insertInto('neutron_quota_owner')
    .values({ project_id: projectId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export const quotaOwnerForget = async (executor: Executor, projectId: string): Promise<void> => {
  await db(executor).deleteFrom('neutron_quota_owner').where('project_id', '=', projectId).execute()
}

export const quotaOwners = async (executor: Executor): Promise<string[]> =>
  (await db(executor).selectFrom('neutron_quota_owner').select('project_id').orderBy('project_id').execute()).map(
    ({ project_id }) => project_id,
  )
