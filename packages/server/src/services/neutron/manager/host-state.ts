/** The whole wanted state of one host, read and put together. */
import { portKind, subnetKind } from '../store/kinds.ts'
import { isIn, list } from '../store/records.ts'
import type { HostNetworkState } from '../ports.ts'
import type { Port, Router } from '../store/tables.ts'
import { hostView, routerHome, withRouters } from './host-view.ts'
import type { NeutronParts } from './parts.ts'
import { wantedGroups, wantedNetwork, wantedPort, wantedRouter } from './wanted.ts'
import { portsOfHost, routerRows, wantedRows, type RouterRows } from './wanted-rows.ts'

const noRouters: RouterRows = { routers: [], routerPorts: [], floatingIps: [], forwardings: [] }

export const hostState = async (parts: NeutronParts, host: string): Promise<HostNetworkState> => {
  const { db, hosts, clock } = parts
  const ports = await portsOfHost(db, host)
  const home = routerHome(hosts, clock.now())
  const routing = home === host ? await routerRows(db) : noRouters
  const homed = new Set(routing.routers.map(({ id }) => id))
  const legs = routing.routerPorts.filter(({ device_id }) => homed.has(device_id))
  const rows = await wantedRows(
    db,
    ports,
    legs.map(({ network_id }) => network_id),
  )
  const subnets = await list(db, subnetKind, {
    conditions: [
      isIn(
        'network_id',
        legs.map(({ network_id }) => network_id),
      ),
    ],
  })
  const view = hostView(hosts, host, clock.now())
  const seen = { ...rows, neighbours: withRouters(rows.neighbours, home) }
  const sorted = [...rows.networks].sort((a, b) => (a.id < b.id ? -1 : 1))
  const { positions } = await positionsOf(parts, ports)
  return {
    networks: sorted.map((network) => wantedNetwork(network, seen, view)),
    ports: [...ports]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((port) =>
        wantedPort(port, {
          position: positions.get(port.id) ?? 0,
          network: rows.networks.find(({ id }) => id === port.network_id),
          subnets: rows.subnets,
        }),
      ),
    routers: [...routing.routers]
      .sort(byRouterId)
      .map((router) => wantedRouter(router, { ...routing, routerPorts: legs }, subnets)),
    securityGroups: wantedGroups(rows),
  }
}

const byRouterId = (a: Router, b: Router): number => (a.id < b.id ? -1 : 1)

/** A port's place among all ports of its device: `eth0`, `eth1`, … */
const positionsOf = async ({ db }: NeutronParts, ports: Port[]): Promise<{ positions: Map<string, number> }> => {
  const all = await list(db, portKind, {
    conditions: [isIn('device_id', [...new Set(ports.map(({ device_id }) => device_id))])],
  })
  const positions = new Map<string, number>()
  for (const group of Map.groupBy(all, ({ device_id }) => device_id).values()) {
    group
      .sort((a, b) => a.attached_at - b.attached_at || (a.id < b.id ? -1 : 1))
      .forEach((port, at) => positions.set(port.id, at))
  }
  return { positions }
}
