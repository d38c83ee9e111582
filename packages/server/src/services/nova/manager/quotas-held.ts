/** What servers and their groups hold of quota by Nova's own account, so that quota can be recounted from it. */
import type { Executor } from '#platform/db/database.ts'
import type { HeldByRow, QuotaOwner } from '#services/quota/facade.ts'
import { hasWorkload } from '../states/server-state.ts'
import { parkedFetch } from '../store/parked.ts'
import { serverGroupFetch, serverGroupsAfter } from '../store/server-groups.ts'
import { serverFetch, serverIdsAlive } from '../store/servers.ts'
import type { Server, ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import { parkedAmounts } from './parking.ts'
import { amountsOf, groupSubject, serverSubject } from './quota-words.ts'

/** A resize that nobody has confirmed holds what either flavor needs. */
const held = ({ flavor, oldFlavor }: Server): Record<string, number> => {
  const [now, before] = [amountsOf(flavor), amountsOf(oldFlavor ?? flavor)]
  return Object.fromEntries(Object.keys(now).map((name) => [name, Math.max(now[name]!, before[name]!)]))
}

const look = async (executor: Executor, id: string): Promise<HeldByRow | undefined> => {
  const server = await serverFetch(executor, id)
  if (!server || server.deleted) return undefined
  const parked = await parkedFetch(executor, id)
  const amounts = parked ? parkedAmounts(held(server), parked) : held(server)
  // One that waits is counted when it is granted, a little before it has a workload; one that waited in vain never.
  return { key: id, projectId: server.projectId, amounts, reclaimable: 'yes', mayBeFree: !hasWorkload(server) }
}

export const serversHeld = ({ db }: Pick<NovaParts, 'db'>): QuotaOwner => ({
  name: 'nova',
  prefix: serverSubject(''),
  look,
  list: async (after, limit) => {
    const ids = await serverIdsAlive(db, after, limit)
    const rows = await Promise.all(ids.map((id) => look(db, id)))
    return rows.filter((row) => row !== undefined)
  },
})

const groupHeld = ({ id, projectId }: Pick<ServerGroup, 'id' | 'projectId'>): HeldByRow =>
  ({ key: id, projectId, amounts: { server_groups: 1 } })

export const serverGroupsHeld = ({ db }: Pick<NovaParts, 'db'>): QuotaOwner => ({
  name: 'nova',
  prefix: groupSubject(''),
  look: async (executor, id) => {
    const group = await serverGroupFetch(executor, id)
    return group && groupHeld(group)
  },
  list: async (after, limit) => (await serverGroupsAfter(db, after, limit)).map(groupHeld),
})
