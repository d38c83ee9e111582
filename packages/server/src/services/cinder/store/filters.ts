/** Filters that volumes and snapshots share. */
import type { SelectQueryBuilder } from 'kysely'

const operators = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=', neq: '!=' } as const

export type TimeOperator = keyof typeof operators
/** Moments in milliseconds; whole seconds are meant, since that is what clients see. */
export type TimeRange = Partial<Record<TimeOperator, number>>

export const isTimeOperator = (text: string): text is TimeOperator => Object.hasOwn(operators, text)

export const timeMatches = <DB, TB extends keyof DB, Output>(
  query: SelectQueryBuilder<DB, TB, Output>,
  column: string,
  range: TimeRange,
): SelectQueryBuilder<DB, TB, Output> => {
  let result = query as SelectQueryBuilder<any, any, Output>
  for (const [operator, moment] of Object.entries(range))
    result = result.where(column, operators[operator as TimeOperator], moment)
  return result as SelectQueryBuilder<DB, TB, Output>
}
