/** Subnet pools, address scopes, address groups and RBAC policies. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { T, type TSchema } from '#platform/api-kit/schema.ts'
import { sharedFilter } from './listing.ts'
import type { AddressGroup, AddressScope, RbacPolicy, SubnetPool } from '../store/tables.ts'
import {
  choice,
  flag,
  foreignId,
  integer,
  optional,
  standardAttributes,
  structure,
  taggable,
  text,
  type Attributes,
  type AttributeType,
} from './attributes.ts'
import type { NeutronApi } from './neutron-api.ts'
import { resourceRoutes, standardView, viewsOf, type ResourceSpec } from './resource.ts'

const named = { name: { type: text(), post: true, put: true } } satisfies Attributes
const shared = { shared: { type: flag, post: true, put: true, setRule: true } } satisfies Attributes
const addressList = T.Array(T.String({ maxLength: 64 }), { maxItems: 1000 })

const poolSpec: ResourceSpec<SubnetPool> = {
  title: 'subnet pool',
  name: 'subnetpool',
  plural: 'subnetpools',
  manager: (api) => api.subnetPools,
  attributes: {
    ...standardAttributes,
    ...taggable,
    ...named,
    ...shared,
    prefixes: { type: structure(addressList), post: true, put: true, required: true },
    ip_version: { type: integer(4, 6) },
    default_prefixlen: { type: integer(0, 128), post: true, put: true },
    min_prefixlen: { type: integer(0, 128), post: true, put: true },
    max_prefixlen: { type: integer(0, 128), post: true, put: true },
    address_scope_id: { type: optional(foreignId), post: true, put: true },
    is_default: { type: flag, post: true, put: true, setRule: true },
    default_quota: { type: optional(integer(0, 2 ** 31 - 1)), post: true, put: true },
  },
  views: (_api, _ctx, pools) =>
    pools.map((pool) => ({
      ...standardView(pool),
      name: pool.name,
      prefixes: pool.prefixes,
      ip_version: pool.ip_version,
      default_prefixlen: pool.default_prefixlen,
      min_prefixlen: pool.min_prefixlen,
      max_prefixlen: pool.max_prefixlen,
      address_scope_id: pool.address_scope_id,
      is_default: pool.is_default,
      default_quota: pool.default_quota,
      shared: pool.shared,
    })),
}

const scopeSpec: ResourceSpec<AddressScope> = {
  title: 'address scope',
  path: 'address-scopes',
  name: 'address_scope',
  plural: 'address_scopes',
  manager: (api) => api.addressScopes,
  attributes: {
    ...standardAttributes,
    ...taggable,
    ...named,
    ...shared,
    ip_version: { type: choice4or6(), post: true, required: true },
  },
  views: (_api, _ctx, scopes) =>
    scopes.map((scope) => ({
      ...standardView(scope),
      name: scope.name,
      ip_version: scope.ip_version,
      shared: scope.shared,
    })),
}

/** IPv4 or IPv6: there is no 5. */
function choice4or6(): AttributeType {
  const version = integer(4, 6)
  return {
    ...version,
    problem: (value: unknown) => (Number(value) === 5 ? `'5' is not in [4,6]` : version.problem?.(value)),
  }
}

const groupSpec: ResourceSpec<AddressGroup> = {
  title: 'address group',
  path: 'address-groups',
  name: 'address_group',
  plural: 'address_groups',
  manager: (api) => api.addressGroups,
  attributes: {
    ...standardAttributes,
    ...taggable,
    ...named,
    addresses: { type: structure(addressList), post: true },
    shared: { type: structure(T.Boolean()) },
  },
  filters: { shared: sharedFilter('address_group') },
  views: (_api, ctx, groups) =>
    groups.map((group) => ({
      ...standardView(group),
      name: group.name,
      addresses: group.addresses,
      shared: group.project_id !== ctx.projectId && !ctx.isAdmin,
    })),
}

const membersRoute = (verb: 'add' | 'remove'): Route<NeutronApi> =>
  defineRoute<NeutronApi, undefined, TSchema>({
    id: `address_groups.${verb}_addresses`,
    method: 'PUT',
    path: `/address-groups/{id}/${verb}_addresses`,
    summary: `${verb === 'add' ? 'Add addresses to' : 'Take addresses from'} a group`,
    policy: 'update_address_group',
    body: T.Object({ addresses: addressList }),
    reply: { status: 200, schema: T.Object({ address_group: T.Object({}) }) },
    errors: [404],
    handler: async (api, ctx, { params, body }) => {
      const { addresses } = body as { addresses: string[] }
      const group = await api.addressGroups[verb === 'add' ? 'addressesAdd' : 'addressesRemove'](
        ctx,
        params.id!,
        addresses,
      )
      return { address_group: (await viewsOf(groupSpec, api, ctx, [group]))[0] }
    },
  })

const rbacSpec: ResourceSpec<RbacPolicy> = {
  title: 'RBAC policy',
  path: 'rbac-policies',
  name: 'rbac_policy',
  plural: 'rbac_policies',
  manager: (api) => api.rbacPolicies,
  attributes: {
    id: standardAttributes.id,
    tenant_id: standardAttributes.tenant_id,
    project_id: standardAttributes.project_id,
    object_type: { type: text(), post: true, required: true },
    object_id: { type: text(), post: true, required: true },
    action: { type: choice('access_as_shared', 'access_as_external'), post: true, required: true },
    target_tenant: { type: text(), post: true, put: true, required: true },
  },
  views: (_api, _ctx, records) =>
    records.map(({ id, project_id, object_type, object_id, action, target_tenant }) => ({
      id,
      project_id,
      tenant_id: project_id,
      object_type,
      object_id,
      action,
      target_tenant,
    })),
}

export const sharingRoutes = [
  ...resourceRoutes(poolSpec),
  ...resourceRoutes(scopeSpec),
  ...resourceRoutes(groupSpec),
  membersRoute('add'),
  membersRoute('remove'),
  ...resourceRoutes(rbacSpec),
]
