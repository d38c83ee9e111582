/** How many addresses networks have, and how many of them are used. */
import type { RequestContext } from '#platform/auth/context.ts'
import { sizeOf } from '#engines/cidr/prefix.ts'
import { addressCounts } from '../store/allocations.ts'
import { networkKind, subnetKind } from '../store/kinds.ts'
import { isIn, list, type Condition } from '../store/records.ts'
import type { Network, Subnet } from '../store/tables.ts'
import { Collection, viewerOf } from './collection.ts'
import { poolsOf, prefixOfSubnet } from './ipam.ts'
import type { NeutronParts } from './parts.ts'

/** Beyond 2⁵³ JSON's numbers lose digits that nobody counts. */
const totalOf = (subnet: Subnet): number => {
  const pools = poolsOf(subnet)
  return Number(
    pools.length > 0
      ? pools.reduce((sum, { first, last }) => sum + last - first + 1n, 0n)
      : sizeOf(prefixOfSubnet(subnet)),
  )
}

export class Availability {
  readonly #parts: NeutronParts
  readonly #networks: Collection<Network>
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.#networks = new Collection(parts, networkKind, () => undefined)
  }

  async list(conditions: Condition[], version?: number): Promise<Record<string, unknown>[]> {
    return this.#views(await list(this.#parts.db, networkKind, { conditions }), version)
  }

  async fetch(ctx: RequestContext, id: string): Promise<Record<string, unknown>> {
    return (await this.#views([await this.#networks.fetch(viewerOf(ctx), id)]))[0]!
  }

  async #views(networks: Network[], version?: number): Promise<Record<string, unknown>[]> {
    const subnets = await list(this.#parts.db, subnetKind, {
      conditions: [
        isIn(
          'network_id',
          networks.map(({ id }) => id),
        ),
      ],
    })
    const used = await addressCounts(
      this.#parts.db,
      subnets.map(({ id }) => id),
    )
    return networks.map((network) => {
      const parts = subnets
        .filter(({ network_id, ip_version }) => network_id === network.id && (version ?? ip_version) === ip_version)
        .map((subnet) => ({
          subnet_id: subnet.id,
          subnet_name: subnet.name,
          cidr: subnet.cidr,
          ip_version: subnet.ip_version,
          total_ips: totalOf(subnet),
          used_ips: used.get(subnet.id) ?? 0,
        }))
      return {
        network_id: network.id,
        network_name: network.name,
        tenant_id: network.project_id,
        project_id: network.project_id,
        total_ips: parts.reduce((sum, { total_ips }) => sum + total_ips, 0),
        used_ips: parts.reduce((sum, one) => sum + one.used_ips, 0),
        subnet_ip_availability: parts,
      }
    })
  }
}
