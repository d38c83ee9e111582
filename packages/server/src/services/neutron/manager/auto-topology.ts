/** A project's auto-allocated topology: its own network, subnet and router to the default external network. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { networkKind, routerKind, subnetKind } from '../store/kinds.ts'
import { equals, list } from '../store/records.ts'
import type { Network } from '../store/tables.ts'
import { networkDrop, networkMake } from './networks.ts'
import type { NeutronParts } from './parts.ts'
import { interfaceMake } from './routing/router-interfaces.ts'
import { gatewaySet, routerDrop, routerMake } from './routing/routers.ts'
import { subnetMake } from './subnets.ts'

const autoNetworkName = 'auto_allocated_network'
const autoRouterName = 'auto_allocated_router'

export class Topology {
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
  }

  async find(projectId: string, executor: Tx | NeutronParts['db'] = this.#parts.db): Promise<Network | undefined> {
    return (
      await list(executor, networkKind, {
        conditions: [equals('project_id', projectId), equals('name', autoNetworkName)],
        limit: 1,
      })
    )[0]
  }

  ensure(projectId: string): Promise<Network> {
    return this.#parts.db.transaction(async (tx) => (await this.find(projectId, tx)) ?? this.#make(tx, projectId))
  }

  /** Throws what `ensure` would. */
  async assertPossible(): Promise<void> {
    await defaultOutside(this.#parts.db)
  }

  remove(projectId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const network = await this.find(projectId, tx)
      if (!network) return
      const [router] = await list(tx, routerKind, {
        conditions: [equals('project_id', projectId), equals('name', autoRouterName)],
        limit: 1,
      })
      if (router) await routerDrop(this.#parts, tx, router)
      await networkDrop(this.#parts, tx, network)
    })
  }

  async #make(tx: Tx, projectId: string): Promise<Network> {
    const network = await networkMake(this.#parts, tx, { project_id: projectId, name: autoNetworkName })
    const subnet = await subnetMake(this.#parts, tx, network, {
      project_id: projectId,
      network_id: network.id,
      name: 'auto_allocated_subnet_v4',
      ip_version: 4,
      cidr: await this.#freeCidr(tx),
    })
    const outside = await defaultOutside(tx)
    const plain = await routerMake(this.#parts, tx, { project_id: projectId, name: autoRouterName })
    await interfaceMake(
      this.#parts,
      tx,
      await gatewaySet(this.#parts, tx, plain, { ask: { network_id: outside.id }, network: outside }),
      subnet,
    )
    return network
  }

  /** The first /24 of 10.240.0.0/12 that no subnet of the cloud has: projects may later share routers. */
  async #freeCidr(tx: Tx): Promise<string> {
    const taken = new Set(
      (await list(tx, subnetKind, { conditions: [(where) => where('cidr', 'like', '10.%')] })).map(
        ({ cidr }) => cidr,
      ),
    )
    for (let at = 0; at < 4096; at++) {
      const cidr = `10.${240 + (at >> 8)}.${at & 255}.0/24`
      if (!taken.has(cidr)) return cidr
    }
    throw conflict('No range is left for auto-allocated networks: every /24 of 10.240.0.0/12 is in use.', {
      type: 'AutoAllocationFailure',
    })
  }
}

const defaultOutside = async (executor: Executor): Promise<Network> => {
  const [outside] = await list(executor, networkKind, {
    conditions: [equals('is_default', 1), equals('external', 1)],
    limit: 1,
  })
  if (outside) return outside
  throw badRequest(
    'Deployment error: No default router:external network: an operator must make one with is_default.',
    { type: 'AutoAllocationFailure' },
  )
}
