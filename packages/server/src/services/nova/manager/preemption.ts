/** What quota's reclaim does to one server: a warning that its owner can see, and at the deadline its end. */
import { isoSeconds } from '#platform/clock/clock.ts'
import type { Tx } from '#platform/db/database.ts'
import { requestId } from '#platform/ids/ids.ts'
import { actionFinish, actionInsert } from '../store/actions.ts'
import { reclaimDelete, reclaimFetch, reclaimInsert } from '../store/reclaims.ts'
import { serverFetch, serverTagsReplace } from '../store/servers.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { serverOfSubject } from './quota-words.ts'
import type { Actor, ServerOrders } from './server-orders.ts'
import { tagsMax } from './server-settings.ts'

/** Worn while a notice stands, so that clients find who is about to go by `?tags=preemptible`. */
export const warningTag = 'preemptible'

/** A server that must give back what it holds, and when. */
export interface Notice { serverId: string; deadlineAt: number }

const warningOf = (deadlineAt: number): string =>
  'Quota takes back capacity that this project only borrowed: '
  + `the server is deleted after ${isoSeconds(deadlineAt)} unless the notice is withdrawn.`

export class Preemption {
  readonly #parts: NovaParts
  readonly #orders: ServerOrders
  constructor(parts: NovaParts, orders: ServerOrders) {
    this.#parts = parts
    this.#orders = orders
  }

  /** Servers that were given notice, the most urgent first; each once, by its earliest deadline. */
  async notices(): Promise<Notice[]> {
    const earliest = new Map<string, Notice>()
    for (const { subject, deadlineAt } of await this.#parts.facades.quota.notices()) {
      const serverId = serverOfSubject(subject)
      const known = serverId && earliest.get(serverId)
      if (serverId && (!known || deadlineAt < known.deadlineAt)) earliest.set(serverId, { serverId, deadlineAt })
    }
    return [...earliest.values()]
  }

  /** Idempotent. Does nothing when the notice was withdrawn meanwhile. */
  warn(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const [notice, server] = [await this.#standing(serverId), await serverFetch(tx, serverId)]
      if (notice && server && !server.deleted) await this.#warn(tx, server, notice)
    })
  }

  /** The warning no longer holds, because its notice was withdrawn or moved, or because the server is gone. */
  settle(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const [notice, warning] = [await this.#standing(serverId), await reclaimFetch(tx, serverId)]
      const server = await serverFetch(tx, serverId)
      const stays = server !== undefined && !server.deleted
      if (!warning || (stays && notice?.deadlineAt === warning.deadline_at)) return
      const at = this.#parts.clock.now()
      if (stays && warning.tagged) await serverTagsReplace(
        tx, serverId, server.tags.filter((tag) => tag !== warningTag), at,
      )
      await actionFinish(tx, warning.action_id, {
        result: 'Success', at, host: server?.host ?? null,
        details: stays ? 'The notice was withdrawn.' : 'The server is gone.',
      })
      await reclaimDelete(tx, serverId)
    })
  }

  /**
   * Deletes the server if its notice still stands and is due; what it held is free when its container is gone. It is
   * deleted, not stopped: a stopped server keeps its claim.
   */
  end(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const [notice, server] = [await this.#standing(serverId), await serverFetch(tx, serverId)]
      if (!notice || notice.deadlineAt > this.#parts.clock.now()) return
      if (!server || server.deleted || server.taskState === 'deleting') return
      await this.#warn(tx, server, notice)
      await this.#orders.give(tx, actorFor(server), serverId, () => ({ name: 'delete', order: { do: 'delete' } }))
    })
  }

  async #standing(serverId: string): Promise<Notice | undefined> {
    return (await this.notices()).find((notice) => notice.serverId === serverId)
  }

  async #warn(tx: Tx, server: Server, { deadlineAt }: Notice): Promise<void> {
    if (await reclaimFetch(tx, server.id)) return
    const { userId, requestId, projectId } = actorFor(server)
    const now = this.#parts.clock.now()
    const actionId = await actionInsert(tx, {
      serverId: server.id, action: 'reclaim', event: 'quota_reclaim', requestId, userId, projectId, generation: null,
      host: server.host, message: warningOf(deadlineAt), result: null, details: null, startedAt: now, finishedAt: null,
    })
    // A tag that its owner set stays theirs, and a full list is left alone: the action says the same.
    const tagged = !server.tags.includes(warningTag) && server.tags.length < tagsMax
    if (tagged) await serverTagsReplace(tx, server.id, [...server.tags, warningTag], now)
    await reclaimInsert(tx, {
      server_id: server.id, action_id: actionId, deadline_at: deadlineAt, tagged: tagged ? 1 : 0,
    })
  }
}

/** The cloud itself, past the locks that bind users. */
const actorFor = (server: Server): Actor =>
  ({ requestId: requestId(), userId: 'quaystone', projectId: server.projectId, isAdmin: true })
