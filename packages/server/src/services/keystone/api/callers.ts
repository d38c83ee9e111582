/** What a caller's token says of the domain that lists and new things default to. */
import type { RequestContext } from '#platform/auth/context.ts'

/** The domain of a domain-scoped token: its lists show that domain only. */
export const domainOfCaller = (ctx: RequestContext): string | undefined => ctx.token.domain?.id

/** The domain in which a new user or group is made that names none. */
export const homeDomain = (ctx: RequestContext): string =>
  ctx.token.domain?.id ?? ctx.token.project?.domain.id ?? 'default'

/** A domain-scoped token sees things of its domain only. */
export const inCallersDomain = <T extends { domain_id: string }>(ctx: RequestContext, things: T[]): T[] => {
  const only = domainOfCaller(ctx)
  return only === undefined ? things : things.filter((thing) => thing.domain_id === only)
}
