/** SQL over warnings: servers that were told that quota takes back what they hold. One a server, while it stands. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { NovaTables, ReclaimRow } from './tables.ts'

export const reclaimsList = async (executor: Executor): Promise<ReclaimRow[]> =>
  executor.as<NovaTables>().selectFrom('nova_reclaim').selectAll().orderBy('server_id').execute()

export const reclaimFetch = async (executor: Executor, serverId: string): Promise<ReclaimRow | undefined> =>
  executor.as<NovaTables>().selectFrom('nova_reclaim').selectAll().where('server_id', '=', serverId).executeTakeFirst()

export const reclaimInsert = async (tx: Tx, reclaim: ReclaimRow): Promise<void> => {
  await tx.as<NovaTables>().insertInto('nova_reclaim').values(reclaim).execute()
}

export const reclaimDelete = async (tx: Tx, serverId: string): Promise<void> => {
  await tx.as<NovaTables>().deleteFrom('nova_reclaim').where('server_id', '=', serverId).execute()
}
