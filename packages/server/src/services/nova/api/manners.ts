/** Nova's manners that all its routes share: version tests, links, pages, repeated query keys, moments. */
import type { RequestContext } from '#platform/auth/context.ts'
import { nextUrl } from '#platform/api-kit/paging.ts'
import { T } from '#platform/api-kit/schema.ts'
import { versionNumber } from '#platform/api-kit/versions.ts'
import { badRequest } from '#platform/errors/errors.ts'

const numbers = new Map<string, number>()
const numberOf = (version: string): number => {
  let number = numbers.get(version)
  if (number === undefined) numbers.set(version, (number = versionNumber(version)))
  return number
}

/** The request asks for `version` or newer. */
export const atLeast = (ctx: { version: string }, version: string): boolean =>
  numberOf(ctx.version) >= numberOf(version)

/** A query key that may be repeated; Nova takes the last. */
export const repeated = T.Optional(T.Array(T.String()))
export type Query = Record<string, string[] | undefined>
export const last = (query: Query, key: string): string | undefined => query[key]?.at(-1)

/** From 2.75 on, query keys that a route does not know are refused; before, they were ignored. */
export const refuseUnknown = (ctx: RequestContext, query: object, known: readonly string[], since = '2.75'): void => {
  if (!atLeast(ctx, since)) return
  const unknown = Object.keys(query).filter((key) => !known.includes(key))
  if (!unknown.length) return
  const names = unknown.map((key) => `'${key}'`).join(', ')
  const verb = unknown.length > 1 ? 'were' : 'was'
  throw badRequest(`Additional properties are not allowed (${names} ${verb} unexpected)`, { field: unknown[0] })
}

export const pageMax = 1000

/** A whole number of a query, zero included. */
export const countOf = (query: Query, key: string): number | undefined => {
  const text = last(query, key)
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(
      `Invalid input for query parameters ${key}. Value: ${text}. '${text}' does not match '^[0-9]*$'`, { field: key },
    )
  }
  return Number(text)
}

export const limitOf = (query: Query): number => Math.min(countOf(query, 'limit') ?? pageMax, pageMax)

/** `<name>_links` with the next page, when this one is full. */
export const nextLinks = <I>(
  request: { ctx: RequestContext; url: string; name: string; limit: number }, items: I[], markerOf: (item: I) => string,
): object => {
  if (!items.length || items.length < request.limit) return {}
  return {
    [`${request.name}_links`]: [
      { rel: 'next', href: nextUrl(request.ctx.hostUrl, request.url, markerOf(items.at(-1)!)) },
    ],
  }
}

/** The service's root without its version, as bookmark links have it. */
export const bookmarkBase = ({ baseUrl }: RequestContext): string =>
  baseUrl.endsWith(versionPath) ? baseUrl.slice(0, -versionPath.length) : baseUrl
const versionPath = '/v2.1'

export const bookmarkLink = (ctx: RequestContext, path: string) =>
  ({ rel: 'bookmark', href: `${bookmarkBase(ctx)}/${path}` })

export const linksOf = (ctx: RequestContext, path: string) =>
  [{ rel: 'self', href: `${ctx.baseUrl}/${path}` }, bookmarkLink(ctx, path)]

const moment = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i

/** Milliseconds of an ISO 8601 moment; without a zone it is UTC. */
export const momentOf = (text: string, field: string): number => {
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text.slice(10)) ? text : `${text}${text.length > 10 ? 'Z' : 'T00:00:00Z'}`
  const at = moment.test(text) ? Date.parse(zoned.replace(' ', 'T')) : NaN
  if (Number.isNaN(at)) throw badRequest(
    `Invalid input for query parameters ${field}. Value: ${text}. '${text}' is not a 'date-time'`, { field },
  )
  return at
}

export const momentIn = (query: Query, field: string): number | undefined => {
  const text = last(query, field)
  return text === undefined ? undefined : momentOf(text, field)
}

export const periodOf = (query: Query): { changedSince?: number; changedBefore?: number } => {
  const changedSince = momentIn(query, 'changes-since')
  const changedBefore = momentIn(query, 'changes-before')
  if (changedSince !== undefined && changedBefore !== undefined && changedBefore < changedSince) {
    throw badRequest('The value of changes-since must be less than or equal to changes-before.', {
      field: 'changes-since',
    })
  }
  return { changedSince, changedBefore }
}

const unboundedMax = 3

/**
 * A client's regular expression. It runs in this process, so those whose matching could take forever (a repeated
 * group, a back reference, look-around, many unbounded repeats) are refused.
 */
export const patternOf = (text: string, field: string): RegExp => {
  const plain = text.replace(/\\./g, '')
  const risky = /\)[*+{?]/.test(plain) || /\\[1-9]|\(\?[=!<]/.test(text)
    || (plain.match(/[*+]|\{\d*,\d*\}/g)?.length ?? 0) > unboundedMax
  if (risky || text.length > 255) throw badRequest(
    `The regular expression of ${field} is too complex: ${text}`,
    { field, remedy: 'use at most three repeats and no repeated groups' },
  )
  try {
    return new RegExp(text)
  } catch (error) {
    throw badRequest(
      `Invalid input for query parameters ${field}. Value: ${text}. '${text}' is not a 'regex'`, { field }, error,
    )
  }
}
