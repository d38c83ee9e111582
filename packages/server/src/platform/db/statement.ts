/** Statements whose text never changes, for hot paths: written out for each dialect, bound and sent as they are. */
import { CompiledQuery } from 'kysely'
import type { QueryResult } from 'kysely'
import type { DialectName, Executor } from './database.ts'

/** Parameters are `?` on SQLite (or `?1`, to use one twice) and `$1` on PostgreSQL. Rows come back as they are. */
export type StatementTexts = Readonly<Record<DialectName, string>>

export const runStatement = <Row>(
  executor: Executor,
  texts: StatementTexts,
  parameters: readonly unknown[],
): Promise<QueryResult<Row>> =>
  executor.as<unknown>().executeQuery<Row>(CompiledQuery.raw(texts[executor.dialect], [...parameters]))

/** A text that both understand, with each parameter written as `?` and used once, in order. */
export const bothTexts = (text: string): StatementTexts => {
  let count = 0
  return { sqlite: text, postgresql: text.replaceAll('?', () => `$${++count}`) }
}
