/** The rules of server groups. */
import type { RequestContext } from '#platform/auth/context.ts'
import { notFound, forbidden } from '#platform/errors/errors.ts'
import { isUuid, uuid } from '#platform/ids/ids.ts'
import * as store from '../store/server-groups.ts'
import type { ServerGroup } from './model.ts'
import type { NovaParts } from './parts.ts'

const missing = (id: string) => notFound(`Instance group ${id} could not be found.`)

export class ServerGroups {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  async create(caller: RequestContext, draft: Pick<ServerGroup, 'name' | 'policy' | 'rules'>): Promise<ServerGroup> {
    const limit = (await this.#parts.facades.quota.limits(caller.projectId)).server_groups ?? 10
    const used = (await store.serverGroupsList(this.#parts.db, { projectId: caller.projectId })).length
    if (limit >= 0 && used >= limit) throw forbidden('Quota exceeded, too many server groups.', {
      resource: 'server_groups', used, limit, asked: 1,
    })
    const group: ServerGroup = {
      ...draft, id: uuid(), projectId: caller.projectId, userId: caller.userId, members: [],
      createdAt: this.#parts.clock.now(),
    }
    await this.#parts.db.transaction((tx) => store.serverGroupInsert(tx, group))
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
    await this.fetch(caller, id)
    await this.#parts.db.transaction((tx) => store.serverGroupDelete(tx, id))
  }
}
