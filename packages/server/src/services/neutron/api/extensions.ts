/** `/v2.0/extensions`: what this Neutron really does beyond the core. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { NeutronApi } from './neutron-api.ts'

/** Alias → name. */
const extensions: Record<string, string> = {
  'address-group': 'Address group',
  'address-scope': 'Address scope',
  agent: 'agent',
  'allowed-address-pairs': 'Allowed Address Pairs',
  'auto-allocated-topology': 'Auto Allocated Topology Services',
  availability_zone: 'Availability Zone',
  binding: 'Port Binding',
  'default-subnetpools': 'Default Subnetpools',
  'dns-integration': 'DNS Integration',
  'empty-string-filtering': 'Empty String Filtering Extension',
  'expose-port-forwarding-in-fip': 'Expose Port Forwarding in Floating IP',
  'external-net': 'Neutron external network',
  'ext-gw-mode': 'Neutron L3 Configurable external gateway mode',
  extra_dhcp_opt: 'Neutron Extra DHCP options',
  extraroute: 'Neutron Extra Route',
  'extraroute-atomic': 'Atomically add/remove extra routes',
  'filter-validation': 'Filter parameters validation',
  'fip-port-details': 'Floating IP Port Details Extension',
  'floating-ip-port-forwarding': 'Floating IP Port Forwarding',
  'floating-ip-port-forwarding-description': 'Floating IP Port Forwarding new attribute',
  'ip-substring-filtering': 'IP address substring filtering',
  'net-mtu': 'Network MTU',
  'net-mtu-writable': 'Network MTU (writable)',
  'network-ip-availability': 'Network IP Availability',
  network_availability_zone: 'Network Availability Zone',
  pagination: 'Pagination support',
  'port-security': 'Port Security',
  'project-id': 'project_id field enabled',
  provider: 'Provider Network',
  quotas: 'Quota management support',
  quota_details: 'Quota details management support',
  'rbac-address-group': 'Add address_group type to RBAC',
  'rbac-address-scope': 'Add address_scope type to RBAC',
  'rbac-policies': 'RBAC Policies',
  'rbac-security-groups': 'Add security_group type to network RBAC',
  'rbac-subnetpool': 'Add subnetpool type to RBAC',
  'revision-if-match': 'If-Match constraints based on revision_number',
  router: 'Neutron L3 Router',
  router_availability_zone: 'Router Availability Zone',
  'security-group': 'security-group',
  'security-groups-normalized-cidr': 'Normalized CIDR field for security group rules',
  'security-groups-remote-address-group': 'Remote address group id field for security group rules',
  'security-groups-shared-filtering': 'Security group filtering on the shared field',
  sorting: 'Sorting support',
  'standard-attr-description': 'standard-attr-description',
  'standard-attr-revisions': 'Resource revision numbers',
  'standard-attr-tag':
    'Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, ' +
    'router, floatingip',
  'standard-attr-timestamp': 'Resource timestamps',
  'stateful-security-group': 'Stateful security group',
  'subnet-service-types': 'Subnet service types',
  subnet_allocation: 'Subnet Allocation',
  'subnet-dns-publish-fixed-ip': 'Subnet DNS publish fixed IP',
}

const view = (alias: string) => ({
  alias,
  name: extensions[alias],
  description: extensions[alias],
  updated: '2016-01-01T00:00:00-00:00',
  links: [],
})

export const extensionRoutes: Route<NeutronApi>[] = [
  defineRoute<NeutronApi>({
    id: 'extensions.list',
    method: 'GET',
    path: '/extensions',
    summary: 'List extensions',
    policy: 'get_extension',
    reply: { status: 200 },
    handler: () => ({ extensions: Object.keys(extensions).map(view) }),
  }),
  defineRoute<NeutronApi>({
    id: 'extensions.show',
    method: 'GET',
    path: '/extensions/{alias}',
    summary: 'Show an extension',
    policy: 'get_extension',
    reply: { status: 200 },
    errors: [404],
    handler: (_api, _ctx, { params }) => {
      const alias = params.alias!
      if (!Object.hasOwn(extensions, alias))
        throw notFound(`Extension with alias ${alias} does not exist`, { type: 'HTTPNotFound' })
      return { extension: view(alias) }
    },
  }),
]
