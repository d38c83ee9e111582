/** A server's network interfaces: its Neutron ports, attached and detached while it lives. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, isRefusal, notFound } from '#platform/errors/errors.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import { assertFreePort, planPorts, portOf } from './requested-networks.ts'
import type { PortPlan } from './requested-networks.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import type { ServerOrders } from './server-orders.ts'

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
    const { neutron } = this.#parts.facades
    const plan = await this.#plan(caller, server, ask)
    const port = portOf(plan, server)
    try {
      await this.#parts.db.transaction(async (tx) => {
        await neutron.portEnsure(tx, port)
        await this.#orders.give(tx, caller, server.id, () => ({ name: 'attachInterface', order: { do: 'replug' } }))
      })
    } catch (error) {
      if (isRefusal(error) && error.kind === 'conflict' && plan.fixedIp) throw badRequest(
        error.message, error.details, error,
      )
      throw error
    }
    if (server.host) await neutron.portsBind(server.id, server.host)
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
}
