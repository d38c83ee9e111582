/** A server's network interfaces: its Neutron ports, attached and detached while it lives. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, isRefusal, notFound } from '#platform/errors/errors.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import { assertOrder } from '../states/orders.ts'
import { serverFetch } from '../store/servers.ts'
import { assertFreePort, planPorts, portOf } from './requested-networks.ts'
import type { PortPlan, Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import type { ServerOrders } from './server-orders.ts'
import { serverMissing } from './server-reader.ts'

export interface InterfaceAsk { portId?: string; networkId?: string; fixedIps: string[]; tag?: string }

export class ServerInterfaces {
  readonly #parts: NovaParts
  readonly #orders: ServerOrders
  constructor(parts: NovaParts, orders: ServerOrders) {
    this.#parts = parts
    this.#orders = orders
  }

  list(server: Server): Promise<PortInfo[]> { return this.#parts.facades.neutron.portsOf(server.id) }

  async fetch(server: Server, portId: string): Promise<PortInfo> {
    const port = (await this.list(server)).find((one) => one.id === portId)
    if (!port) throw notFound(`Instance ${server.id} does not have a port with id ${portId}`)
    return port
  }

  /** The port is bound in the order's transaction; the container's new device follows with the `replug`. */
  async attach(caller: RequestContext, server: Server, ask: InterfaceAsk): Promise<PortInfo> {
    const plan = await this.#plan(caller, server, ask)
    // As upstream, a port that is made for a running server is in the project's default group.
    const port = { ...portOf(plan, { ...server, securityGroups: [] }), ...(server.host && { hostName: server.host }) }
    try {
      await this.#parts.db.transaction(async (tx) => {
        await this.#parts.facades.neutron.portEnsure(tx, port)
        await this.#orders.give(tx, caller, server.id, () => ({ name: 'attachInterface', order: { do: 'replug' } }))
      })
    } catch (error) {
      throw plan.fixedIp ? asBadAddress(error) : error
    }
    return this.fetch(server, port.id)
  }

  async #plan(caller: RequestContext, server: Server, ask: InterfaceAsk): Promise<PortPlan> {
    const { neutron } = this.#parts.facades
    if (ask.portId) {
      const port = await neutron.portFetch(ask.portId, { projectId: caller.projectId, isAdmin: caller.isAdmin })
      if (!port) throw notFound(`Port id ${ask.portId} could not be found.`)
      assertFreePort(port, ask.portId)
      return { networkId: port.networkId, adoptedId: port.id, tag: ask.tag }
    }
    const networkId = ask.networkId ?? (await this.#defaultNetwork(caller, server))
    const [plan] = await planPorts(neutron, caller, [{ networkId, fixedIp: ask.fixedIps[0], tag: ask.tag }], 1)
    return plan!
  }

  /** Without a network, Nova takes the one the project has that the server is not on yet. */
  async #defaultNetwork(caller: RequestContext, server: Server): Promise<string> {
    const used = new Set((await this.list(server)).map((port) => port.networkId))
    const open = (await this.#parts.facades.neutron.networksAvailable(caller.projectId)).filter(
      (network) => !used.has(network.id),
    )
    if (open.length === 1) return open[0]!.id
    throw badRequest(
      open.length
        ? 'Multiple possible networks found, use a Network ID to be more specific.'
        : 'No network is left to attach: give net_id or port_id',
    )
  }

  async detach(caller: RequestContext, server: Server, portId: string): Promise<void> {
    await this.fetch(server, portId)
    await this.#parts.db.transaction(async (tx) => {
      await this.#parts.facades.neutron.portRelease(tx, portId)
      await this.#orders.give(tx, caller, server.id, () => ({ name: 'detachInterface', order: { do: 'replug' } }))
    })
  }

  /** One more address on the server's port in that network; the host gives it to the running container. */
  async addressAdd(caller: RequestContext, server: Server, networkId: string): Promise<void> {
    const port = (await this.list(server)).find((one) => one.networkId === networkId)
    if (!port) throw notFound(`Network ${networkId} is not one of instance ${server.id}.`)
    await this.#readdress(caller, server, 'addFixedIp', (tx) => this.#parts.facades.neutron.portAddressAdd(tx, port.id))
  }

  async addressRemove(caller: RequestContext, server: Server, ip: string): Promise<void> {
    const port = (await this.list(server)).find(({ fixedIps }) => fixedIps.some((fixed) => fixed.ip === ip))
    if (!port) throw badRequest(`Fixed IP ${ip} not found for instance ${server.id}.`)
    await this.#readdress(caller, server, 'removeFixedIp', (tx) =>
      this.#parts.facades.neutron.portAddressRemove(tx, port.id, ip))
  }

  async #readdress(
    caller: RequestContext, { id }: Server, order: 'addFixedIp' | 'removeFixedIp', work: (tx: Tx) => Promise<unknown>,
  ): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const now = await serverFetch(tx, id)
      if (!now || now.deleted) throw serverMissing(id)
      assertOrder(order, now, caller)
      try {
        await work(tx)
      } catch (error) {
        throw asBadAddress(error)
      }
    })
  }
}

/** Nova calls it the request's fault when Neutron has no such address to give. */
const asBadAddress = (error: unknown): unknown =>
  isRefusal(error) && error.kind === 'conflict' ? badRequest(error.message, error.details, error) : error
