/** What quota's reclaim does to one server: a warning that its owner can see, and at the deadline its end or rest. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { requestId } from '#platform/ids/ids.ts'
import type { VmState } from '../states/server-state.ts'
import { actionFinish, actionInsert, actionTell } from '../store/actions.ts'
import { parkedCount, parkedDelete, parkedFetch, parkedInsert } from '../store/parked.ts'
import { reclaimDelete, reclaimFetch, reclaimInsert } from '../store/reclaims.ts'
import { serverFetch, serverTagsReplace } from '../store/servers.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { giveBack, parkedTag, subjectsOf } from './parking.ts'
import { claimantOf, faultOf, mayRest, noticeFor, restOf, together, warningOf } from './preemption-words.ts'
import type { Notice } from './preemption-words.ts'
import { preemptibleTag, serverOfSubject } from './quota-words.ts'
import type { ServerChanges } from './server-changes.ts'
import type { Actor, OrderStep, ServerOrders } from './server-orders.ts'
import { tagsMax } from './server-settings.ts'

/** What must happen to a server before it can be stopped; absent: it is not possible as it is. */
const wayToStop = {
  active: { name: 'stop', order: { do: 'stop' } },
  error: { name: 'stop', order: { do: 'stop' } },
  paused: { name: 'unpause', order: { do: 'unpause' } },
  suspended: { name: 'resume', order: { do: 'resume' } },
} as const satisfies Partial<Record<VmState, OrderStep>>

const wayOf = (state: VmState): OrderStep | undefined =>
  (state in wayToStop ? wayToStop[state as keyof typeof wayToStop] : undefined)

interface WarningEnd {
  tag: string | null
  details: string
  message?: string
}

export class Preemption {
  readonly #parts: NovaParts
  readonly #orders: ServerOrders
  readonly #changes: Pick<ServerChanges, 'confirmResize'>
  constructor(parts: NovaParts, orders: ServerOrders, changes: Pick<ServerChanges, 'confirmResize'>) {
    this.#parts = parts
    this.#orders = orders
    this.#changes = changes
  }

  /** Servers that were given notice, the most urgent first; each once, by its earliest deadline. */
  async notices(): Promise<Notice[]> {
    const each = new Map<string, Notice>()
    for (const notice of await this.#parts.facades.quota.notices()) {
      const serverId = serverOfSubject(notice.subject)
      if (serverId) each.set(serverId, together(each.get(serverId), noticeFor(serverId, notice)))
    }
    return [...each.values()]
  }

  /** Idempotent. Does nothing when the notice was withdrawn meanwhile. */
  warn(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const [notice, server] = [await this.#standing(tx, serverId), await serverFetch(tx, serverId)]
      if (notice && server && !server.deleted) await this.#warn(tx, server, notice)
    })
  }

  /** The warning no longer holds, because its notice was withdrawn or moved, or because the server is gone. */
  settle(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const [notice, warning] = [await this.#standing(tx, serverId), await reclaimFetch(tx, serverId)]
      const server = await serverFetch(tx, serverId)
      const stays = server !== undefined && !server.deleted
      if (!warning || (stays && notice?.deadlineAt === warning.deadline_at)) return
      if (stays) return this.#endWarning(tx, server, { tag: null, details: 'The notice was withdrawn.' })
      await actionFinish(tx, warning.action_id, {
        result: 'Success', at: this.#parts.clock.now(), host: server?.host ?? null, details: 'The server is gone.',
      })
      await reclaimDelete(tx, serverId)
    })
  }

  /**
   * Stops or deletes the server if its notice still stands and is due; what it held is free when its container has
   * ended. A server that must be left alone for now (it is being built) is looked at again.
   */
  async end(serverId: string): Promise<void> {
    const server = await serverFetch(this.#parts.db, serverId)
    if (!server || server.deleted) return
    const notice = await this.#standing(this.#parts.db, serverId)
    if (!notice || notice.deadlineAt > this.#parts.clock.now()) return
    const parks = mayRest(notice) && await this.#hasRoomToPark(server)
    if (parks && server.vmState === 'resized' && server.taskState === null) {
      return this.#changes.confirmResize(actorFor(server), server)
    }
    await this.#parts.db.transaction((tx) => this.#end(tx, serverId, parks))
  }

  async #end(tx: Tx, serverId: string, parks: boolean): Promise<void> {
    const [notice, server] = [await this.#standing(tx, serverId), await serverFetch(tx, serverId)]
    if (!notice || !server || server.deleted || server.taskState === 'deleting') return
    const actionId = await this.#warn(tx, server, notice)
    if (parks) return this.#rest(tx, server, notice)
    const fault = faultOf(notice, this.#parts.clock.now())
    await actionTell(tx, actionId, fault.message)
    await this.#orders.give(tx, actorFor(server), serverId, () =>
      ({ name: 'delete', order: { do: 'delete' }, change: { fault } }))
  }

  /** One step on the way to a stopped container; nothing while another order is under way. Who rests gives up more. */
  async #rest(tx: Tx, server: Server, notice: Notice): Promise<void> {
    if (server.taskState !== null) return
    if (((await parkedFetch(tx, server.id))?.released ?? 0) > 0) return this.#giveUp(tx, server, notice)
    const way = wayOf(server.vmState)
    if (way) await this.#orders.give(tx, actorFor(server), server.id, () => way)
    if (way?.name === 'stop' || server.vmState === 'stopped') await parkedInsert(tx, server.id)
  }

  /** A project may keep as many servers that nobody counts as it may have of those that are counted. */
  async #hasRoomToPark({ projectId }: Server): Promise<boolean> {
    const { instances = -1 } = await this.#parts.facades.quota.limits(projectId)
    return instances === -1 || await parkedCount(this.#parts.db, projectId) < instances
  }

  /**
   * The server has stopped: quota gets back what it held. If the notice was withdrawn meanwhile, it keeps it. If it did
   * not stop, its notice has it stopped again.
   */
  park(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const [notice, server] = [await this.#standing(tx, serverId), await serverFetch(tx, serverId)]
      const parked = await parkedFetch(tx, serverId)
      if (!parked || parked.released > 0) return
      if (server && !server.deleted && server.taskState !== null) return
      if (!notice || !server || server.deleted || server.vmState !== 'stopped') return parkedDelete(tx, serverId)
      await this.#giveUp(tx, server, notice)
    })
  }

  async #giveUp(tx: Tx, server: Server, notice: Notice): Promise<void> {
    await giveBack(this.#parts, tx, server, notice.wanted)
    const details = `${claimantOf(notice)} The server was stopped and gave back what it held.`
    await this.#endWarning(tx, server, { tag: parkedTag, details, message: restOf(notice) })
  }

  /** The parked server is gone, and the row with it. */
  forget(serverId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const server = await serverFetch(tx, serverId)
      if (!server || server.deleted) await parkedDelete(tx, serverId)
    })
  }

  async #endWarning(tx: Tx, server: Server, { tag, details, message }: WarningEnd): Promise<void> {
    const warning = await reclaimFetch(tx, server.id)
    if (!warning) return
    if (message) await actionTell(tx, warning.action_id, message)
    const at = this.#parts.clock.now()
    const others = server.tags.filter((one) => one !== preemptibleTag && one !== tag)
    if (warning.tagged) await serverTagsReplace(tx, server.id, tag ? [...others, tag] : others, at)
    await actionFinish(tx, warning.action_id, { result: 'Success', at, host: server.host, details })
    await reclaimDelete(tx, server.id)
  }

  async #standing(executor: Executor, serverId: string): Promise<Notice | undefined> {
    const { running, disk } = await subjectsOf(executor, serverId)
    let standing: Notice | undefined
    for (const subject of [...running, ...disk]) {
      const notice = await this.#parts.facades.quota.noticeOf(executor, subject)
      if (notice) standing = together(standing, noticeFor(serverId, notice))
    }
    return standing
  }

  /** The action that says so, written once. */
  async #warn(tx: Tx, server: Server, notice: Notice): Promise<number> {
    const warning = await reclaimFetch(tx, server.id)
    if (warning) return warning.action_id
    const { userId, requestId, projectId } = actorFor(server)
    const now = this.#parts.clock.now()
    const actionId = await actionInsert(tx, {
      serverId: server.id, action: 'reclaim', event: 'quota_reclaim', requestId, userId, projectId, generation: null,
      host: server.host, message: warningOf(notice), details: claimantOf(notice), result: null, startedAt: now,
      finishedAt: null,
    })
    // A tag that its owner set stays theirs, and a full list is left alone: the action says the same.
    const tagged = !server.tags.includes(preemptibleTag) && server.tags.length < tagsMax
    if (tagged) await serverTagsReplace(tx, server.id, [...server.tags, preemptibleTag], now)
    await reclaimInsert(tx, {
      server_id: server.id, action_id: actionId, deadline_at: notice.deadlineAt, tagged: tagged ? 1 : 0,
    })
    return actionId
  }
}

/** The cloud itself, past the locks that bind users. */
const actorFor = (server: Server): Actor =>
  ({ requestId: requestId(), userId: 'quaystone', projectId: server.projectId, isAdmin: true })
