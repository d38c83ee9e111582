/** Placement's rules by their upstream names: for the services of the cloud and its administrators. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const adminOrService = 'rule:admin_or_service_api'

const ruled = [
  'resource_providers:list',
  'resource_providers:create',
  'resource_providers:show',
  'resource_providers:update',
  'resource_providers:delete',
  'resource_providers:inventories:list',
  'resource_providers:inventories:create',
  'resource_providers:inventories:show',
  'resource_providers:inventories:update',
  'resource_providers:inventories:delete',
  'resource_providers:aggregates:list',
  'resource_providers:aggregates:update',
  'resource_providers:usages',
  'resource_providers:traits:list',
  'resource_providers:traits:update',
  'resource_providers:traits:delete',
  'resource_providers:allocations:list',
  'resource_classes:list',
  'resource_classes:create',
  'resource_classes:show',
  'resource_classes:update',
  'resource_classes:delete',
  'traits:list',
  'traits:show',
  'traits:update',
  'traits:delete',
  'allocations:list',
  'allocations:manage',
  'allocations:update',
  'allocations:delete',
  'allocation_candidates:list',
]

export const placementPolicies: PolicyRule[] = [
  { name: 'admin_api', rule: 'role:admin' },
  { name: 'service_api', rule: 'role:service' },
  { name: 'admin_or_service_api', rule: 'rule:admin_api or rule:service_api' },
  { name: 'project_reader_api', rule: 'role:reader and project_id:%(project_id)s' },
  ...ruled.map((name) => ({ name: `placement:${name}`, rule: adminOrService })),
  { name: 'placement:usages', rule: `${adminOrService} or rule:project_reader_api` },
]
