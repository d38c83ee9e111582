/** Ports as other services see them. */
import type { Executor } from '#platform/db/database.ts'
import { floatingIpKind, networkKind, portKind } from '../store/kinds.ts'
import { isIn, list, listFields } from '../store/records.ts'
import type { FloatingIp, Port } from '../store/tables.ts'
import type { PortInfo } from '../facade.ts'

const shown = [
  'id',
  'network_id',
  'project_id',
  'mac_address',
  'device_id',
  'device_owner',
  'host',
  'fixed_ips',
  'status',
  'security_groups',
  'port_security_enabled',
  'device_tag',
  'attached_at',
] as const
type Shown = Pick<Port, (typeof shown)[number]>

export const portInfos = async (executor: Executor, ports: Shown[]): Promise<PortInfo[]> => {
  if (ports.length === 0) return []
  const [networks, addresses] = await Promise.all([
    listFields(
      executor,
      networkKind,
      ['id', 'name'],
      [isIn('id', [...new Set(ports.map((port) => port.network_id))])],
    ),
    listFields(
      executor,
      floatingIpKind,
      ['port_id', 'floating_ip_address', 'fixed_ip_address'],
      [
        isIn(
          'port_id',
          ports.map(({ id }) => id),
        ),
      ],
    ),
  ])
  const nameOf = new Map(networks.map(({ id, name }) => [id, name]))
  const floating = Map.groupBy(addresses, ({ port_id }) => port_id)
  return ports.map((port) => portInfo(port, nameOf.get(port.network_id) ?? '', floating.get(port.id) ?? []))
}

type FloatingAddress = Pick<FloatingIp, 'floating_ip_address' | 'fixed_ip_address'>

const portInfo = (port: Shown, networkName: string, floating: FloatingAddress[]): PortInfo => ({
  id: port.id,
  networkId: port.network_id,
  networkName,
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
  floatingIps: floating.map((ip) => ({ address: ip.floating_ip_address, fixedIp: ip.fixed_ip_address ?? '' })),
  status: port.status as PortInfo['status'],
  securityGroupIds: port.security_groups,
  portSecurity: port.port_security_enabled,
  ...(port.device_tag && { tag: port.device_tag }),
})

/** The ports of many devices, each device's in attach order. */
export const portInfosOfDevices = async (executor: Executor, deviceIds: string[]): Promise<PortInfo[]> => {
  const ports = await listFields(executor, portKind, shown, [isIn('device_id', deviceIds)])
  return await portInfos(executor, ports.sort(byAttaching))
}

const byAttaching = (one: Shown, other: Shown): number =>
  one.attached_at - other.attached_at || (one.id < other.id ? -1 : 1)

/** In attach order. */
export const portsOfDevices = (executor: Executor, deviceIds: string[]): Promise<Port[]> =>
  list(executor, portKind, {
    conditions: [isIn('device_id', deviceIds)],
    sort: [
      { column: 'attached_at', direction: 'asc' },
      { column: 'id', direction: 'asc' },
    ],
  })
