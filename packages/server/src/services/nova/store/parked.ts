/** SQL over parked servers: stopped so that what they held could be given back, and kept. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { NovaTables, ParkedRow } from './tables.ts'

export const parkedList = async (executor: Executor): Promise<ParkedRow[]> =>
  executor.as<NovaTables>().selectFrom('nova_parked').selectAll().orderBy('server_id').execute()

export const parkedFetch = async (executor: Executor, serverId: string): Promise<ParkedRow | undefined> =>
  executor.as<NovaTables>().selectFrom('nova_parked').selectAll().where('server_id', '=', serverId).executeTakeFirst()

/** How many servers of a project stand in nobody's count of instances. */
export const parkedCount = async (executor: Executor, projectId: string): Promise<number> => {
  const { count } = await executor.as<NovaTables>().selectFrom('nova_parked')
    .innerJoin('nova_server', 'nova_server.id', 'nova_parked.server_id')
    .where('nova_server.project_id', '=', projectId).where('nova_parked.released', '=', 2)
    .select((row) => row.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
  return Number(count)
}

export const parkedInsert = async (tx: Tx, serverId: string): Promise<void> => {
  await tx.as<NovaTables>().insertInto('nova_parked').values({ server_id: serverId, released: 0 })
    .onConflict((row) => row.doNothing()).execute()
}

export const parkedRelease = async (tx: Tx, serverId: string, released: 1 | 2): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_parked').set({ released }).where('server_id', '=', serverId).execute()
}

export const parkedDelete = async (tx: Tx, serverId: string): Promise<void> => {
  await tx.as<NovaTables>().deleteFrom('nova_parked').where('server_id', '=', serverId).execute()
}
