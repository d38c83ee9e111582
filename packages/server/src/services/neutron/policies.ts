/** Neutron's policy rules, by their upstream names, for the admin, member and reader personas. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const admin = 'rule:admin_only'
const member = 'rule:admin_only or (role:member and project_id:%(project_id)s)'
const reader = 'rule:admin_only or (role:reader and project_id:%(project_id)s)'
/** Whoever has a part of the tree of projects shares it out. */
const quotaSetter = 'rule:admin_only or rule:manager_above'
const networkMember = 'rule:admin_only or (role:member and project_id:%(network:project_id)s)'
const ownOrNetworkMember = `${member} or (role:member and project_id:%(network:project_id)s)`

const crud = (
  name: string,
  rules: { create?: string; get?: string; update?: string; remove?: string } = {},
): Record<string, string> => ({
  [`create_${name}`]: rules.create ?? member,
  [`get_${name}`]: rules.get ?? reader,
  [`update_${name}`]: rules.update ?? member,
  [`delete_${name}`]: rules.remove ?? member,
  [`get_${name}s_tags`]: rules.get ?? reader,
  [`update_${name}s_tags`]: rules.update ?? member,
  [`delete_${name}s_tags`]: rules.update ?? member,
})

/** Attributes of a resource with a rule of their own. */
const attributes = (
  name: string,
  actions: ('create' | 'update' | 'get')[],
  rule: string,
  ...names: string[]
): Record<string, string> =>
  Object.fromEntries(actions.flatMap((action) => names.map((attribute) => [`${action}_${name}:${attribute}`, rule])))

const provider = ['provider:network_type', 'provider:physical_network', 'provider:segmentation_id']
const guardedPort = ['mac_address', 'fixed_ips', 'port_security_enabled', 'allowed_address_pairs', 'device_owner']

const rules: Record<string, string> = {
  context_is_admin: 'role:admin',
  admin_only: 'rule:context_is_admin',
  network_device: 'field:port:device_owner=~^network:',
  admin_or_owner: 'rule:context_is_admin or project_id:%(project_id)s',
  external_network: admin,
  ...crud('network'),
  ...attributes('network', ['create', 'update'], admin, 'shared', 'router:external', 'is_default', ...provider),
  ...attributes('network', ['get'], admin, ...provider),
  ...crud('subnet', { create: ownOrNetworkMember, update: ownOrNetworkMember, remove: ownOrNetworkMember }),
  ...attributes('subnet', ['create', 'update'], admin, 'segment_id', 'service_types'),
  ...crud('port', {
    get: `${reader} or (role:reader and project_id:%(network:project_id)s)`,
    remove: ownOrNetworkMember,
  }),
  ...attributes('port', ['create', 'update'], networkMember, ...guardedPort),
  ...attributes('port', ['create', 'update'], admin, 'binding:host_id', 'binding:profile'),
  ...attributes(
    'port',
    ['get'],
    admin,
    'binding:host_id',
    'binding:profile',
    'binding:vif_type',
    'binding:vif_details',
  ),
  ...crud('security_group'),
  ...crud('security_group_rule'),
  ...crud('address_group'),
  ...crud('router'),
  ...attributes(
    'router',
    ['create', 'update'],
    admin,
    'external_gateway_info:enable_snat',
    'external_gateway_info:external_fixed_ips',
    'ha',
    'distributed',
  ),
  ...attributes('router', ['create', 'update'], member, 'external_gateway_info', 'external_gateway_info:network_id'),
  ...attributes('router', ['get'], admin, 'ha', 'distributed'),
  add_router_interface: member,
  remove_router_interface: member,
  add_extraroutes: member,
  remove_extraroutes: member,
  ...crud('floatingip'),
  'create_floatingip:floating_ip_address': admin,
  create_floatingip_port_forwarding: member,
  get_floatingip_port_forwarding: reader,
  update_floatingip_port_forwarding: member,
  delete_floatingip_port_forwarding: member,
  ...crud('subnetpool'),
  ...attributes('subnetpool', ['create', 'update'], admin, 'shared', 'is_default'),
  ...crud('address_scope'),
  ...attributes('address_scope', ['create', 'update'], admin, 'shared'),
  ...crud('rbac_policy'),
  ...attributes('rbac_policy', ['create', 'update'], member, 'target_tenant'),
  manager_above: 'role:manager and True:%(is_below)s',
  get_quota: quotaSetter,
  update_quota: quotaSetter,
  delete_quota: quotaSetter,
  get_quota_own: reader,
  get_agent: admin,
  update_agent: admin,
  get_availability_zone: '@',
  get_extension: '@',
  get_service_provider: '@',
  get_network_ip_availability: admin,
  get_auto_allocated_topology: reader,
  delete_auto_allocated_topology: member,
}

export const policies: PolicyRule[] = Object.entries(rules)
  .filter(([name]) => name !== 'network_device')
  .map(([name, rule]) => ({ name, rule, scopes: ['project'] }))
