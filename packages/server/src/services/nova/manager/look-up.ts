/** Nova's facade over its stores. */
import type { PortInfo } from '#services/neutron/facade.ts'
import type { NovaFacade, ServerInfo } from '../facade.ts'
import { flavorFetch } from '../store/flavors.ts'
import { keypairFetch } from '../store/keypairs.ts'
import { serversByIds } from '../store/servers.ts'
import { passwordInsert } from '../store/server-passwords.ts'
import { statusOf } from '../states/server-state.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { serverRecordFetch } from './server-record.ts'

const addressesOf = (ports: PortInfo[]): ServerInfo['addresses'] => ports.flatMap((port) => [
  ...port.fixedIps.map(({ ip, version }) => ({ network: port.networkName, ip, version, floating: false })),
  ...port.floatingIps.map(
    ({ address }) => ({ network: port.networkName, ip: address, version: 4 as const, floating: true }),
  ),
])

const infoOf = (server: Server, ports: PortInfo[]): ServerInfo => ({
  id: server.id, projectId: server.projectId, name: server.name, status: statusOf(server.vmState, server.taskState),
  addresses: addressesOf(ports), fault: server.fault && { code: server.fault.code, message: server.fault.message },
})

export const lookUp = (parts: NovaParts): NovaFacade => {
  const serversFetchMany: NovaFacade['serversFetchMany'] = async (ids) => {
    const [servers, ports] = await Promise.all([serversByIds(parts.db, ids), parts.facades.neutron.portsOfMany(ids)])
    return new Map([...servers].map(([id, server]) => [id, infoOf(server, ports.get(id) ?? [])]))
  }
  return {
    serversFetchMany,
    serverFetch: async (id) => (await serversFetchMany([id])).get(id),
    serverRecordFetch: (id) => serverRecordFetch(parts, id),
    passwordSet: (id, password) => passwordInsert(parts.db, id, password),
    flavorFetch: (id) => flavorFetch(parts.db, id),
    keypairFetch: (userId, name) => keypairFetch(parts.db, userId, name),
  }
}
