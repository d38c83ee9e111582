/** What servers and their groups hold of quota by Nova's own account, so that quota can be recounted from it. */
import type { Executor } from '#platform/db/database.ts'
import type { Amounts, HeldByRow, QuotaOwner } from '#services/quota/facade.ts'
import { hasWorkload } from '../states/server-state.ts'
import { parkedFetch } from '../store/parked.ts'
import { serverGroupFetch, serverGroupsAfter } from '../store/server-groups.ts'
import { serverFetch, serverIdsAlive } from '../store/servers.ts'
import type { Flavor, Server, ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import { parkedAmounts } from './parking.ts'
import { amountsOf, diskOf, diskSubject, groupSubject, serverSubject, termsOf } from './quota-words.ts'

type Measure = (flavor: Flavor) => Amounts

/** A resize that nobody has confirmed holds what either flavor needs. */
const heldBy = ({ flavor, oldFlavor }: Server, measure: Measure): Record<string, number> => {
  const [now, before] = [measure(flavor), measure(oldFlavor ?? flavor)]
  return Object.fromEntries(Object.keys(now).map((name) => [name, Math.max(now[name]!, before[name]!)]))
}

const running = async (executor: Executor, server: Server): Promise<HeldByRow> => {
  const parked = await parkedFetch(executor, server.id),
    held = heldBy(server, amountsOf)
  // One that waits is counted when it is granted, a little before it has a workload; one that waited in vain never.
  return {
    ...{ key: server.id, projectId: server.projectId, amounts: parked ? parkedAmounts(held, parked) : held },
    ...{ mayBeFree: !hasWorkload(server), ...termsOf(server) },
  }
}

/** Counted with the workload, and kept whether it runs or not. */
const disk = async (_: Executor, server: Server): Promise<HeldByRow> => {
  const amounts = hasWorkload(server) ? heldBy(server, (flavor) => ({ disk: diskOf(flavor) })) : {}
  return { key: server.id, projectId: server.projectId, amounts, ...termsOf(server) }
}

type Look = (executor: Executor, server: Server) => Promise<HeldByRow>

const ofServers = (db: Executor, prefix: string, look: Look): QuotaOwner => {
  const lookAlive: QuotaOwner['look'] = async (executor, id) => {
    const server = await serverFetch(executor, id)
    return server && !server.deleted ? look(executor, server) : undefined
  }
  return {
    name: 'nova',
    prefix,
    look: lookAlive,
    list: async (after, limit) => {
      const ids = await serverIdsAlive(db, after, limit)
      const rows = await Promise.all(ids.map((id) => lookAlive(db, id)))
      return rows.filter((row) => row !== undefined)
    },
  }
}

export const serversHeld = ({ db }: Pick<NovaParts, 'db'>): QuotaOwner => ofServers(db, serverSubject(''), running)
export const disksHeld = ({ db }: Pick<NovaParts, 'db'>): QuotaOwner => ofServers(db, diskSubject(''), disk)

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
