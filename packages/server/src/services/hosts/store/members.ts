/** Rows of the hosts that joined. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { HostMemberRow, HostTables } from './tables.ts'

export const membersList = (executor: Executor): Promise<HostMemberRow[]> =>
  executor.as<HostTables>().selectFrom('host_member').selectAll().orderBy('name').execute()

export const memberFetch = (executor: Executor, name: string): Promise<HostMemberRow | undefined> =>
  executor.as<HostTables>().selectFrom('host_member').selectAll().where('name', '=', name).executeTakeFirst()

/** The one who took the name first keeps its key and the time it joined. */
export async function memberWrite(tx: Tx, row: HostMemberRow): Promise<void> {
  const { name: _name, key_hash: _key, joined_at: _joined, ...change } = row
  await tx
    .as<HostTables>()
    .insertInto('host_member')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doUpdateSet(change))
    .execute()
}

/** Several processes hear the same beat: only one of them has to write, and not for each. */
export async function memberSeen(
  executor: Executor,
  name: string,
  times: { now: number; before: number },
): Promise<void> {
  await executor
    .as<HostTables>()
    .updateTable('host_member')
    .set({ seen_at: times.now })
    .where('name', '=', name)
    .where('seen_at', '<', times.before)
    .execute()
}

export async function memberDelete(tx: Tx, name: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .as<HostTables>()
    .deleteFrom('host_member')
    .where('name', '=', name)
    .executeTakeFirst()
  return numDeletedRows > 0n
}
