/** Statements whose text never changes, for hot paths: written out for each dialect, bound and sent as they are. */
import { CompiledQuery } from 'kysely'
import type { QueryResult } from 'kysely'
import type { DialectName, Tx } from './database.ts'

/** Parameters are `?` on SQLite (or `?1`, to use one twice) and `$1` on PostgreSQL. Rows come back as they are. */
export type StatementTexts = Readonly<Record<DialectName, string>>

export const runStatement = <Row>(
  tx: Tx,
  texts: StatementTexts,
  parameters: readonly unknown[],
): Promise<QueryResult<Row>> =>
  tx.as<unknown>().executeQuery<Row>(CompiledQuery.raw(texts[tx.dialect], [...parameters]))
