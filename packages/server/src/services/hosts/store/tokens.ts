/** Rows of the tokens by which agents join. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { HostTables, HostTokenRow } from './tables.ts'

export const tokensList = (executor: Executor): Promise<HostTokenRow[]> =>
  executor.as<HostTables>().selectFrom('host_token').selectAll().orderBy('created_at').orderBy('id').execute()

export const tokenByHash = (executor: Executor, hash: string): Promise<HostTokenRow | undefined> =>
  executor.as<HostTables>().selectFrom('host_token').selectAll().where('hash', '=', hash).executeTakeFirst()

export const tokensFetch = (executor: Executor, ids: string[]): Promise<HostTokenRow[]> =>
  executor.as<HostTables>().selectFrom('host_token').selectAll().where('id', 'in', ids).execute()

export async function tokenInsert(tx: Tx, row: HostTokenRow): Promise<void> {
  await tx.as<HostTables>().insertInto('host_token').values(row).execute()
}

/** False: there is no such token, or it was revoked before. */
export async function tokenRevoke(tx: Tx, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .as<HostTables>()
    .updateTable('host_token')
    .set({ revoked_at: now })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
