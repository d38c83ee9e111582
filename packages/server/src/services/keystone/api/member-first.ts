/** Of some things upstream looks up whether they exist before it looks at rights: 404 for anybody, as clients know. */
import type { ApiRequest, Route } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Managers } from '../manager/managers.ts'

interface Member {
  /** The path parameter that names it. */
  parameter: string
  /** Throws `notFound`. */
  fetch: (api: Managers, id: string) => Promise<unknown>
}

/** Lets routes that name the member look it up first; their policy rule is checked then. */
export const memberFirst = (routes: Route<Managers>[], { parameter, fetch }: Member): Route<Managers>[] =>
  routes.map((route) => (route.path.includes(`{${parameter}}`) ? lookedUp(route, { parameter, fetch }) : route))

const lookedUp = (route: Route<Managers>, { parameter, fetch }: Member): Route<Managers> => ({
  ...route,
  policy: 'authenticated',
  handler: async (api: Managers, ctx: RequestContext, request: ApiRequest<any, any>) => {
    await fetch(api, request.params[parameter] ?? '')
    if (route.policy !== 'authenticated') ctx.enforce(route.policy)
    return await route.handler(api, ctx, request)
  },
})
