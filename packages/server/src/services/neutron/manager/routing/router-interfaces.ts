/** Legs of routers: joining a subnet or a port to a router, and parting them. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { cidrContains } from '#engines/cidr/prefix.ts'
import { floatingIpKind, networkKind, subnetKind } from '../../store/kinds.ts'
import { equals, fetch, fetchMany, list } from '../../store/records.ts'
import type { Network, Port, Router, Subnet } from '../../store/tables.ts'
import { type Collection, viewerOf } from '../collection.ts'
import { changed, type NeutronParts } from '../parts.ts'
import { portChange, portDrop, portMake } from '../port-maker.ts'
import { assertLegFits, legsOf } from './router-checks.ts'

export interface InterfaceAsk {
  subnet_id?: string
  port_id?: string
}
export interface InterfaceInfo {
  router: Router
  port: Port
  subnetId: string
}

const interfaceOwner = 'network:router_interface'
const refuse = (why: string) => badRequest(`Bad router request: ${why}.`, { type: 'BadRequest' })

export class RouterInterfaces {
  readonly #parts: NeutronParts
  readonly #routers: Collection<Router>
  readonly #subnets: Collection<Subnet>
  readonly #ports: Collection<Port>
  constructor(
    parts: NeutronParts,
    collections: { routers: Collection<Router>; subnets: Collection<Subnet>; ports: Collection<Port> },
  ) {
    this.#parts = parts
    this.#routers = collections.routers
    this.#subnets = collections.subnets
    this.#ports = collections.ports
  }

  add(ctx: RequestContext, routerId: string, ask: InterfaceAsk): Promise<InterfaceInfo> {
    return this.#parts.db.transaction(async (tx) => {
      const router = await this.#routers.owned(tx, ctx, routerId, 'add_router_interface')
      if (ask.port_id && ask.subnet_id) throw refuse('Cannot specify both subnet-id and port-id')
      if (ask.port_id) return this.#joinPort(tx, router, await this.#ports.fetch(viewerOf(ctx), ask.port_id, tx))
      if (!ask.subnet_id) throw refuse('Either subnet_id or port_id must be specified')
      const subnet = await this.#subnets.fetch(viewerOf(ctx), ask.subnet_id, tx)
      return { router, port: await interfaceMake(this.#parts, tx, router, subnet), subnetId: subnet.id }
    })
  }

  async #joinPort(tx: Tx, router: Router, port: Port): Promise<InterfaceInfo> {
    if (port.device_id !== '') {
      throw conflict(
        `Unable to complete operation on port ${port.id} for network ${port.network_id}. Port already has an ` +
          `attached device ${port.device_id}.`,
        { type: 'PortInUse' },
      )
    }
    const subnets = await fetchMany(
      tx,
      subnetKind,
      port.fixed_ips.map(({ subnet_id }) => subnet_id),
    )
    if (subnets.length === 0) throw refuse('Router port must have at least one fixed IP')
    if (subnets.filter(({ ip_version }) => ip_version === 4).length > 1)
      throw refuse('Cannot have multiple IPv4 subnets on router port')
    await assertLegFits(tx, router.id, subnets)
    // A router forwards for others: guards against foreign addresses would stop it.
    const fields = {
      device_id: router.id,
      device_owner: interfaceOwner,
      status: 'ACTIVE',
      security_groups: [],
      port_security_enabled: false,
      allowed_address_pairs: [],
    }
    const joined = await portChange(this.#parts, tx, port, { fields })
    changed(tx, 'router', router.id)
    return { router, port: joined, subnetId: port.fixed_ips[0]!.subnet_id }
  }

  remove(ctx: RequestContext, routerId: string, ask: InterfaceAsk): Promise<InterfaceInfo> {
    return this.#parts.db.transaction(async (tx) => {
      const router = await this.#routers.owned(tx, ctx, routerId, 'remove_router_interface')
      const { port, subnetId } = await legAsked(tx, router, ask)
      for (const { subnet_id } of port.fixed_ips) await assertUnneeded(tx, router, subnet_id)
      await portDrop(this.#parts, tx, port)
      changed(tx, 'router', router.id)
      return { router, port, subnetId }
    })
  }
}

export const interfaceMake = async (parts: NeutronParts, tx: Tx, router: Router, subnet: Subnet): Promise<Port> => {
  if (subnet.gateway_ip === null) throw refuse('Subnet for router interface must have a gateway IP')
  await assertLegFits(tx, router.id, [subnet])
  const network = (await fetch(tx, networkKind, subnet.network_id)) as Network
  if (network.external) throw refuse(`Network ${network.id} is external: set it as the router's gateway`)
  const port = await portMake(parts, tx, network, {
    project_id: router.project_id,
    device_id: router.id,
    device_owner: interfaceOwner,
    status: 'ACTIVE',
    port_security_enabled: false,
    fixed_ips: [{ subnet_id: subnet.id, ip_address: subnet.gateway_ip }],
  })
  changed(tx, 'router', router.id)
  return port
}

const legAsked = async (tx: Tx, router: Router, ask: InterfaceAsk): Promise<{ port: Port; subnetId: string }> => {
  if (!ask.port_id && !ask.subnet_id) throw refuse('Either subnet_id or port_id must be specified')
  const legs = (await legsOf(tx, router.id)).filter(({ device_owner }) => device_owner === interfaceOwner)
  if (ask.port_id) {
    const port = legs.find(({ id }) => id === ask.port_id)
    if (!port)
      throw notFound(`Router ${router.id} does not have an interface with id ${ask.port_id}`, {
        type: 'RouterInterfaceNotFound',
      })
    const subnetId = port.fixed_ips[0]?.subnet_id ?? ''
    if (ask.subnet_id && !port.fixed_ips.some(({ subnet_id }) => subnet_id === ask.subnet_id)) {
      throw badRequest(`Subnet on port ${port.id} does not match the requested subnet ${ask.subnet_id}.`, {
        type: 'SubnetMismatchForPort',
      })
    }
    return { port, subnetId: ask.subnet_id ?? subnetId }
  }
  const port = legs.find(({ fixed_ips }) => fixed_ips.some(({ subnet_id }) => subnet_id === ask.subnet_id))
  if (port) return { port, subnetId: ask.subnet_id! }
  throw notFound(`Router ${router.id} has no interface on subnet ${ask.subnet_id}`, {
    type: 'RouterInterfaceNotFoundForSubnet',
  })
}

const assertUnneeded = async (tx: Tx, router: Router, subnetId: string): Promise<void> => {
  const subnet = await fetch(tx, subnetKind, subnetId)
  const cidr = subnet?.cidr ?? ''
  const floating = await list(tx, floatingIpKind, { conditions: [equals('router_id', router.id)] })
  if (floating.some(({ fixed_ip_address }) => fixed_ip_address !== null && cidrContains(cidr, fixed_ip_address))) {
    throw conflict(
      `Router interface for subnet ${subnetId} on router ${router.id} cannot be deleted, as it is required by ` +
        `one or more floating IPs.`,
      { type: 'RouterInterfaceInUseByFloatingIP' },
    )
  }
  if (router.routes.some(({ nexthop }) => cidrContains(cidr, nexthop))) {
    throw conflict(
      `Router interface for subnet ${subnetId} on router ${router.id} cannot be deleted, as it is required by ` +
        `one or more routes.`,
      { type: 'RouterInterfaceInUseByRoute' },
    )
  }
}
