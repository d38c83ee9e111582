/** A server as its metadata service tells it of itself. */
import type { ServerRecord } from '../facade.ts'
import { passwordFetch } from '../store/server-passwords.ts'
import { serversByIds } from '../store/servers.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'

const defaultZone = 'nova'

const recordOf = (server: Server, password: string): ServerRecord => ({
  id: server.id,
  projectId: server.projectId,
  name: server.name,
  hostname: server.hostname,
  imageId: server.imageId,
  flavorName: server.flavor.name,
  zone: server.zone ?? server.pinnedZone ?? defaultZone,
  launchIndex: server.launchIndex,
  reservationId: server.reservationId,
  metadata: server.metadata,
  userData: server.userData,
  key: server.keyName && server.keyData ? { name: server.keyName, data: server.keyData } : null,
  securityGroups: server.securityGroups.map(({ name }) => name),
  password,
})

export const serverRecordFetch = async ({ db }: NovaParts, id: string): Promise<ServerRecord | undefined> => {
  const server = (await serversByIds(db, [id])).get(id)
  return server && !server.deleted ? recordOf(server, await passwordFetch(db, id)) : undefined
}
