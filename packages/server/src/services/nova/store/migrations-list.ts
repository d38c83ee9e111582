/** SQL over migrations: the record of each resize. */
import type { Selectable } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { Migration } from '../manager/model.ts'
import type { MigrationRow, NovaTables } from './tables.ts'

const migrationOf = (row: Selectable<MigrationRow>): Migration => ({
  number: row.number, uuid: row.uuid, serverId: row.server_id, projectId: row.project_id, userId: row.user_id,
  type: row.type,
  status: row.status, host: row.host, oldFlavorId: row.old_flavor_id, newFlavorId: row.new_flavor_id,
  createdAt: row.created_at, updatedAt: row.updated_at,
})

export interface MigrationFilter {
  serverId?: string; projectId?: string; userId?: string; host?: string; status?: string; type?: string
  changedSince?: number; changedBefore?: number
}

/** Newest first. */
export const migrationsList = async (executor: Executor, filter: MigrationFilter): Promise<Migration[]> => {
  let query = executor.as<NovaTables>().selectFrom('nova_migration').selectAll().orderBy('number', 'desc')
  const equal = {
    server_id: filter.serverId, project_id: filter.projectId, user_id: filter.userId, host: filter.host,
    status: filter.status,
    type: filter.type,
  }
  for (const [column, value] of Object.entries(equal)) {
    if (value !== undefined) query = query.where(column as 'server_id', '=', value)
  }
  if (filter.changedSince !== undefined) query = query.where('updated_at', '>=', filter.changedSince)
  if (filter.changedBefore !== undefined) query = query.where('updated_at', '<=', filter.changedBefore)
  return (await query.execute()).map(migrationOf)
}

export const migrationInsert = async (tx: Tx, migration: Omit<Migration, 'number'>): Promise<number> => {
  const row = await tx.as<NovaTables>().insertInto('nova_migration').values({
    uuid: migration.uuid, server_id: migration.serverId, project_id: migration.projectId, user_id: migration.userId,
    type: migration.type, status: migration.status, host: migration.host, old_flavor_id: migration.oldFlavorId,
    new_flavor_id: migration.newFlavorId, created_at: migration.createdAt, updated_at: migration.updatedAt,
  }).returning('number').executeTakeFirstOrThrow()
  return row.number
}

/** Moves the server's migration that is under way. */
export const migrationMove = async (
  tx: Tx, serverId: string, from: string[], to: string, at: number,
): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_migration').set({ status: to, updated_at: at })
    .where('server_id', '=', serverId).where('status', 'in', from).execute()
}
