/** Floating IPs: taking an address outside, and pointing it at a port inside. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { own, ownOrOpened } from '../../store/access.ts'
import { floatingIpKind, networkKind, portForwardingKind, portKind, routerKind } from '../../store/kinds.ts'
import { equals, fetch, insert, isIn, list, remove, update } from '../../store/records.ts'
import type { FloatingIp, Network, Port, PortForwarding, Router } from '../../store/tables.ts'
import { Collection, viewerOf } from '../collection.ts'
import type { AddressAsk } from '../ipam.ts'
import { born, changed, charge, refund, type NeutronParts } from '../parts.ts'
import { portDrop, portMake } from '../port-maker.ts'

export interface FloatingIpInput extends Partial<FloatingIp> {
  project_id: string
  floating_network_id: string
  subnet_id?: string | null
}
/** `status` follows what the router's host reports (floating-ip-status). */
type Aim = Pick<FloatingIp, 'port_id' | 'fixed_ip_address' | 'router_id' | 'status'>

const nowhere: Aim = { port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN' }

export class FloatingIps {
  readonly collection: Collection<FloatingIp>
  readonly #parts: NeutronParts
  readonly #networks: Collection<Network>
  readonly #ports: Collection<Port>
  constructor(parts: NeutronParts, ports: Collection<Port>) {
    this.#parts = parts
    this.#ports = ports
    this.collection = new Collection(parts, floatingIpKind, own)
    this.#networks = new Collection(parts, networkKind, (viewer) => ownOrOpened(viewer, 'network'))
  }

  create(ctx: RequestContext, inputs: FloatingIpInput[]): Promise<FloatingIp[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: FloatingIp[] = []
      for (const input of inputs) made.push(await this.#create(tx, ctx, input))
      return made
    })
  }

  async #create(tx: Tx, ctx: RequestContext, input: FloatingIpInput): Promise<FloatingIp> {
    const network = await this.#networks.fetch(viewerOf(ctx), input.floating_network_id, tx)
    if (!network.external)
      throw badRequest(`Bad floatingip request: Network ${network.id} is not a valid external network.`, {
        type: 'BadRequest',
        field: 'floating_network_id',
      })
    const id = uuid()
    const port = await this.#hold(tx, network, id, input)
    const fresh: FloatingIp = {
      ...born(this.#parts, id, input.project_id),
      dns_name: '',
      dns_domain: '',
      ...input,
      ...nowhere,
      floating_ip_address: port.fixed_ips[0]!.ip_address,
      own_port_id: port.id,
    }
    await charge(this.#parts, tx, 'floatingips', fresh)
    const aim = input.port_id
      ? await this.#aim(tx, ctx, fresh, { portId: input.port_id, fixedIp: input.fixed_ip_address ?? undefined })
      : nowhere
    const floating = await insert(tx, floatingIpKind, { ...fresh, ...aim })
    changed(tx, 'floatingip', id)
    return floating
  }

  /** The port on the external network that keeps the address. */
  async #hold(tx: Tx, network: Network, id: string, input: FloatingIpInput): Promise<Port> {
    const ask: AddressAsk = {
      ...(input.floating_ip_address && { ip_address: input.floating_ip_address }),
      ...(input.subnet_id && { subnet_id: input.subnet_id }),
    }
    const port = await portMake(this.#parts, tx, network, {
      project_id: '',
      device_owner: 'network:floatingip',
      device_id: id,
      status: 'N/A',
      port_security_enabled: false,
      ...(Object.keys(ask).length > 0 && { fixed_ips: [ask] }),
    })
    if (port.fixed_ips.length > 0) return port
    throw badRequest(`Unable to find any IP address on external network ${network.id}.`, {
      type: 'ExternalIpAddressExhausted',
    })
  }

  update(ctx: RequestContext, id: string, fields: Partial<FloatingIp>, ifMatch?: number): Promise<FloatingIp> {
    return this.#parts.db.transaction(async (tx) => {
      const floating = await this.collection.owned(tx, ctx, id, 'update_floatingip', ifMatch)
      const after = await update(
        tx,
        floatingIpKind,
        floating,
        { ...fields, ...(await this.#reaim(tx, ctx, floating, fields)) },
        this.#parts.clock.now(),
      )
      changed(tx, 'floatingip', id)
      return after
    })
  }

  async #reaim(
    tx: Tx,
    ctx: RequestContext,
    floating: FloatingIp,
    { port_id: portId, fixed_ip_address: fixedIp }: Partial<FloatingIp>,
  ): Promise<Partial<Aim>> {
    if (portId === null) return nowhere
    const target = portId ?? (fixedIp ? floating.port_id : undefined)
    if (fixedIp && !target)
      throw badRequest('Bad floatingip request: fixed_ip_address cannot be specified without a port_id.', {
        type: 'BadRequest',
      })
    if (!target) return {}
    return this.#aim(tx, ctx, floating, { portId: target, fixedIp: fixedIp ?? undefined })
  }

  async #aim(
    tx: Tx,
    ctx: RequestContext,
    floating: FloatingIp,
    { portId, fixedIp }: { portId: string; fixedIp?: string },
  ): Promise<Aim> {
    const port = await this.#ports.fetch(viewerOf(ctx), portId, tx)
    if (port.project_id !== floating.project_id && !ctx.isAdmin) {
      throw badRequest(
        `Bad floatingip request: Cannot process floating IP association with Port ${port.id}, since that port ` +
          `is owned by a different tenant.`,
        { type: 'BadRequest' },
      )
    }
    await assertNoForwardings(tx, floating)
    const fixed = fixedIpOf(port, fixedIp)
    const router = await routerBetween(tx, floating, { port, subnetId: fixed.subnet_id })
    await assertUnaimed(tx, floating, { port, ip: fixed.ip_address })
    const aim = { port_id: port.id, fixed_ip_address: fixed.ip_address, router_id: router.id }
    return { ...aim, status: leadsTo(floating, aim) ? floating.status : 'DOWN' }
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const floating = await this.collection.owned(tx, ctx, id, 'delete_floatingip', ifMatch)
      await remove(tx, floatingIpKind, id)
      const port = await fetch(tx, portKind, floating.own_port_id)
      if (port) await portDrop(this.#parts, tx, port)
      await refund(this.#parts, tx, 'floatingips', floating)
      changed(tx, 'floatingip', id)
    })
  }

  /** The ports that floating IPs lead to, and their forwardings. */
  async surroundings(
    floating: FloatingIp[],
    executor: Executor = this.#parts.db,
  ): Promise<{ ports: Map<string, Port>; forwardings: Map<string, PortForwarding[]> }> {
    const ports = await list(executor, portKind, {
      conditions: [
        isIn(
          'id',
          floating.flatMap(({ port_id }) => port_id ?? []),
        ),
      ],
    })
    const forwardings = await list(executor, portForwardingKind, {
      conditions: [
        isIn(
          'floatingip_id',
          floating.map(({ id }) => id),
        ),
      ],
    })
    return {
      ports: new Map(ports.map((port) => [port.id, port])),
      forwardings: Map.groupBy(forwardings, ({ floatingip_id }) => floatingip_id),
    }
  }
}

const leadsTo = (floating: FloatingIp, aim: Omit<Aim, 'status'>): boolean =>
  floating.port_id === aim.port_id &&
  floating.fixed_ip_address === aim.fixed_ip_address &&
  floating.router_id === aim.router_id

const assertNoForwardings = async (tx: Tx, floating: FloatingIp): Promise<void> => {
  const [one] = await list(tx, portForwardingKind, { conditions: [equals('floatingip_id', floating.id)], limit: 1 })
  if (one)
    throw conflict(`Floating IP ${floating.id} in use by Port Forwarding resources.`, {
      type: 'FipInUseByPortForwarding',
    })
}

const fixedIpOf = (port: Port, asked: string | undefined): { subnet_id: string; ip_address: string } => {
  const v4 = port.fixed_ips.filter(({ ip_address }) => !ip_address.includes(':'))
  const found = asked === undefined ? v4[0] : v4.find(({ ip_address }) => ip_address === asked)
  const refuse = (why: string) => badRequest(`Bad floatingip request: ${why}.`, { type: 'BadRequest' })
  if (asked !== undefined && !found) throw refuse(`Port ${port.id} does not have fixed ip ${asked}`)
  if (!found) throw refuse(`Cannot add floating IP to port ${port.id} that has no fixed IPv4 addresses`)
  if (asked === undefined && v4.length > 1)
    throw refuse(
      `Port ${port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a ` +
        `floating IP`,
    )
  return found
}

/** The router with a leg in the port's subnet and its gateway in the floating IP's network. */
export const routerBetween = async (
  tx: Tx,
  floating: FloatingIp,
  { port, subnetId }: { port: Port; subnetId: string },
): Promise<Router> => {
  const legs = await list(tx, portKind, {
    conditions: [equals('network_id', port.network_id), equals('device_owner', 'network:router_interface')],
  })
  const routers = await list(tx, routerKind, {
    conditions: [
      isIn(
        'id',
        legs
          .filter(({ fixed_ips }) => fixed_ips.some(({ subnet_id }) => subnet_id === subnetId))
          .map(({ device_id }) => device_id),
      ),
    ],
  })
  const router = routers.find(({ gateway }) => gateway?.network_id === floating.floating_network_id)
  if (router) return router
  throw notFound(
    `External network ${floating.floating_network_id} is not reachable from subnet ${subnetId}.  Therefore, ` +
      `cannot associate Port ${port.id} with a Floating IP.`,
    { type: 'ExternalGatewayForFloatingIPNotFound' },
  )
}

const assertUnaimed = async (
  tx: Tx,
  floating: FloatingIp,
  { port, ip }: { port: Port; ip: string },
): Promise<void> => {
  const others = await list(tx, floatingIpKind, {
    conditions: [
      equals('port_id', port.id),
      equals('fixed_ip_address', ip),
      equals('floating_network_id', floating.floating_network_id),
    ],
  })
  if (!others.some(({ id }) => id !== floating.id)) return
  throw conflict(
    `Cannot associate floating IP ${floating.floating_ip_address} (${floating.id}) with port ${port.id} using ` +
      `fixed IP ${ip}, as that fixed IP already has a floating IP on external network ${floating.floating_network_id}.`,
    { type: 'FloatingIPPortAlreadyAssociated' },
  )
}
