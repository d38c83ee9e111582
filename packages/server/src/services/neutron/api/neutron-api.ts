/** What Neutron's handlers are given: its managers. */
import type { Networks } from '../manager/networks.ts'
import type { Ports } from '../manager/ports.ts'
import type { Subnets } from '../manager/subnets.ts'

export interface NeutronApi {
  networks: Networks
  subnets: Subnets
  ports: Ports
}
