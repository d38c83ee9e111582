/** Marker paging over sorted keys: the same order on both databases, no row twice, no row left out. */
import type { SelectQueryBuilder } from 'kysely'
import { badRequest } from '#platform/errors/errors.ts'

/** A column that is never null; the last key of a list must be unique. */
export interface SortKey { column: string; direction: 'asc' | 'desc' }

export interface Page {
  sort: SortKey[]
  /** The last row of the page before, with at least the sort columns. */
  after?: Record<string, unknown>
  limit?: number
}

/** Orders a query, starts after the marker's row and stops at the limit. */
export const paged = <DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>, page: Page,
): SelectQueryBuilder<DB, TB, O> => {
  // Columns come from lists of the service's own (`parseSort`), never from a client.
  let result = query as SelectQueryBuilder<any, any, O>
  const { sort, after, limit } = page
  if (after) result = result.where((expression) => expression.or(sort.map((_, at) => expression.and(beyond(
    sort, at, after, expression,
  )))))
  for (const { column, direction } of sort) result = result.orderBy(column, direction)
  return (limit === undefined ? result : result.limit(limit)) as SelectQueryBuilder<DB, TB, O>
}

/** Equal in the keys before `at`, and past the marker in that key. */
const beyond = (sort: SortKey[], at: number, after: Record<string, unknown>, expression: any): unknown[] => [
  ...sort.slice(0, at).map(({ column }) => expression(column, '=', after[column])),
  expression(sort[at]!.column, sort[at]!.direction === 'asc' ? '>' : '<', after[sort[at]!.column]),
]

export interface SortRules {
  /** What clients may sort by → the column. */
  columns: Readonly<Record<string, string>>
  defaults: SortKey[]
  /** The unique column that ends every order. */
  unique: string
}

type SortQuery = { sort?: string | string[]; sort_key?: string | string[]; sort_dir?: string | string[] }

const listed = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat())

const pairsOf = (query: SortQuery): [key: string, direction: string | undefined][] => {
  const combined = listed(query.sort).flatMap((text) => text.split(',')).filter((text) => text !== '')
  if (combined.length > 0) return combined.map((text) => {
    const [key, direction] = text.split(':')
    return [key!, direction]
  })
  const directions = listed(query.sort_dir)
  return listed(query.sort_key).map((key, at) => [key, directions[at] ?? directions.at(-1)])
}

/** Reads `sort=name:asc,id` or repeated `sort_key`/`sort_dir`; refuses a key or a direction it does not know. */
export const parseSort = (query: SortQuery, rules: SortRules): SortKey[] => {
  const asked = pairsOf(query).map(([key, direction = 'asc']): SortKey => {
    const column = Object.hasOwn(rules.columns, key) ? rules.columns[key] : undefined
    if (column === undefined) {
      throw badRequest(
        `Cannot sort by "${key}": sort by one of ${Object.keys(rules.columns).join(', ')}`, { field: 'sort_key' },
      )
    }
    if (direction !== 'asc' && direction !== 'desc') {
      throw badRequest(`Sort direction "${direction}" is not known: use asc or desc`, { field: 'sort_dir' })
    }
    return { column, direction }
  })
  const keys = asked.length > 0 ? asked : rules.defaults
  if (keys.some(({ column }) => column === rules.unique)) return keys
  return [...keys, { column: rules.unique, direction: keys[0]?.direction ?? 'asc' }]
}

/** The request's own URL with `marker` set: the next page. `url` is path and query as the client asked. */
export const nextUrl = (hostUrl: string, url: string, marker: string): string => {
  const [path, query] = url.split('?', 2)
  const params = new URLSearchParams(query)
  params.set('marker', marker)
  return `${hostUrl}${path}?${params.toString()}`
}
