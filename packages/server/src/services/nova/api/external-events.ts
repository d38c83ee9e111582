/** `os-server-external-events`: news that other services bring; here they only mean "look again". */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest, isRefusal, notFound } from '#platform/errors/errors.ts'
import { atLeast } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Uuid } from './shapes.ts'

const opt = T.Optional
const names = [
  'network-changed', 'network-vif-plugged', 'network-vif-unplugged', 'network-vif-deleted', 'volume-extended',
  'power-update', 'accelerator-request-bound',
]
const since: Record<string, string> = {
  'volume-extended': '2.51', 'power-update': '2.76', 'accelerator-request-bound': '2.82',
}
const rule = 'os_compute_api:os-server-external-events:create'

const EventsBody = Strict({
  events: T.Array(Strict({
    server_uuid: Uuid(),
    name: T.Unsafe<string>({ type: 'string', enum: names }),
    status: opt(T.Unsafe<string>({ type: 'string', enum: ['failed', 'completed', 'in-progress'] })),
    tag: opt(T.String({ maxLength: 255 })),
  }), { minItems: 1, maxItems: 1000 }),
})
type Event = { server_uuid: string; name: string; status?: string; tag?: string }

/** 200: heard; 404: no such server; 422: it has no host yet. */
const heard = async (api: NovaApi, ctx: RequestContext, event: Event) => {
  try {
    const server = await api.servers.fetch(ctx, event.server_uuid, rule)
    return { ...event, status: event.status ?? 'completed', code: server.host === null ? 422 : 200 }
  } catch (error) {
    if (isRefusal(error) && error.kind === 'notFound') return { ...event, status: 'failed', code: 404 }
    throw error
  }
}

export const externalEventRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, undefined, typeof EventsBody>({
    id: 'externalEvents.create', method: 'POST', path: '/os-server-external-events',
    summary: 'Tell of events at servers', policy: rule, body: EventsBody, reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { body }) => {
      const early = body.events.find((event) => since[event.name] && !atLeast(ctx, since[event.name]!))
      if (early) throw badRequest(`Invalid input for field/attribute name. Value: ${early.name}.`, { field: 'name' })
      const events = await Promise.all(body.events.map((event) => heard(api, ctx, event)))
      if (events.every((event) => event.code === 404)) throw notFound('No instances found for any event')
      return reply({ status: events.every((event) => event.code === 200) ? 200 : 207, body: { events } })
    },
  }),
]
