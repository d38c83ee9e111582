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
  executor.as<unknown>().executeQuery<Row>(fixedQuery<Row>(texts[executor.dialect], parameters))

const names = new Map<string, string>()
/** Far more than there are: a text that is built anew for each call would fill every connection's memory. */
const namesMax = 1000

/** Its text is worth a name: a connection parses and plans it once, not for each call. */
export const fixedQuery = <Row>(text: string, parameters: readonly unknown[]): CompiledQuery<Row> => {
  if (!names.has(text) && names.size < namesMax) names.set(text, `fixed ${names.size + 1}`)
  return CompiledQuery.raw(text, [...parameters]) as CompiledQuery<Row>
}

/** By what name the connections of this process know a text; nothing if it is not one of those above. */
export const nameOfText = (text: string): string | undefined => names.get(text)

/** For statements that send events of what they find: `rows` selects topic, payload as JSON text, and time. */
export const outboxInsert = (rows: string): string => `insert into outbox (topic, payload, at) ${rows}`

/** A text that both understand, with each parameter written as `?` and used once, in order. */
export const bothTexts = (text: string): StatementTexts => {
  let count = 0
  return { sqlite: text, postgresql: text.replaceAll('?', () => `$${++count}`) }
}
