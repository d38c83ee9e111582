/** Changes that do not touch a server's container: names, metadata, tags, locks, groups, forced states. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { serverFetch, serverTagsReplace, serverUpdate } from '../store/servers.ts'
import { assertOrder } from '../states/orders.ts'
import { CreateChecks } from './create-checks.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { actionWords } from './server-orders.ts'
import type { ServerOrders } from './server-orders.ts'
import { serverMissing } from './server-reader.ts'

export const tagsMax = 50

export interface ServerUpdate {
  name?: string
  description?: string | null
  hostname?: string
  accessIpV4?: string | null
  accessIpV6?: string | null
  diskConfig?: 'AUTO' | 'MANUAL'
}

export class ServerSettings {
  readonly #parts: NovaParts
  readonly #orders: ServerOrders
  readonly #checks: CreateChecks
  constructor(parts: NovaParts, orders: ServerOrders) {
    this.#parts = parts
    this.#orders = orders
    this.#checks = new CreateChecks(parts)
  }

  update(server: Server, update: ServerUpdate): Promise<Server> {
    return this.#change(server.id, async (tx, now) => {
      if (update.name !== undefined && update.name !== now.name) await this.#parts.facades.workloads.rename(
        tx, server.id, update.name,
      )
      return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined))
    })
  }

  /** Adds items; an existing key takes the new value. */
  async metadataMerge(
    caller: RequestContext, server: Server, items: Record<string, string>,
  ): Promise<Record<string, string>> {
    return this.#metadata(caller, server, (before) => ({ ...before, ...items }))
  }

  async metadataReplace(
    caller: RequestContext, server: Server, items: Record<string, string>,
  ): Promise<Record<string, string>> {
    return this.#metadata(caller, server, () => items)
  }

  async metadataDelete(caller: RequestContext, server: Server, key: string): Promise<void> {
    await this.#metadata(caller, server, (before) => {
      if (!(key in before)) throw notFound('Metadata item was not found')
      const { [key]: _, ...rest } = before
      return rest
    })
  }

  async #metadata(
    caller: RequestContext, server: Server, next: (before: Record<string, string>) => Record<string, string>,
  ): Promise<Record<string, string>> {
    const changed = await this.#change(server.id, async (_, now) => {
      assertOrder('updateMetadata', now, caller)
      const metadata = next(now.metadata)
      await this.#checks.amounts(server, { metadata, personality: [] })
      return { metadata }
    })
    return changed.metadata
  }

  async tagsReplace(caller: RequestContext, server: Server, tags: string[]): Promise<string[]> {
    const unique = [...new Set(tags)]
    if (unique.length > tagsMax) throw badRequest(
      `The number of tags exceeded the per-server limit ${tagsMax}`, { asked: unique.length, limit: tagsMax },
    )
    await this.#parts.db.transaction(async (tx) => {
      const now = await this.#read(tx, server.id)
      assertOrder('updateTags', now, caller)
      await serverTagsReplace(tx, server.id, unique, this.#parts.clock.now())
    })
    return unique
  }

  /** False: the server had the tag already. */
  async tagAdd(caller: RequestContext, server: Server, tag: string): Promise<boolean> {
    if (server.tags.includes(tag)) return false
    await this.tagsReplace(caller, server, [...server.tags, tag])
    return true
  }

  async tagDelete(caller: RequestContext, server: Server, tag: string): Promise<void> {
    if (!server.tags.includes(tag)) throw notFound(`Server ${server.id} has no tag '${tag}'`)
    await this.tagsReplace(caller, server, server.tags.filter((one) => one !== tag))
  }

  async lock(caller: RequestContext, server: Server, reason: string | null): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const now = await this.#read(tx, server.id)
      const lockedBy = caller.isAdmin && caller.projectId !== now.projectId ? 'admin' : 'owner'
      await serverUpdate(tx, server.id, { lockedBy, lockedReason: reason, updatedAt: this.#parts.clock.now() })
      await this.#orders.record(tx, caller, now, { ...actionWords.lock, generation: null, finished: true })
    })
  }

  async unlock(caller: RequestContext, server: Server): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const now = await this.#read(tx, server.id)
      if (now.lockedBy === 'admin') caller.enforce(
        'os_compute_api:os-lock-server:unlock:unlock_override', { project_id: now.projectId },
      )
      await serverUpdate(tx, server.id, { lockedBy: null, lockedReason: null, updatedAt: this.#parts.clock.now() })
      await this.#orders.record(tx, caller, now, { ...actionWords.unlock, generation: null, finished: true })
    })
  }

  /** An administrator's word on the state: `error` stands until the next order, `active` ends whatever is stuck. */
  async resetState(caller: RequestContext, server: Server, state: 'active' | 'error'): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const now = await this.#read(tx, server.id)
      assertOrder('resetState', now, caller)
      await serverUpdate(tx, server.id, {
        vmState: state, taskState: null, forcedState: state === 'error' ? 'error' : null,
        updatedAt: this.#parts.clock.now(),
        ...(state === 'active' && { fault: null }),
      })
      await this.#orders.record(tx, caller, now, { ...actionWords.resetState, generation: null, finished: true })
    })
  }

  /** Refuses with Nova's words what only a running container has. */
  assertPlaced(server: Server): void {
    if (server.vmState === 'building' || !server.host) throw conflict(`Instance ${server.id} is not ready`)
  }

  async #read(tx: Tx, id: string): Promise<Server> {
    const server = await serverFetch(tx, id)
    if (!server || server.deleted) throw serverMissing(id)
    return server
  }

  #change(id: string, changeOf: (tx: Tx, now: Server) => Promise<Partial<Server>>): Promise<Server> {
    return this.#parts.db.transaction(async (tx) => {
      const now = await this.#read(tx, id)
      const change = { ...(await changeOf(tx, now)), updatedAt: this.#parts.clock.now() }
      await serverUpdate(tx, id, change)
      return { ...now, ...change }
    })
  }
}
