/** Makes, changes and removes port rows with their addresses and groups: what the API and the facade share. */
import type { Tx } from '#platform/db/database.ts'
import { macFromBytes } from '#engines/cidr/mac.ts'
import { uuid } from '#platform/ids/ids.ts'
import { addressesRelease } from '../store/allocations.ts'
import { portKind } from '../store/kinds.ts'
import { membershipsSet } from '../store/memberships.ts'
import { insertIfFree, remove, update } from '../store/records.ts'
import type { FixedIp, Network, Port, Subnet } from '../store/tables.ts'
import { addressesAllocate, isAutomatic, subnetsOfNetwork, type AddressAsk } from './ipam.ts'
import { born, changed, charge, dice, refund, type NeutronParts } from './parts.ts'
import { macTaken } from './refusals.ts'

export type NewPort = Partial<Omit<Port, 'fixed_ips' | 'attached_at'>> & {
  project_id: string
  /** Undefined: one address of each version; empty: none. */
  fixed_ips?: AddressAsk[]
}

const macTriesMax = 8
let attached = 0

/** Later calls give larger numbers, also within one millisecond. */
export const attachOrder = (parts: NeutronParts): number => parts.clock.now() * 1000 + (attached++ % 1000)

/** Ports of the network itself are nobody's quota. */
export const isCounted = (port: Pick<Port, 'device_owner' | 'project_id'>): boolean =>
  port.project_id !== '' && port.device_owner !== 'network:dhcp'

const blank = (parts: NeutronParts, network: Network, asked: NewPort): Port => ({
  ...born(parts, asked.id ?? uuid(), asked.project_id),
  name: '',
  network_id: network.id,
  mac_address: '',
  admin_state_up: true,
  status: 'DOWN',
  device_id: '',
  device_owner: '',
  security_groups: [],
  allowed_address_pairs: [],
  port_security_enabled: network.port_security_enabled,
  host: '',
  vnic_type: 'normal',
  profile: {},
  extra_dhcp_opts: [],
  dns_name: '',
  sandbox: null,
  device_tag: '',
  adopted: false,
  ...asked,
  fixed_ips: [],
  attached_at: attachOrder(parts),
})

export const portMake = async (
  parts: NeutronParts,
  tx: Tx,
  network: Network,
  asked: NewPort,
  subnets?: Subnet[],
): Promise<Port> => {
  const port = await insertWithMac(tx, blank(parts, network, asked), asked.mac_address)
  if (isCounted(port)) await charge(parts, tx, 'ports', port)
  const taker = { portId: port.id, networkId: network.id, mac: port.mac_address, deviceOwner: port.device_owner }
  port.fixed_ips = await addressesAllocate(
    tx,
    taker,
    asked.fixed_ips,
    subnets ?? (await subnetsOfNetwork(tx, network.id)),
  )
  await tx
    .as<any>()
    .updateTable('neutron_port')
    .set({ fixed_ips: JSON.stringify(port.fixed_ips) })
    .where('id', '=', port.id)
    .execute()
  await membershipsSet(tx, port.id, port.security_groups, true)
  portChanged(tx, port)
  return port
}

const insertWithMac = async (tx: Tx, port: Port, asked: string | undefined): Promise<Port> => {
  for (let tries = 0; tries < macTriesMax; tries++) {
    const candidate = { ...port, mac_address: asked ?? macFromBytes(dice(3)) }
    if (await insertIfFree(tx, portKind, candidate)) return candidate
    if (asked !== undefined) throw macTaken(asked, port.network_id)
  }
  throw new Error(`Network ${port.network_id} gave no free MAC address in ${macTriesMax} tries`)
}

export interface PortChange {
  fields: Partial<Port>
  fixedIps?: AddressAsk[]
}

/** Addresses that stay are kept, the others let go, new ones taken. */
export const portChange = async (parts: NeutronParts, tx: Tx, port: Port, change: PortChange): Promise<Port> => {
  const fields = { ...change.fields }
  if (change.fixedIps) fields.fixed_ips = await readdress(tx, { ...port, ...fields }, port.fixed_ips, change.fixedIps)
  if (fields.security_groups) await membershipsSet(tx, port.id, fields.security_groups)
  const after = await update(tx, portKind, port, fields, parts.clock.now())
  // The host that a port leaves has to be told as well as the one it comes to.
  portChanged(tx, port.host === '' ? after : port)
  return after
}

const readdress = async (tx: Tx, port: Port, before: FixedIp[], asks: AddressAsk[]): Promise<FixedIp[]> => {
  const subnets = await subnetsOfNetwork(tx, port.network_id)
  const automatic = new Set(subnets.filter(isAutomatic).map(({ id }) => id))
  const free = [...before]
  const kept = asks.map((ask) => {
    const at = free.findIndex(
      (have) =>
        (ask.subnet_id ?? have.subnet_id) === have.subnet_id &&
        (ask.ip_address === undefined
          ? automatic.has(have.subnet_id) || ask.subnet_id !== undefined
          : ask.ip_address === have.ip_address),
    )
    return at < 0 ? undefined : free.splice(at, 1)[0]
  })
  await addressesRelease(tx, port.id, free)
  await floatingLetGo(
    tx,
    port.id,
    free.map(({ ip_address }) => ip_address),
  )
  const taker = { portId: port.id, networkId: port.network_id, mac: port.mac_address, deviceOwner: port.device_owner }
  const result: FixedIp[] = []
  for (const [at, ask] of asks.entries())
    result.push(kept[at] ?? (await addressesAllocate(tx, taker, [ask], subnets))[0]!)
  return result
}

/** Floating IPs and forwardings that end at an address lose their end with it. */
const floatingLetGo = async (tx: Tx, portId: string, addresses: string[]): Promise<void> => {
  if (addresses.length === 0) return
  const db = tx.as<any>()
  await db
    .updateTable('neutron_floatingip')
    .set({ port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN' })
    .where('port_id', '=', portId)
    .where('fixed_ip_address', 'in', addresses)
    .execute()
  const ended = await db
    .deleteFrom('neutron_port_forwarding')
    .where('internal_port_id', '=', portId)
    .where('internal_ip_address', 'in', addresses)
    .returning('floatingip_id')
    .execute()
  if (ended.length === 0) return
  // A floating IP whose last forwarding ended needs its router no more.
  await db
    .updateTable('neutron_floatingip')
    .set({ router_id: null, status: 'DOWN' })
    .where('port_id', 'is', null)
    .where(
      'id',
      'in',
      ended.map(({ floatingip_id }) => floatingip_id),
    )
    .where('id', 'not in', db.selectFrom('neutron_port_forwarding').select('floatingip_id'))
    .execute()
}

/** Idempotent. Floating IPs and forwardings that end at the port let go of it. */
export const portDrop = async (parts: NeutronParts, tx: Tx, port: Port): Promise<void> => {
  await floatingLetGo(
    tx,
    port.id,
    port.fixed_ips.map(({ ip_address }) => ip_address),
  )
  if (!(await remove(tx, portKind, port.id))) return
  if (isCounted(port)) await refund(parts, tx, 'ports', port)
  portChanged(tx, port)
}

/** Hosts need not look up for a port that is on none of them yet. */
const portChanged = (tx: Tx, port: Port): void => {
  if (port.host !== '' || port.device_owner.startsWith('network:')) changed(tx, 'port', port.id)
  else tx.emit('neutron.port.changed', { id: port.id })
}
