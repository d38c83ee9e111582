/** The network's own port: its addresses are where resolver and metadata service listen inside the network. */
import type { Tx } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { portKind } from '../store/kinds.ts'
import { equals, list } from '../store/records.ts'
import type { Network, Port, Subnet } from '../store/tables.ts'
import type { NeutronParts } from './parts.ts'
import { portChange, portDrop, portMake } from './port-maker.ts'

const owner = 'network:dhcp'

const find = async (tx: Tx, networkId: string): Promise<Port | undefined> =>
  (
    await list(tx, portKind, {
      conditions: [equals('network_id', networkId), equals('device_owner', owner)],
      limit: 1,
    })
  )[0]

/** Gives the network's port an address in the subnet. A full subnet has none: its servers do without. */
export const dhcpPortEnsure = async (
  parts: NeutronParts,
  tx: Tx,
  network: Network,
  subnet: Subnet,
): Promise<void> => {
  if (network.external || subnet.ip_version !== 4) return
  const port = await find(tx, network.id)
  if (port?.fixed_ips.some(({ subnet_id }) => subnet_id === subnet.id)) return
  const fixedIps = [...(port?.fixed_ips ?? []), { subnet_id: subnet.id }]
  try {
    if (port) await portChange(parts, tx, port, { fields: {}, fixedIps })
    else {
      await portMake(
        parts,
        tx,
        network,
        {
          project_id: network.project_id,
          device_owner: owner,
          device_id: `dhcp-${network.id}`,
          fixed_ips: fixedIps,
          status: 'ACTIVE',
          port_security_enabled: false,
        },
        [subnet],
      )
    }
  } catch (error) {
    if (!isRefusal(error) || error.details.type !== 'IpAddressGenerationFailure') throw error
    parts.log.info({ subnetId: subnet.id }, "The subnet has no address left for the network's own services")
  }
}

export const dhcpPortLeave = async (parts: NeutronParts, tx: Tx, subnet: Subnet): Promise<void> => {
  const port = await find(tx, subnet.network_id)
  if (!port) return
  const fixedIps = port.fixed_ips.filter(({ subnet_id }) => subnet_id !== subnet.id)
  if (fixedIps.length === port.fixed_ips.length) return
  if (fixedIps.length > 0) await portChange(parts, tx, port, { fields: {}, fixedIps })
  else await portDrop(parts, tx, port)
}
