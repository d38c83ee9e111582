/** What other services change on a port that lives: its security groups and its addresses. */
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { portKind, securityGroupKind } from '../store/kinds.ts'
import { fetch, fetchMany } from '../store/records.ts'
import type { Port } from '../store/tables.ts'
import { fixedIpsMax } from './ipam.ts'
import type { NeutronParts } from './parts.ts'
import { portChange } from './port-maker.ts'
import { missing } from './refusals.ts'

const portFetched = async (tx: Tx, id: string): Promise<Port> => {
  const port = await fetch(tx, portKind, id)
  if (port) return port
  throw missing(portKind, id)
}

/** Nothing is written when the port has the added groups and lacks the removed ones already. */
export const portGroupsChange = async (
  parts: NeutronParts,
  tx: Tx,
  portId: string,
  { add = [], remove = [] }: { add?: string[]; remove?: string[] },
): Promise<void> => {
  const port = await portFetched(tx, portId)
  const fresh = [...new Set(add)].filter((id) => !port.security_groups.includes(id))
  const kept = port.security_groups.filter((id) => !remove.includes(id))
  if (fresh.length === 0 && kept.length === port.security_groups.length) return
  if (!port.port_security_enabled && fresh.length > 0) throw unguarded(portId)
  const known = new Set((await fetchMany(tx, securityGroupKind, fresh)).map(({ id }) => id))
  const unknown = fresh.find((id) => !known.has(id))
  if (unknown !== undefined) throw missing(securityGroupKind, unknown)
  await portChange(parts, tx, port, { fields: { security_groups: [...kept, ...fresh] } })
}

const unguarded = (portId: string) =>
  conflict(`Port ${portId} has port security switched off: it cannot have security groups.`, {
    type: 'PortSecurityAndIPRequiredForSecurityGroups',
  })

/** One more address, from the first subnet of the port's network that has one left. */
export const portAddressAdd = async (parts: NeutronParts, tx: Tx, portId: string): Promise<Port> => {
  const port = await portFetched(tx, portId)
  if (port.fixed_ips.length >= fixedIpsMax)
    throw badRequest(`Exceeded maximum amount of fixed ips per port: at most ${fixedIpsMax}.`, {
      type: 'InvalidInput',
    })
  return portChange(parts, tx, port, { fields: {}, fixedIps: [...port.fixed_ips, {}] })
}

/** Takes an address off; what led to it lets go. */
export const portAddressRemove = async (parts: NeutronParts, tx: Tx, portId: string, ip: string): Promise<Port> => {
  const port = await portFetched(tx, portId)
  const kept = port.fixed_ips.filter(({ ip_address }) => ip_address !== ip)
  if (kept.length === port.fixed_ips.length)
    throw notFound(`Port ${portId} does not have the address ${ip}.`, { type: 'InvalidIpForNetwork' })
  return portChange(parts, tx, port, { fields: {}, fixedIps: kept })
}
