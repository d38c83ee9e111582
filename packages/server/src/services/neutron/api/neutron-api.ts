/** What Neutron's handlers are given: its managers. */
import type { AddressGroups } from '../manager/address-groups.ts'
import type { AddressScopes } from '../manager/address-scopes.ts'
import type { Agents } from '../manager/agents.ts'
import type { Topology } from '../manager/auto-topology.ts'
import type { Availability } from '../manager/availability.ts'
import type { FloatingIps } from '../manager/floating-ips.ts'
import type { Networks } from '../manager/networks.ts'
import type { PortForwardings } from '../manager/port-forwardings.ts'
import type { Ports } from '../manager/ports.ts'
import type { Quotas } from '../manager/quotas.ts'
import type { RbacPolicies } from '../manager/rbac-policies.ts'
import type { RouterInterfaces } from '../manager/router-interfaces.ts'
import type { Routers } from '../manager/routers.ts'
import type { SecurityGroupRules } from '../manager/security-group-rules.ts'
import type { SecurityGroups } from '../manager/security-groups.ts'
import type { SubnetPools } from '../manager/subnet-pools.ts'
import type { Subnets } from '../manager/subnets.ts'
import type { Tags } from '../manager/tags.ts'

export interface NeutronApi {
  networks: Networks
  subnets: Subnets
  ports: Ports
  securityGroups: SecurityGroups
  securityGroupRules: SecurityGroupRules
  routers: Routers
  routerInterfaces: RouterInterfaces
  floatingIps: FloatingIps
  portForwardings: PortForwardings
  subnetPools: SubnetPools
  addressScopes: AddressScopes
  addressGroups: AddressGroups
  rbacPolicies: RbacPolicies
  tags: Tags
  quotas: Quotas
  agents: Agents
  availability: Availability
  topology: Topology
}
