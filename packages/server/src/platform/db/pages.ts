/** Room in a table's pages, for rows that change all the time; used in migrations. */
import { PostgresAdapter, sql } from 'kysely'
import type { Kysely } from 'kysely'

/**
 * PostgreSQL writes a changed row anew: into the same page if it has room, and then no index has to know. `percentFull`
 * is how full new pages are made. SQLite changes rows where they are.
 */
export const leaveRoom = async (schema: Kysely<any>, table: string, percentFull: number): Promise<void> => {
  if (!(schema.getExecutor().adapter instanceof PostgresAdapter)) return
  await sql`alter table ${sql.table(table)} set (fillfactor = ${sql.lit(percentFull)})`.execute(schema)
}
