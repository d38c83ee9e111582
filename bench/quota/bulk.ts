/** Many rows of one table at once, for trees that a benchmark plants. */
import type { Database } from '../../packages/server/src/platform/db/database.ts'

/** Below what either database takes in parameters of one statement. */
const rowsMax = 500

export const inserted = async (db: Database, table: string, rows: readonly object[]): Promise<void> => {
  await db.transaction(async (tx) => {
    const tables = tx.as<Record<string, object>>()
    for (let at = 0; at < rows.length; at += rowsMax)
      await tables.insertInto(table).values(rows.slice(at, at + rowsMax)).execute()
  })
}
