/** Routers: making, changing and removing them, their gateway and their routes. Interfaces have a file of their own. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { own, ownOrOpened } from '../../store/access.ts'
import { networkKind, portKind, routerKind } from '../../store/kinds.ts'
import { fetch, insert, isIn, list, remove, update } from '../../store/records.ts'
import type { HostRoute, Network, Port, Router } from '../../store/tables.ts'
import { Collection, ownerTarget, viewerOf } from '../collection.ts'
import { floatingStatusesDown } from './floating-ip-status.ts'
import type { AddressAsk } from '../ipam.ts'
import { born, changed, charge, refund, type NeutronParts } from '../parts.ts'
import { portChange, portDrop, portMake } from '../port-maker.ts'
import { assertApart, assertRoutes, legsOf } from './router-checks.ts'

export interface GatewayAsk {
  network_id: string
  enable_snat?: boolean
  external_fixed_ips?: AddressAsk[]
}
export interface RouterInput extends Partial<Router> {
  project_id: string
  /** Null: none. */
  external_gateway_info?: GatewayAsk | null
}

export class Routers {
  readonly collection: Collection<Router>
  readonly #parts: NeutronParts
  readonly #networks: Collection<Network>
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, routerKind, own)
    this.#networks = new Collection(parts, networkKind, (viewer) => ownOrOpened(viewer, 'network'))
  }

  create(ctx: RequestContext, inputs: RouterInput[]): Promise<Router[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: Router[] = []
      for (const input of inputs) made.push(await this.#create(tx, ctx, input))
      return made
    })
  }

  async #create(
    tx: Tx,
    ctx: RequestContext,
    { external_gateway_info: gateway, ...input }: RouterInput,
  ): Promise<Router> {
    const router = await routerMake(this.#parts, tx, input)
    return gateway ? this.#setGateway(tx, ctx, router, gateway) : router
  }

  update(
    ctx: RequestContext,
    id: string,
    { external_gateway_info: gateway, ...fields }: Partial<RouterInput>,
    ifMatch?: number,
  ): Promise<Router> {
    return this.#parts.db.transaction(async (tx) => {
      const router = await this.collection.owned(tx, ctx, id, 'update_router', ifMatch)
      const moved = gateway === undefined ? router : await this.#setGateway(tx, ctx, router, gateway)
      if (fields.routes) await assertRoutes(tx, moved, fields.routes)
      const after =
        Object.keys(fields).length > 0 ? await update(tx, routerKind, moved, fields, this.#parts.clock.now()) : moved
      if (!after.admin_state_up) await floatingStatusesDown(tx, id)
      changed(tx, 'router', id)
      return after
    })
  }

  /** Adds to or takes from the routes as they are now, so that two who change them at once lose nothing. */
  routesChange(
    ctx: RequestContext,
    id: string,
    change: { add?: HostRoute[]; remove?: HostRoute[] },
  ): Promise<Router> {
    return this.#parts.db.transaction(async (tx) => {
      const router = await this.collection.owned(tx, ctx, id, change.add ? 'add_extraroutes' : 'remove_extraroutes')
      const same =
        (a: HostRoute) =>
        (b: HostRoute): boolean =>
          a.destination === b.destination && a.nexthop === b.nexthop
      const kept = router.routes.filter((route) => !change.remove?.some(same(route)))
      const routes = [...kept, ...(change.add ?? []).filter((route) => !kept.some(same(route)))]
      await assertRoutes(tx, router, routes)
      const after = await update(tx, routerKind, router, { routes }, this.#parts.clock.now())
      changed(tx, 'router', id)
      return after
    })
  }

  async #setGateway(tx: Tx, ctx: RequestContext, router: Router, ask: GatewayAsk | null): Promise<Router> {
    const target = ownerTarget(router)
    if (ask?.enable_snat !== undefined && ask.enable_snat !== (router.gateway?.enable_snat ?? true))
      ctx.enforce('update_router:external_gateway_info:enable_snat', target)
    if (ask?.external_fixed_ips !== undefined)
      ctx.enforce('update_router:external_gateway_info:external_fixed_ips', target)
    const network = ask && (await this.#networks.fetch(viewerOf(ctx), ask.network_id, tx))
    return gatewaySet(this.#parts, tx, router, ask && network ? { ask, network } : null)
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const router = await this.collection.owned(tx, ctx, id, 'delete_router', ifMatch)
      const legs = await legsOf(tx, id)
      if (legs.some(({ device_owner }) => device_owner !== gatewayOwner))
        throw conflict(`Router ${id} still has ports`, { type: 'RouterInUse' })
      await routerDrop(this.#parts, tx, router)
    })
  }

  /** The gateway port of each router that has one. */
  async gatewayPorts(routers: Router[], executor: Executor = this.#parts.db): Promise<Map<string, Port>> {
    const ports = await list(executor, portKind, {
      conditions: [
        isIn(
          'id',
          routers.flatMap(({ gateway }) => gateway?.port_id ?? []),
        ),
      ],
    })
    return new Map(ports.map((port) => [port.device_id, port]))
  }
}

export const gatewayOwner = 'network:router_gateway'

export const routerMake = async (
  parts: NeutronParts,
  tx: Tx,
  input: Partial<Router> & { project_id: string },
): Promise<Router> => {
  const router: Router = {
    ...born(parts, uuid(), input.project_id),
    name: '',
    admin_state_up: true,
    status: 'ACTIVE',
    routes: [],
    availability_zone_hints: [],
    ...input,
    gateway: null,
  }
  await charge(parts, tx, 'routers', router)
  await insert(tx, routerKind, router)
  changed(tx, 'router', router.id)
  return router
}

/** With its legs, unless floating IPs still need it. */
export const routerDrop = async (parts: NeutronParts, tx: Tx, router: Router): Promise<void> => {
  await gatewaySet(parts, tx, router, null)
  for (const leg of await legsOf(tx, router.id)) await portDrop(parts, tx, leg)
  await remove(tx, routerKind, router.id)
  await refund(parts, tx, 'routers', router)
  changed(tx, 'router', router.id)
}

const assertUnneeded = async (tx: Tx, router: Router): Promise<void> => {
  const used = await tx
    .as<any>()
    .selectFrom('neutron_floatingip')
    .select('id')
    .where('router_id', '=', router.id)
    .limit(1)
    .executeTakeFirst()
  if (used) {
    throw conflict(
      `Gateway cannot be updated for router ${router.id}, since a gateway to external network ` +
        `${router.gateway?.network_id} is required by one or more floating IPs.`,
      { type: 'RouterExternalGatewayInUseByFloatingIp' },
    )
  }
}

export const gatewaySet = async (
  parts: NeutronParts,
  tx: Tx,
  router: Router,
  wanted: { ask: GatewayAsk; network: Network } | null,
): Promise<Router> => {
  const kept = wanted && router.gateway?.network_id === wanted.network.id ? router.gateway : null
  if (router.gateway && !kept) await gatewayClear(parts, tx, router)
  if (!wanted) return router.gateway ? update(tx, routerKind, router, { gateway: null }, parts.clock.now()) : router
  const port_id = kept
    ? await gatewayKeep(parts, tx, kept.port_id, wanted.ask)
    : await gatewayPort(parts, tx, router, wanted)
  const gateway = {
    network_id: wanted.network.id,
    port_id,
    enable_snat: wanted.ask.enable_snat ?? kept?.enable_snat ?? true,
  }
  changed(tx, 'router', router.id)
  return update(tx, routerKind, router, { gateway }, parts.clock.now())
}

const gatewayClear = async (parts: NeutronParts, tx: Tx, router: Router): Promise<void> => {
  await assertUnneeded(tx, router)
  const port = await fetch(tx, portKind, router.gateway!.port_id)
  if (port) await portDrop(parts, tx, port)
}

const gatewayKeep = async (parts: NeutronParts, tx: Tx, portId: string, ask: GatewayAsk): Promise<string> => {
  const port = await fetch(tx, portKind, portId)
  if (port && ask.external_fixed_ips)
    await portChange(parts, tx, port, { fields: {}, fixedIps: ask.external_fixed_ips })
  return portId
}

const gatewayPort = async (
  parts: NeutronParts,
  tx: Tx,
  router: Router,
  { ask, network }: { ask: GatewayAsk; network: Network },
): Promise<string> => {
  if (!network.external)
    throw badRequest(`Bad router request: Network ${network.id} is not an external network.`, {
      type: 'BadRequest',
      field: 'network_id',
    })
  await assertApart(tx, router.id, network.id)
  const port = await portMake(parts, tx, network, {
    project_id: '',
    device_owner: gatewayOwner,
    device_id: router.id,
    status: 'ACTIVE',
    port_security_enabled: false,
    ...(ask.external_fixed_ips && { fixed_ips: ask.external_fixed_ips }),
  })
  if (port.fixed_ips.length === 0)
    throw badRequest(`Bad router request: No IPs available for external network ${network.id}.`, {
      type: 'BadRequest',
    })
  return port.id
}
