/** SQL over passwords that servers made for their owners, encrypted by the servers themselves. One a server. */
import type { Kysely } from 'kysely'
import { defineMigration } from '#platform/db/migrate.ts'
import type { Executor } from '#platform/db/database.ts'

interface Tables {
  nova_password: { server_id: string; password: string }
}

const db = (executor: Executor) => executor.as<Tables>()

export const passwordsMigration = defineMigration({
  id: '0006-passwords',
  up: async ({ schema }: Kysely<any>) => {
    await schema
      .createTable('nova_password')
      .addColumn('server_id', 'varchar(64)', (column) => column.primaryKey())
      .addColumn('password', 'text', (column) => column.notNull())
      .execute()
  },
})

/** Empty: there is none. */
export const passwordFetch = async (executor: Executor, serverId: string): Promise<string> =>
  (await db(executor).selectFrom('nova_password').select('password').where('server_id', '=', serverId).execute())[0]
    ?.password ?? ''

/** False: there is one, and it stays. */
export const passwordInsert = async (executor: Executor, serverId: string, password: string): Promise<boolean> => {
  const result = await db(executor)
    .insertInto('nova_password')
    .values({ server_id: serverId, password })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}

export const passwordDelete = async (executor: Executor, serverId: string): Promise<void> => {
  await db(executor).deleteFrom('nova_password').where('server_id', '=', serverId).execute()
}
