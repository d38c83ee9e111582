/** What all answers share: paths without a host, and headers that forbid caches since 1.15. */
import { reply } from '#platform/api-kit/route.ts'
import { isWithin } from '#platform/api-kit/versions.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Managers } from '../manager/managers.ts'

export const isAt = (ctx: RequestContext, since: string): boolean => isWithin(ctx.version, { since })

/** `/placement/resource_providers/…`: links work through any proxy. */
export const pathOf = (ctx: RequestContext, ...parts: string[]): string =>
  [new URL(ctx.baseUrl).pathname.replace(/\/$/, ''), ...parts.map(encodeURIComponent)].join('/')

/** Nothing here keeps the time of its last change, so every answer is of now. */
export const fresh = <Body>(
  api: Pick<Managers, 'now'>,
  ctx: RequestContext,
  body?: Body,
  more: { status?: number; headers?: Record<string, string> } = {},
) => reply({ status: more.status, body, headers: { ...(isAt(ctx, '1.15') && uncached(api.now())), ...more.headers } })

const uncached = (now: number): Record<string, string> => ({
  'Last-Modified': httpDate(now),
  'Cache-Control': 'no-cache',
})

const dateParts = new Intl.DateTimeFormat('en-US', {
  timeZone: 'UTC',
  weekday: 'short',
  day: '2-digit',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

/** RFC 9110: `Mon, 23 Nov 2026 19:30:38 GMT`. */
function httpDate(ms: number): string {
  const part = Object.fromEntries(dateParts.formatToParts(ms).map(({ type, value }) => [type, value]))
  return `${part.weekday}, ${part.day} ${part.month} ${part.year} ${part.hour}:${part.minute}:${part.second} GMT`
}
