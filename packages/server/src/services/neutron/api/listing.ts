/** Reads a list's query (filters, tags, fields, sort, page) and writes the page's links. */
import { parseSort } from '#platform/api-kit/paging.ts'
import { T, isTrue } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { sharedCondition } from '../manager/shared-filter.ts'
import type { PageAsk } from '../manager/collection.ts'
import { invalid, invalidAttribute } from '../manager/refusals.ts'
import type { Condition } from '../store/records.ts'
import type { Attributes } from './attributes.ts'

export type Query = Record<string, string | string[] | undefined>

/** A filter that is no plain column: values in, condition out. */
export type SpecialFilter = (values: string[], projectId: string) => Condition
export type SpecialFilters = Readonly<Record<string, SpecialFilter>>

export const listQuery = T.Object(
  {
    fields: T.Optional(T.Union([T.String(), T.Array(T.String())], { description: 'Show these attributes only' })),
    sort_key: T.Optional(T.Union([T.String(), T.Array(T.String())])),
    sort_dir: T.Optional(T.Union([T.String(), T.Array(T.String())])),
    limit: T.Optional(T.Union([T.String(), T.Array(T.String())])),
    marker: T.Optional(T.Union([T.String(), T.Array(T.String())])),
    page_reverse: T.Optional(T.Union([T.String(), T.Array(T.String())])),
  },
  { additionalProperties: true },
)

const paging = new Set(['fields', 'sort_key', 'sort_dir', 'limit', 'marker', 'page_reverse'])
const tagFilters = ['tags', 'tags-any', 'not-tags', 'not-tags-any']

const valuesOf = (value: string | string[] | undefined): string[] => [value ?? []].flat()
const last = (value: string | string[] | undefined): string | undefined => valuesOf(value).at(-1)

export const limitOf = (query: Query): number | undefined => {
  const text = last(query.limit)
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text))
    throw badRequest(`Limit must be an integer 0 or greater and not '${text}'`, {
      type: 'BadRequest',
      field: 'limit',
    })
  return Number(text) || undefined
}

export interface ListRules {
  attributes: Attributes
  special?: SpecialFilters
  unsorted: readonly string[]
}

export const pageAskOf = (query: Query, rules: ListRules, projectId: string): PageAsk => ({
  conditions: conditionsOf(query, rules, projectId),
  sort: parseSort(
    { sort_key: query.sort_key, sort_dir: query.sort_dir },
    {
      columns: sortable(rules),
      unique: 'id',
      defaults: [{ column: 'id', direction: 'asc' }],
    },
  ),
  marker: last(query.marker),
  limit: limitOf(query),
  reverse: isTrue(last(query.page_reverse)),
})

const sortable = ({ attributes, unsorted }: ListRules): Record<string, string> =>
  Object.fromEntries(
    Object.entries(attributes)
      .filter(([name, { type, field }]) => type.sorts && !unsorted.includes(field ?? name))
      .map(([name, { field }]) => [name, field ?? name]),
  )

const conditionsOf = (query: Query, rules: ListRules, projectId: string): Condition[] =>
  Object.entries(query)
    .filter(([key]) => !paging.has(key))
    .flatMap(([key, value]) => conditionOf(key, valuesOf(value), rules, projectId))

const conditionOf = (
  key: string,
  values: string[],
  { attributes, special }: ListRules,
  projectId: string,
): Condition[] => {
  if (values.some((value) => value.includes('\0')))
    throw invalidAttribute(key, 'text must not contain NUL characters')
  if (special && Object.hasOwn(special, key)) return [special[key]!(values, projectId)]
  if (tagFilters.includes(key) && attributes.tags)
    return [
      tagCondition(
        key,
        values.flatMap((value) => value.split(',')),
      ),
    ]
  const attribute = Object.hasOwn(attributes, key) ? attributes[key] : undefined
  if (!attribute?.type.filter) throw invalid(`['${key}'] is invalid attribute for filter`, key)
  const column = attribute.field ?? key
  const wanted = values.map(attribute.type.filter)
  return [
    (where) =>
      wanted.includes('')
        ? where.or([where(column, 'in', wanted), where(column, 'is', null)])
        : where(column, 'in', wanted),
  ]
}

/** `shared=true|false`, by RBAC. */
export const sharedFilter =
  (objectType: string): SpecialFilter =>
  (values, projectId) =>
    sharedCondition(objectType, { shared: isTrue(values.at(-1)), projectId })

/** Tags are one JSON text: a tag is in it if taking its literal out changes it. Exact, on both databases. */
const hasTag = (where: any, tag: string) =>
  where(where.fn('replace', ['tags', where.val(JSON.stringify(tag)), where.val('')]), '<>', where.ref('tags'))

const tagCondition =
  (key: string, tags: string[]): Condition =>
  (where) => {
    const each = tags.map((tag) => hasTag(where, tag))
    const found = key.endsWith('any') ? where.or(each) : where.and(each)
    return key.startsWith('not') ? where.not(found) : found
  }

/** `fields=a&fields=b`: only these of the view. */
export const pick = (view: Record<string, unknown>, query: Query): Record<string, unknown> => {
  const wanted = valuesOf(query.fields).filter((name) => name !== '')
  return wanted.length === 0
    ? view
    : Object.fromEntries(Object.entries(view).filter(([name]) => wanted.includes(name)))
}

/** `networks_links`: to the pages before and after, where the page's size was asked for. */
export const linksOf = (
  plural: string,
  items: { id: string }[],
  query: Query,
  location: { hostUrl: string; url: string },
): object => {
  const limit = limitOf(query)
  if (limit === undefined || items.length === 0) return {}
  const reverse = isTrue(last(query.page_reverse))
  const full = items.length >= limit
  const links = [
    ...(full || reverse ? [{ rel: 'next', href: pageUrl(location, items.at(-1)!.id, false) }] : []),
    ...(full || !reverse ? [{ rel: 'previous', href: pageUrl(location, items[0]!.id, true) }] : []),
  ]
  return { [`${plural}_links`]: links }
}

const pageUrl = ({ hostUrl, url }: { hostUrl: string; url: string }, marker: string, reverse: boolean): string => {
  const [path, text] = url.split('?', 2)
  const params = new URLSearchParams(text)
  params.set('marker', marker)
  params.delete('page_reverse')
  if (reverse) params.set('page_reverse', 'True')
  return `${hostUrl}${path}?${params.toString()}`
}
