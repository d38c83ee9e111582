/** Builds Neutron's managers on one set of parts. */
import type { NeutronApi } from '../api/neutron-api.ts'
import { FloatingIps } from './floating-ips.ts'
import { Networks } from './networks.ts'
import type { NeutronParts } from './parts.ts'
import { Ports } from './ports.ts'
import { RouterInterfaces } from './router-interfaces.ts'
import { Routers } from './routers.ts'
import { SecurityGroupRules } from './security-group-rules.ts'
import { SecurityGroups } from './security-groups.ts'
import { Subnets } from './subnets.ts'

export const createManagers = (parts: NeutronParts): NeutronApi => {
  const networks = new Networks(parts)
  const subnets = new Subnets(parts, networks.collection)
  const ports = new Ports(parts, networks.collection)
  const securityGroups = new SecurityGroups(parts)
  const routers = new Routers(parts)
  const collections = { routers: routers.collection, subnets: subnets.collection, ports: ports.collection }
  return {
    networks, subnets, ports, securityGroups, securityGroupRules: new SecurityGroupRules(parts, securityGroups.collection),
    routers, routerInterfaces: new RouterInterfaces(parts, collections), floatingIps: new FloatingIps(parts, ports.collection),
  }
}
