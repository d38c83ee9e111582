/** Which ports are in which security groups, and each project's default group, in SQL. */
import type { Executor } from '#platform/db/database.ts'
import { fromJson } from '#platform/db/json.ts'
import type { LinkTables, Port } from './tables.ts'

const db = (executor: Executor) => executor.as<LinkTables>()

export const membershipsSet = async (
  executor: Executor,
  portId: string,
  groupIds: string[],
  isNew = false,
): Promise<void> => {
  if (!isNew) await db(executor).deleteFrom('neutron_membership').where('port_id', '=', portId).execute()
  if (groupIds.length === 0) return
  await db(executor)
    .insertInto('neutron_membership')
    .values([...new Set(groupIds)].map((security_group_id) => ({ port_id: portId, security_group_id })))
    .execute()
}

export const membersOf = async (
  executor: Executor,
  groupIds: string[],
): Promise<{ port_id: string; security_group_id: string }[]> =>
  groupIds.length === 0
    ? []
    : db(executor).selectFrom('neutron_membership').selectAll().where('security_group_id', 'in', groupIds).execute()

/** What makes a port a member that others' rules can name. */
export type Member = Pick<Port, 'id' | 'fixed_ips' | 'allowed_address_pairs'>

/** The ports that are in any of the groups, in one statement whose text does not grow with them. */
export const memberPorts = async (executor: Executor, groupIds: string[]): Promise<Member[]> => {
  if (groupIds.length === 0) return []
  const rows = await executor
    .as<LinkTables & { neutron_port: Record<keyof Member, string> }>()
    .selectFrom('neutron_port')
    .select(['id', 'fixed_ips', 'allowed_address_pairs'])
    .where('id', 'in', (query) =>
      query.selectFrom('neutron_membership').select('port_id').where('security_group_id', 'in', groupIds),
    )
    .execute()
  return rows.map((row) => ({
    id: row.id,
    fixed_ips: fromJson(row.fixed_ips),
    allowed_address_pairs: fromJson(row.allowed_address_pairs),
  }))
}

export const isGroupUsed = async (executor: Executor, groupId: string): Promise<boolean> =>
  (await db(executor)
    .selectFrom('neutron_membership')
    .select('port_id')
    .where('security_group_id', '=', groupId)
    .limit(1)
    .executeTakeFirst()) !== undefined

export const defaultGroupFind = async (executor: Executor, projectId: string): Promise<string | undefined> => {
  const row = await db(executor)
    .selectFrom('neutron_default_group')
    .select('security_group_id')
    .where('project_id', '=', projectId)
    .executeTakeFirst()
  return row?.security_group_id
}

/** False when the project has one already. */
export const defaultGroupClaim = async (executor: Executor, projectId: string, groupId: string): Promise<boolean> => {
  const result = await db(executor)
    .insertInto('neutron_default_group')
    .values({ project_id: projectId, security_group_id: groupId })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}

export const defaultGroupForget = async (executor: Executor, groupId: string): Promise<void> => {
  await db(executor).deleteFrom('neutron_default_group').where('security_group_id', '=', groupId).execute()
}

/** True the first time in the cloud's life. */
export const seedClaim = async (executor: Executor, name: string, now: number): Promise<boolean> => {
  const result = await db(executor)
    .insertInto('neutron_seed')
    .values({ name, made_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}
