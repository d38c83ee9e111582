/** Policies that operators keep in Keystone, and what each is for. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import type { Managers } from '../manager/managers.ts'
import type { PolicyUse } from '../manager/policies.ts'
import { extraOf, openBody, optional, someOf } from './fields.ts'
import { collection, endpointView, filtered, policyView } from './views.ts'

const type = T.String({ minLength: 1, maxLength: 255 })
const blob = T.String()
const createBody = openBody('policy', { type, blob })
const updateBody = openBody('policy', optional({ type, blob }))
type Wanted = { type: string; blob: string }

const changesOf = <T extends Partial<Wanted>>(body: T) => ({
  type: body.type, blob: body.blob, extra: extraOf(body, ['type', 'blob']),
})

const policies = [
  defineRoute({
    id: 'policies.list', method: 'GET', path: '/policies', summary: 'List policies', policy: 'identity:list_policies',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const views = (await api.policies.list()).map((one) => policyView(ctx, one))
      return collection({ ctx, request, key: 'policies' }, filtered(views, request.query, ['type']))
    },
  }),
  defineRoute({
    id: 'policies.create', method: 'POST', path: '/policies', summary: 'Create a policy',
    policy: 'identity:create_policy', body: createBody, reply: { status: 201 },
    handler: async (api: Managers, ctx, { body }) => {
      const wanted = body.policy as Wanted
      return { policy: policyView(ctx, await api.policies.create({ ...changesOf(wanted), ...wanted })) }
    },
  }),
  defineRoute({
    id: 'policies.show', method: 'GET', path: '/policies/{policy_id}', summary: 'Show a policy',
    policy: 'identity:get_policy', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { policy_id: id = '' } }) =>
      ({ policy: policyView(ctx, await api.policies.fetch(id)) }),
  }),
  defineRoute({
    id: 'policies.update', method: 'PATCH', path: '/policies/{policy_id}', summary: 'Change a policy',
    policy: 'identity:update_policy', body: updateBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { policy_id: id = '' }, body }) =>
      ({ policy: policyView(ctx, await api.policies.update(id, changesOf(someOf(body.policy as Partial<Wanted>)))) }),
  }),
  defineRoute({
    id: 'policies.delete', method: 'DELETE', path: '/policies/{policy_id}', summary: 'Delete a policy',
    policy: 'identity:delete_policy', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { policy_id: id = '' } }) => await api.policies.remove(id),
  }),
]

interface Family { name: string; rule: string; path: string; use: (params: Record<string, string>) => PolicyUse }

const families: Family[] = [
  { name: 'endpoint', rule: 'endpoint', path: 'endpoints/{endpoint_id}', use: ({ endpoint_id }) => ({ endpoint_id }) },
  { name: 'service', rule: 'service', path: 'services/{service_id}', use: ({ service_id }) => ({ service_id }) },
  {
    name: 'serviceRegion', rule: 'region_and_service', path: 'services/{service_id}/regions/{region_id}',
    use: ({ service_id, region_id }) => ({ service_id, region_id }),
  },
]

const associationRoutes = ({ name, rule, path: end, use }: Family): Route[] => {
  const path = `/policies/{policy_id}/OS-ENDPOINT-POLICY/${end}`
  return [
    defineRoute({
      id: `policyAssociations.${name}.check`, method: 'GET', path, summary: 'Check what a policy is for',
      policy: `identity:check_policy_association_for_${rule}`, reply: { status: 204 }, errors: [404],
      handler: async (api: Managers, _ctx, { params }) => await api.policies.requireAssociation(
        params.policy_id ?? '', use(params),
      ),
    }),
    defineRoute({
      id: `policyAssociations.${name}.create`, method: 'PUT', path, summary: 'Say what a policy is for',
      policy: `identity:create_policy_association_for_${rule}`, reply: { status: 204 }, errors: [404],
      handler: async (api: Managers, _ctx, { params }) => await api.policies.associate(
        params.policy_id ?? '', use(params),
      ),
    }),
    defineRoute({
      id: `policyAssociations.${name}.delete`, method: 'DELETE', path, summary: 'Say that a policy is no longer for it',
      policy: `identity:delete_policy_association_for_${rule}`, reply: { status: 204 }, errors: [404],
      handler: async (api: Managers, _ctx, { params }) => await api.policies.dissociate(
        params.policy_id ?? '', use(params),
      ),
    }),
  ]
}

const lookups = [
  defineRoute({
    id: 'policyAssociations.endpoints', method: 'GET', path: '/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints',
    summary: 'Endpoints a policy holds for', policy: 'identity:list_endpoints_for_policy', reply: { status: 200 },
    errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const found = await api.policies.endpointsOf(request.params.policy_id ?? '')
      return collection({ ctx, request, key: 'endpoints' }, found.map((one) => endpointView(ctx, one)))
    },
  }),
  defineRoute({
    id: 'policyAssociations.policy', method: 'GET', path: '/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy',
    summary: 'The policy that holds for an endpoint', policy: 'identity:get_policy_for_endpoint',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { endpoint_id: id = '' } }) =>
      ({ policy: policyView(ctx, await api.policies.forEndpoint(id)) }),
  }),
]

export const policyBlobRoutes: Route[] = [...policies, ...families.flatMap(associationRoutes), ...lookups]
