/** Ports as other services see them. */
import type { Executor } from '#platform/db/database.ts'
import { floatingIpKind, networkKind, portKind } from '../store/kinds.ts'
import { fetchMany, isIn, list } from '../store/records.ts'
import type { Port } from '../store/tables.ts'
import type { PortInfo } from '../facade.ts'

export const portInfos = async (executor: Executor, ports: Port[]): Promise<PortInfo[]> => {
  if (ports.length === 0) return []
  const networks = new Map(
    (
      await fetchMany(
        executor,
        networkKind,
        ports.map(({ network_id }) => network_id),
      )
    ).map((network) => [network.id, network]),
  )
  const floating = Map.groupBy(
    await list(executor, floatingIpKind, {
      conditions: [
        isIn(
          'port_id',
          ports.map(({ id }) => id),
        ),
      ],
    }),
    ({ port_id }) => port_id,
  )
  return ports.map((port) => ({
    id: port.id,
    networkId: port.network_id,
    networkName: networks.get(port.network_id)?.name ?? '',
    projectId: port.project_id,
    mac: port.mac_address,
    deviceId: port.device_id,
    deviceOwner: port.device_owner,
    hostName: port.host,
    fixedIps: port.fixed_ips.map(({ subnet_id, ip_address }) => ({
      subnetId: subnet_id,
      ip: ip_address,
      version: ip_address.includes(':') ? 6 : 4,
    })),
    floatingIps: (floating.get(port.id) ?? []).map((ip) => ({
      address: ip.floating_ip_address,
      fixedIp: ip.fixed_ip_address ?? '',
    })),
    status: port.status as PortInfo['status'],
    securityGroupIds: port.security_groups,
    ...(port.device_tag && { tag: port.device_tag }),
  }))
}

/** In attach order. */
export const portsOfDevices = (executor: Executor, deviceIds: string[]): Promise<Port[]> =>
  list(executor, portKind, {
    conditions: [isIn('device_id', deviceIds)],
    sort: [
      { column: 'attached_at', direction: 'asc' },
      { column: 'id', direction: 'asc' },
    ],
  })
