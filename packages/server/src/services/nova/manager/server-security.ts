/** A server's security groups: those of its ports, and on the server's row for ports that are yet to come. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { conflict, notFound } from '#platform/errors/errors.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import { assertOrder } from '../states/orders.ts'
import { hasWorkload } from '../states/server-state.ts'
import { serverFetch, serverUpdate } from '../store/servers.ts'
import type { SecurityGroupRef, Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { serverMissing } from './server-reader.ts'

/** A server without ports has what its row says. */
const idsOf = ({ securityGroups }: Server, ports: PortInfo[]): string[] =>
  ports.length === 0
    ? securityGroups.map(({ id }) => id)
    : [...new Set(ports.flatMap(({ securityGroupIds }) => securityGroupIds))]

export class ServerSecurity {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) {
    this.#parts = parts
  }

  /** What the server's ports have now, whoever gave it to them. */
  async list(server: Server): Promise<SecurityGroupRef[]> {
    const ports = await this.#parts.facades.neutron.portsOf(server.id)
    return (await this.listMany([server], new Map([[server.id, ports]]))).get(server.id)!
  }

  /** By server. Rows know the names of the groups that Nova gave; only others are looked up. */
  async listMany(servers: Server[], ports: Map<string, PortInfo[]>): Promise<Map<string, SecurityGroupRef[]>> {
    const names = new Map(servers.flatMap(({ securityGroups }) => securityGroups.map(({ id, name }) => [id, name])))
    const ids = servers.map((server) => ({ server, ids: idsOf(server, ports.get(server.id) ?? []) }))
    const strange = ids.flatMap((one) => one.ids.filter((id) => !names.has(id)))
    const found = strange.length > 0 ? await this.#parts.facades.neutron.securityGroupNames(strange) : new Map()
    const refOf = (id: string): SecurityGroupRef => ({ id, name: names.get(id) ?? found.get(id) ?? id })
    return new Map(ids.map((one) => [one.server.id, one.ids.map(refOf)]))
  }

  /**
   * By name or id, to every port that can have groups; of a server that waits, to those that will be made. A group that
   * is there already stays.
   */
  async add(caller: RequestContext, server: Server, nameOrId: string): Promise<void> {
    const group = await this.#resolve(server, nameOrId)
    const ports = await this.#guardedPorts(server)
    if (ports.length === 0 && hasWorkload(server))
      throw notFound(`Security group ${nameOrId} cannot be added: no port of instance ${server.id} takes groups.`)
    await this.#change(caller, server, async (tx, before) => {
      for (const { id } of ports) await this.#parts.facades.neutron.portSecurityGroups(tx, id, { add: [group.id] })
      return [...before.filter(({ id }) => id !== group.id), group]
    })
  }

  async remove(caller: RequestContext, server: Server, nameOrId: string): Promise<void> {
    const group = await this.#resolve(server, nameOrId)
    const ports = (await this.#guardedPorts(server)).filter((port) => port.securityGroupIds.includes(group.id))
    const isToCome = !hasWorkload(server) && server.securityGroups.some(({ id }) => id === group.id)
    if (ports.length === 0 && !isToCome)
      throw notFound(`Security group ${nameOrId} not associated with the instance ${server.id}`)
    await this.#change(caller, server, async (tx, before) => {
      for (const { id } of ports) await this.#parts.facades.neutron.portSecurityGroups(tx, id, { remove: [group.id] })
      return before.filter(({ id }) => id !== group.id)
    })
  }

  async #resolve(server: Server, nameOrId: string): Promise<SecurityGroupRef> {
    return (await this.#parts.facades.neutron.securityGroupsResolve(server.projectId, [nameOrId]))[0]!
  }

  async #guardedPorts(server: Server): Promise<PortInfo[]> {
    const ports = await this.#parts.facades.neutron.portsOf(server.id)
    return ports.filter(({ portSecurity }) => portSecurity)
  }

  /** The ports and the row change together, or not at all. */
  async #change(
    caller: RequestContext,
    seen: Server,
    groupsAfter: (tx: Tx, before: SecurityGroupRef[]) => Promise<SecurityGroupRef[]>,
  ): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const { id } = seen
      const now = await serverFetch(tx, id)
      if (!now || now.deleted) throw serverMissing(id)
      assertOrder('addSecurityGroup', now, caller)
      // Its ports were looked for before it had any.
      if (hasWorkload(now) !== hasWorkload(seen)) throw conflict(`Instance ${id} got its ports just now; try again.`)
      const securityGroups = await groupsAfter(tx, now.securityGroups)
      await serverUpdate(tx, id, { securityGroups, updatedAt: this.#parts.clock.now() })
    })
  }
}
