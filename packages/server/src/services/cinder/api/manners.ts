/** Cinder's manners that all its routes share: version tests, links, pages, names, moments. */
import type { RequestContext } from '#platform/auth/context.ts'
import { nextUrl } from '#platform/api-kit/paging.ts'
import { isTrue, T } from '#platform/api-kit/schema.ts'
import { versionNumber } from '#platform/api-kit/versions.ts'
import { isoNaive } from '#platform/clock/clock.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { PageAsk } from '../manager/volumes.ts'

/** The request asks for `version` or newer. */
export const atLeast = (ctx: { version: string }, version: string): boolean =>
  versionNumber(ctx.version) >= versionNumber(version)

/** `2026-11-24T10:00:00.000000`. */
export const moment = isoNaive
/** Null for what never changed since it was made. */
export const changed = ({ createdAt, updatedAt }: { createdAt: number; updatedAt: number }): string | null =>
  updatedAt === createdAt ? null : moment(updatedAt)

export type Query = Record<string, string | string[] | undefined>
/** A query with any keys; repeated ones arrive as a list. */
export const AnyQuery = T.Object({}, { additionalProperties: true })

/** The last of a repeated key. */
export const last = (query: Query, key: string): string | undefined => [query[key]].flat().at(-1)

export const pageMax = 1000

const countOf = (query: Query, key: string): number | undefined => {
  const text = last(query, key)
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw badRequest(`${key} param must be an integer of 0 or more, not "${text}"`, { field: key })
}

/** What of a query is about pages and order. */
export const pageKeys = new Set([
  'marker',
  'limit',
  'offset',
  'sort',
  'sort_key',
  'sort_dir',
  'with_count',
  'all_tenants',
])

export const pageOf = (query: Query): PageAsk & { limit: number } => ({
  sort: query.sort,
  sort_key: query.sort_key,
  sort_dir: query.sort_dir ?? (query.sort_key === undefined ? undefined : 'desc'),
  marker: last(query, 'marker'),
  offset: countOf(query, 'offset'),
  limit: Math.min(countOf(query, 'limit') ?? pageMax, pageMax),
})

/** Administrators may ask for everybody's; others see their own whatever they ask. */
export const ownerOf = (ctx: RequestContext, query: Query): string | undefined => {
  if (!ctx.isAdmin) return ctx.projectId
  if (isTrue(last(query, 'all_tenants'))) return last(query, 'project_id')
  return ctx.projectId
}

/** `<name>_links` with the next page, when the client gave a limit and this page is full. */
export const nextLinks = <Item extends { id: string }>(
  request: { ctx: RequestContext; url: string; name: string; query: Query },
  items: readonly Item[],
): object => {
  const { ctx, url, name, query } = request
  const limit = pageOf(query).limit
  if (items.length === 0 || items.length < limit) return {}
  return { [`${name}_links`]: [{ rel: 'next', href: nextUrl(ctx.hostUrl, url, items.at(-1)!.id) }] }
}

export const linksOf = (ctx: RequestContext, path: string) => [
  { rel: 'self', href: `${ctx.baseUrl}/${path}` },
  { rel: 'bookmark', href: `${ctx.baseUrl.replace(/\/v3$/, '')}/${path}` },
]

/** Names are taken without the spaces around them. */
export const trimmed = (text: string | null | undefined): string | undefined =>
  text === undefined ? undefined : (text ?? '').trim()
