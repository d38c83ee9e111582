/** Agents, availability zones, addresses left, and the auto-allocated topology. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Flag, isTrue, T, type TSchema } from '#platform/api-kit/schema.ts'
import { forbidden, notFound } from '#platform/errors/errors.ts'
import type { Condition } from '../store/records.ts'
import { listQuery, pick, type Query } from './listing.ts'
import type { NeutronApi } from './neutron-api.ts'

const agentRoutes: Route<NeutronApi>[] = [
  defineRoute<NeutronApi, typeof listQuery>({
    id: 'agents.list',
    method: 'GET',
    path: '/agents',
    summary: 'List agents; none to those who may not see them',
    policy: 'authenticated',
    query: listQuery,
    reply: { status: 200 },
    handler: async (api, ctx, { query }) => {
      const agents = ctx.can('get_agent') ? await api.agents.list() : []
      return {
        agents: agents.filter((agent) => matches(agent, query as Query)).map((agent) => pick(agent, query as Query)),
      }
    },
  }),
  defineRoute<NeutronApi, typeof listQuery>({
    id: 'agents.show',
    method: 'GET',
    path: '/agents/{id}',
    summary: 'Show an agent',
    policy: 'get_agent',
    query: listQuery,
    reply: { status: 200 },
    errors: [404],
    handler: async (api, _ctx, { params, query }) => ({
      agent: pick(await api.agents.fetch(params.id!), query as Query),
    }),
  }),
  defineRoute<NeutronApi, undefined, TSchema>({
    id: 'agents.update',
    method: 'PUT',
    path: '/agents/{id}',
    summary: 'Describe an agent, or switch it',
    policy: 'update_agent',
    body: T.Object({
      agent: T.Object(
        {
          description: T.Optional(T.Union([T.String({ maxLength: 255, pattern: '^[^\\u0000]*$' }), T.Null()])),
          admin_state_up: T.Optional(Flag()),
        },
        { additionalProperties: false },
      ),
    }),
    reply: { status: 200 },
    errors: [404],
    handler: async (api, _ctx, { params, body }) => {
      const { description, admin_state_up: up } = (
        body as { agent: { description?: string | null; admin_state_up?: unknown } }
      ).agent
      return {
        agent: await api.agents.update(params.id!, {
          ...(description !== undefined && { description: description ?? '' }),
          ...(up !== undefined && { admin_state_up: isTrue(up) }),
        }),
      }
    },
  }),
]

/** Filters of a list that is short enough to be looked through. */
const matches = (view: Record<string, unknown>, query: Query): boolean =>
  Object.entries(query)
    .filter(([key]) => Object.hasOwn(view, key))
    .every(([key, values]) =>
      [values ?? []].flat().some((value) => String(view[key]).toLowerCase() === value.toLowerCase()),
    )

const zoneRoute = defineRoute<NeutronApi, typeof listQuery>({
  id: 'availability_zones.list',
  method: 'GET',
  path: '/availability_zones',
  summary: 'List availability zones',
  policy: 'get_availability_zone',
  query: listQuery,
  reply: { status: 200 },
  handler: (_api, _ctx, { query }) => ({
    availability_zones: ['network', 'router']
      .map((resource) => ({ name: 'nova', resource, state: 'available' }))
      .filter((zone) => matches(zone, query as Query)),
  }),
})

const availabilityColumns: Record<string, string> = {
  network_id: 'id',
  network_name: 'name',
  tenant_id: 'project_id',
  project_id: 'project_id',
}

const availabilityRoutes: Route<NeutronApi>[] = [
  defineRoute<NeutronApi, typeof listQuery>({
    id: 'network_ip_availabilities.list',
    method: 'GET',
    path: '/network-ip-availabilities',
    summary: 'List addresses and use of networks',
    policy: 'get_network_ip_availability',
    query: listQuery,
    reply: { status: 200 },
    handler: async (api, _ctx, { query }) => {
      const asked = query as Query
      const conditions = Object.entries(availabilityColumns)
        .filter(([key]) => asked[key] !== undefined)
        .map(
          ([key, column]): Condition =>
            (where) =>
              where(
                column,
                'in',
                [asked[key]!].flat().map((value) => value.replaceAll('\0', '')),
              ),
        )
      const version = asked.ip_version === undefined ? undefined : Number([asked.ip_version].flat()[0])
      return { network_ip_availabilities: await api.availability.list(conditions, version) }
    },
  }),
  defineRoute<NeutronApi>({
    id: 'network_ip_availabilities.show',
    method: 'GET',
    path: '/network-ip-availabilities/{network_id}',
    summary: 'Show addresses and use of a network',
    policy: 'get_network_ip_availability',
    reply: { status: 200 },
    errors: [404],
    handler: async (api, ctx, { params }) => ({
      network_ip_availability: await api.availability.fetch(ctx, params.network_id!),
    }),
  }),
]

const assertOwn = (ctx: RequestContext, projectId: string): string => {
  const id = projectId === 'null' || projectId === 'None' ? ctx.projectId : projectId
  if (id !== ctx.projectId && !ctx.isAdmin)
    throw forbidden('(rule:get_auto_allocated_topology) is disallowed by policy')
  if (!/^[0-9a-f-]{32,36}$/i.test(id))
    throw notFound(`Project ${id} could not be found.`, { type: 'TenantIdNotFound' })
  return id
}

const topologyRoutes: Route<NeutronApi>[] = [
  defineRoute<NeutronApi, typeof listQuery>({
    id: 'auto_allocated_topologies.show',
    method: 'GET',
    path: '/auto-allocated-topology/{project_id}',
    summary: "Show the project's own topology, made when absent",
    policy: 'get_auto_allocated_topology',
    query: listQuery,
    reply: { status: 200 },
    errors: [404, 409],
    handler: async (api, ctx, { params, query }) => {
      const projectId = assertOwn(ctx, params.project_id!)
      const dry = [(query as Query).fields ?? []].flat().includes('dry-run')
      if (dry) await api.topology.assertPossible()
      return {
        auto_allocated_topology: {
          id: dry ? 'dry-run=pass' : (await api.topology.ensure(projectId)).id,
          tenant_id: projectId,
          project_id: projectId,
        },
      }
    },
  }),
  defineRoute<NeutronApi>({
    id: 'auto_allocated_topologies.delete',
    method: 'DELETE',
    path: '/auto-allocated-topology/{project_id}',
    summary: "Delete the project's own topology",
    policy: 'delete_auto_allocated_topology',
    reply: { status: 204 },
    errors: [404, 409],
    handler: (api, ctx, { params }) => api.topology.remove(assertOwn(ctx, params.project_id!)),
  }),
]

export const operationRoutes = [...agentRoutes, zoneRoute, ...availabilityRoutes, ...topologyRoutes]
