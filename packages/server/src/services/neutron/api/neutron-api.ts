/** What Neutron's handlers are given: its managers. */
import type { FloatingIps } from '../manager/floating-ips.ts'
import type { Networks } from '../manager/networks.ts'
import type { Ports } from '../manager/ports.ts'
import type { RouterInterfaces } from '../manager/router-interfaces.ts'
import type { Routers } from '../manager/routers.ts'
import type { SecurityGroupRules } from '../manager/security-group-rules.ts'
import type { SecurityGroups } from '../manager/security-groups.ts'
import type { Subnets } from '../manager/subnets.ts'

export interface NeutronApi {
  networks: Networks
  subnets: Subnets
  ports: Ports
  securityGroups: SecurityGroups
  securityGroupRules: SecurityGroupRules
  routers: Routers
  routerInterfaces: RouterInterfaces
  floatingIps: FloatingIps
}
