/** What routers must obey: legs whose subnets do not overlap, and routes that lead to a neighbour. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { canonicalAddress } from '#engines/cidr/address.ts'
import { cidrContains, cidrsOverlap, parsePrefix } from '#engines/cidr/prefix.ts'
import { portKind, subnetKind } from '../../store/kinds.ts'
import { equals, fetchMany, isIn, list } from '../../store/records.ts'
import type { HostRoute, Port, Router, Subnet } from '../../store/tables.ts'
import { invalidAttribute } from '../refusals.ts'

const routesMax = 30
const legOwners = ['network:router_interface', 'network:router_gateway']

/** Ports of a router: interfaces and gateway. */
export const legsOf = (executor: Executor, routerId: string): Promise<Port[]> =>
  list(executor, portKind, { conditions: [equals('device_id', routerId), isIn('device_owner', legOwners)] })

const subnetsOf = (executor: Executor, ports: Port[]): Promise<Subnet[]> =>
  fetchMany(
    executor,
    subnetKind,
    ports.flatMap(({ fixed_ips }) => fixed_ips.map(({ subnet_id }) => subnet_id)),
  )

const refuse = (why: string) => badRequest(`Bad router request: ${why}.`, { type: 'BadRequest' })

/** A new leg's subnets must be none that the router has, nor overlap them. */
export const assertLegFits = async (tx: Tx, routerId: string, fresh: Subnet[]): Promise<void> => {
  const known = await subnetsOf(tx, await legsOf(tx, routerId))
  for (const subnet of fresh) {
    if (known.some(({ id }) => id === subnet.id)) throw refuse(`Router already has a port on subnet ${subnet.id}`)
    const other = known.find(({ cidr }) => cidrsOverlap(cidr, subnet.cidr))
    if (other)
      throw refuse(
        `Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${other.cidr} of subnet ${other.id}`,
      )
  }
}

export const assertApart = async (tx: Tx, routerId: string, networkId: string): Promise<void> =>
  assertLegFits(tx, routerId, await list(tx, subnetKind, { conditions: [equals('network_id', networkId)] }))

const invalidRoutes = (routes: HostRoute[], why: string) =>
  badRequest(`Invalid format for routes: ${JSON.stringify(routes)}, ${why}`, {
    type: 'InvalidRoutes',
    field: 'routes',
  })

export const assertRoutes = async (tx: Tx, router: Router, routes: HostRoute[]): Promise<void> => {
  if (routes.length > routesMax)
    throw badRequest(
      `Unable to complete operation for ${router.id}. The number of routes exceeds the maximum ${routesMax}.`,
      { type: 'RoutesExhausted' },
    )
  const keys = routes.map(({ destination, nexthop }) => `${destination} ${nexthop}`)
  if (new Set(keys).size < keys.length) throw invalidAttribute('routes', 'Duplicate route')
  const legs = await legsOf(tx, router.id)
  const subnets = await subnetsOf(tx, legs)
  const own = new Set(legs.flatMap(({ fixed_ips }) => fixed_ips.map(({ ip_address }) => ip_address)))
  for (const { destination, nexthop } of routes) {
    if (!parsePrefix(destination)) throw invalidAttribute('routes', `'${destination}' is not a valid IP subnet`)
    const hop = canonicalAddress(nexthop)
    if (hop === undefined) throw invalidAttribute('routes', `'${nexthop}' is not a valid IP address`)
    if (!subnets.some(({ cidr }) => cidrContains(cidr, nexthop)))
      throw invalidRoutes(routes, 'the nexthop is not connected with router')
    if (own.has(hop)) throw invalidRoutes(routes, 'the nexthop is used by router')
  }
}
