/** SQL over server groups; membership is a column of the server. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import type { ServerGroup } from '../manager/model.ts'
import type { NovaTables, ServerGroupRow } from './tables.ts'

const membersOf = async (executor: Executor, groupIds: string[]): Promise<Map<string, string[]>> => {
  if (!groupIds.length) return new Map()
  const rows = await executor.as<NovaTables>().selectFrom('nova_server').select(['id', 'group_id'])
    .where('group_id', 'in', groupIds).where('deleted', '=', 0).orderBy('created_at').execute()
  return Map.groupBy(rows, (row) => row.group_id!) as unknown as Map<string, string[]>
}

const withMembers = async (executor: Executor, rows: ServerGroupRow[]): Promise<ServerGroup[]> => {
  const members = await membersOf(executor, rows.map((row) => row.id)) as unknown as Map<string, { id: string }[]>
  return rows.map((row) => ({
    id: row.id, projectId: row.project_id, userId: row.user_id, name: row.name, policy: row.policy,
    rules: fromJson<Record<string, number>>(row.rules), createdAt: row.created_at,
    members: (members.get(row.id) ?? []).map((member) => member.id),
  }))
}

export const serverGroupsList = async (
  executor: Executor, asked: { projectId?: string; limit?: number; offset?: number },
): Promise<ServerGroup[]> => {
  let query = executor.as<NovaTables>().selectFrom('nova_server_group').selectAll().orderBy('created_at').orderBy('id')
  if (asked.projectId !== undefined) query = query.where('project_id', '=', asked.projectId)
  const rows = await query.execute()
  const from = asked.offset ?? 0
  return withMembers(executor, rows.slice(from, asked.limit === undefined ? undefined : from + asked.limit))
}

export const serverGroupFetch = async (executor: Executor, id: string): Promise<ServerGroup | undefined> => {
  const rows = await executor.as<NovaTables>().selectFrom('nova_server_group').selectAll().where('id', '=', id)
    .execute()
  return (await withMembers(executor, rows))[0]
}

/** In the order of their ids, without their members. */
export const serverGroupsAfter = async (
  executor: Executor, after: string, limit: number,
): Promise<Pick<ServerGroup, 'id' | 'projectId'>[]> => {
  const rows = await executor.as<NovaTables>().selectFrom('nova_server_group').select(['id', 'project_id'])
    .where('id', '>', after).orderBy('id').limit(limit).execute()
  return rows.map((row) => ({ id: row.id, projectId: row.project_id }))
}

export const serverGroupInsert = async (tx: Tx, group: ServerGroup): Promise<void> => {
  await tx.as<NovaTables>().insertInto('nova_server_group').values({
    id: group.id, project_id: group.projectId, user_id: group.userId, name: group.name, policy: group.policy,
    rules: toJson(group.rules), created_at: group.createdAt,
  }).execute()
}

/** The members stay, without a group. */
export const serverGroupDelete = async (tx: Tx, id: string): Promise<boolean> => {
  await tx.as<NovaTables>().updateTable('nova_server').set({ group_id: null }).where('group_id', '=', id).execute()
  const result = await tx.as<NovaTables>().deleteFrom('nova_server_group').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}
