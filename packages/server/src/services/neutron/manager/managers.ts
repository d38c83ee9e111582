/** Builds Neutron's managers on one set of parts. */
import { AddressGroups } from './address-groups.ts'
import { AddressScopes } from './address-scopes.ts'
import { Agents } from './agents.ts'
import { Topology } from './auto-topology.ts'
import { Availability } from './availability.ts'
import { FloatingIps } from './routing/floating-ips.ts'
import { Networks } from './networks.ts'
import type { NeutronParts } from './parts.ts'
import { PortForwardings } from './routing/port-forwardings.ts'
import { Ports } from './ports.ts'
import { Quotas } from './quotas.ts'
import { RbacPolicies } from './rbac-policies.ts'
import { RouterInterfaces } from './routing/router-interfaces.ts'
import { Routers } from './routing/routers.ts'
import { SecurityGroupRules } from './groups/security-group-rules.ts'
import { SecurityGroups } from './groups/security-groups.ts'
import { SubnetPools } from './subnet-pools.ts'
import { Subnets } from './subnets.ts'
import { Tags } from './tags.ts'

export interface Managers {
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

export const createManagers = (parts: NeutronParts): Managers => {
  const networks = new Networks(parts)
  const subnetPools = new SubnetPools(parts)
  const subnets = new Subnets(parts, networks.collection, subnetPools)
  const ports = new Ports(parts, networks.collection)
  const securityGroups = new SecurityGroups(parts)
  const routers = new Routers(parts)
  const floatingIps = new FloatingIps(parts, ports.collection)
  const collections = { routers: routers.collection, subnets: subnets.collection, ports: ports.collection }
  return {
    networks,
    subnets,
    ports,
    securityGroups,
    securityGroupRules: new SecurityGroupRules(parts, securityGroups.collection),
    routers,
    routerInterfaces: new RouterInterfaces(parts, collections),
    floatingIps,
    portForwardings: new PortForwardings(parts, { floating: floatingIps.collection, ports: ports.collection }),
    subnetPools,
    addressScopes: new AddressScopes(parts),
    addressGroups: new AddressGroups(parts),
    rbacPolicies: new RbacPolicies(parts),
    tags: new Tags(parts),
    quotas: new Quotas(parts),
    agents: new Agents(parts),
    availability: new Availability(parts),
    topology: new Topology(parts),
  }
}
