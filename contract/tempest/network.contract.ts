/** The part of tempest's network tests that runs each time: every kind of object, and servers reached over ssh. */
import { prove } from './prove.ts'

const api = [
  'admin.test_agent_management',
  'admin.test_external_network_extension',
  'admin.test_ports.PortsAdminExtendedAttrsTestJSON',
  'admin.test_quotas',
  'test_allowed_address_pair.AllowedAddressPairTestJSON',
  'test_extensions',
  'test_extra_dhcp_options.ExtraDHCPOptionsTestJSON',
  'test_floating_ips.FloatingIPTestJSON',
  'test_networks.BulkNetworkOpsTest',
  'test_networks_negative',
  'test_routers.RoutersTest',
  'test_security_groups',
  'test_subnetpools_extensions',
  'test_tags',
  'test_versions',
]
const scenarios = [
  'test_network_basic_ops.TestNetworkBasicOps.test_network_basic_ops',
  'test_security_groups_basic_ops.TestSecurityGroupsBasicOps.test_cross_tenant_traffic',
  'test_server_basic_ops',
]

const only = new RegExp(
  String.raw`^tempest\.(?:api\.network\.(?:${api.join('|')})|scenario\.(?:${scenarios.join('|')}))\b`,
)

// Tempest sleeps ten seconds before each subnet that it deletes: many classes at once wait together.
prove({ services: ['network', 'scenario'], looksInside: true, concurrency: 6, only })
