/** The rules of server groups. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { forbidden, isRefusal, notFound } from '#platform/errors/errors.ts'
import { isUuid, uuid } from '#platform/ids/ids.ts'
import * as store from '../store/server-groups.ts'
import type { ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'
import { groupSubject } from './quota-words.ts'

const missing = (id: string) => notFound(`Instance group ${id} could not be found.`)

export class ServerGroups {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  async create(caller: RequestContext, draft: Pick<ServerGroup, 'name' | 'policy' | 'rules'>): Promise<ServerGroup> {
    const group: ServerGroup = {
      ...draft, id: uuid(), projectId: caller.projectId, userId: caller.userId, members: [],
      createdAt: this.#parts.clock.now(),
    }
    await this.#parts.db.transaction(async (tx) => {
      await this.#charge(tx, group)
      await store.serverGroupInsert(tx, group)
    })
    return group
  }

  async fetch(caller: RequestContext, id: string): Promise<ServerGroup> {
    const group = isUuid(id) ? await store.serverGroupFetch(this.#parts.db, id) : undefined
    if (!group || (group.projectId !== caller.projectId && !caller.isAdmin)) throw missing(id)
    return group
  }

  list(
    caller: RequestContext, asked: { allProjects: boolean; limit?: number; offset?: number },
  ): Promise<ServerGroup[]> {
    const { allProjects, ...page } = asked
    return store.serverGroupsList(this.#parts.db, { ...page, ...(!allProjects && { projectId: caller.projectId }) })
  }

  async delete(caller: RequestContext, id: string): Promise<void> {
    const { projectId } = await this.fetch(caller, id)
    await this.#parts.db.transaction(async (tx) => {
      await store.serverGroupDelete(tx, id)
      await this.#parts.facades.quota.release(tx, { projectId, subject: groupSubject(id) })
    })
  }

  async #charge(tx: Tx, { id, projectId }: ServerGroup): Promise<void> {
    const charge = { projectId, deltas: { server_groups: 1 }, subject: groupSubject(id), started: true }
    try {
      await this.#parts.facades.quota.reserve(tx, charge)
    } catch (error) {
      if (!isRefusal(error) || error.kind !== 'overLimit') throw error
      throw forbidden(`Quota exceeded, too many server groups. ${error.message}`, error.details, error)
    }
  }
}
