/** Orders to one server: each is one transaction of the order at workloads, the row's task and the action record. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { WorkloadOrder } from '#services/workloads/facade.ts'
import { actionInsert } from '../store/actions.ts'
import { serverFetch, serverUpdate } from '../store/servers.ts'
import { assertOrder, orderRules } from '../states/orders.ts'
import type { OrderName } from '../states/orders.ts'
import type { TaskState } from '../states/server-state.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { unpark } from './parking.ts'
import { serverMissing } from './server-reader.ts'
import type { WaitingServers } from './waiting-servers.ts'

/** The action's name and its event's, as upstream's clients know them. */
export interface ActionWords { action: string; event: string }

const words = (action: string, event: string): ActionWords => ({ action, event })

export const actionWords = {
  start: words('start', 'compute_start_instance'),
  stop: words('stop', 'compute_stop_instance'),
  pause: words('pause', 'compute_pause_instance'),
  unpause: words('unpause', 'compute_unpause_instance'),
  suspend: words('suspend', 'compute_suspend_instance'),
  resume: words('resume', 'compute_resume_instance'),
  softReboot: words('reboot', 'compute_reboot_instance'),
  hardReboot: words('reboot', 'compute_reboot_instance'),
  rebuild: words('rebuild', 'compute_rebuild_instance'),
  resize: words('resize', 'compute_resize_instance'),
  confirmResize: words('confirmResize', 'compute_confirm_resize'),
  revertResize: words('revertResize', 'compute_revert_resize'),
  createImage: words('createImage', 'compute_snapshot_instance'),
  createBackup: words('createBackup', 'compute_backup_instance'),
  changePassword: words('changePassword', 'compute_set_admin_password'),
  attachInterface: words('attach_interface', 'compute_attach_interface'),
  detachInterface: words('detach_interface', 'compute_detach_interface'),
  attachVolume: words('attach_volume', 'compute_attach_volume'),
  detachVolume: words('detach_volume', 'compute_detach_volume'),
  resetState: words('resetState', 'api_reset_state'),
  lock: words('lock', 'api_lock'),
  unlock: words('unlock', 'api_unlock'),
  delete: words('delete', 'compute_terminate_instance'),
} as const

export interface OrderStep {
  name: OrderName & keyof typeof actionWords
  /** Absent: nothing is asked of the container. */
  order?: WorkloadOrder
  change?: Partial<Server>
  task?: TaskState
}

/** Who gives an order: a request, or the cloud itself. */
export type Actor = Pick<RequestContext, 'requestId' | 'userId' | 'projectId' | 'isAdmin'>

export class ServerOrders {
  readonly #parts: NovaParts
  readonly #waiting: Pick<WaitingServers, 'leave'>
  constructor(parts: NovaParts, waiting: Pick<WaitingServers, 'leave'>) {
    this.#parts = parts
    this.#waiting = waiting
  }

  start = (caller: RequestContext, server: Server) =>
    this.#simple(caller, server, { name: 'start', order: { do: 'start' } })
  stop = (caller: RequestContext, server: Server) =>
    this.#simple(caller, server, { name: 'stop', order: { do: 'stop' } })
  pause = (caller: RequestContext, server: Server) =>
    this.#simple(caller, server, { name: 'pause', order: { do: 'pause' } })
  unpause = (caller: RequestContext, server: Server) =>
    this.#simple(caller, server, { name: 'unpause', order: { do: 'unpause' } })
  suspend = (caller: RequestContext, server: Server) =>
    this.#simple(caller, server, { name: 'suspend', order: { do: 'suspend' } })
  resume = (caller: RequestContext, server: Server) =>
    this.#simple(caller, server, { name: 'resume', order: { do: 'resume' } })


  /** Deleting what is being deleted already is no error. */
  async delete(caller: RequestContext, server: Server): Promise<void> {
    if (server.taskState === 'deleting') return
    await this.#simple(caller, server, { name: 'delete', order: { do: 'delete' } })
  }

  reboot(caller: RequestContext, server: Server, hard: boolean): Promise<Server> {
    return this.#simple(caller, server, { name: hard ? 'hardReboot' : 'softReboot', order: { do: 'reboot', hard } })
  }

  #simple(caller: RequestContext, server: Server, step: OrderStep): Promise<Server> {
    return this.#parts.db.transaction(async (tx) => (await this.give(tx, caller, server.id, () => step)).server)
  }

  /**
   * Gives an order in the caller's transaction. The row is read again in it, so that of two orders at once the
   * second is judged by what the first left behind.
   */
  async give(
    tx: Tx, caller: Actor, id: string, stepOf: (server: Server) => OrderStep,
  ): Promise<{ server: Server; actionId: number }> {
    const server = await serverFetch(tx, id)
    if (!server || server.deleted) throw serverMissing(id)
    const step = stepOf(server)
    assertOrder(step.name, server, caller)
    await unpark(this.#parts, tx, server, step.name)
    if (step.name === 'delete') await this.#waiting.leave(tx, server)
    const generation = step.order ? await this.#order(tx, id, step.order) : null
    const now = this.#parts.clock.now()
    const rule = orderRules[step.name]
    const task = step.task ?? ('task' in rule ? rule.task : null)
    const change: Partial<Server> = {
      taskState: task, updatedAt: now, forcedState: null, ...(generation !== null && { awaited: generation }),
      ...step.change,
    }
    await serverUpdate(tx, id, change)
    const actionId = await this.record(tx, caller, server, {
      ...actionWords[step.name], generation, finished: task === null,
    })
    return { server: { ...server, ...change }, actionId }
  }

  /** Writes the action row; `finished` when nothing is left to do. */
  record(
    tx: Tx, caller: Actor, server: Server,
    action: ActionWords & { generation: number | null; finished: boolean },
  ): Promise<number> {
    const now = this.#parts.clock.now()
    return actionInsert(tx, {
      serverId: server.id, action: action.action, event: action.event, requestId: caller.requestId,
      userId: caller.userId,
      projectId: caller.projectId, generation: action.generation, host: server.host, message: null, details: null,
      result: action.finished ? 'Success' : null, startedAt: now, finishedAt: action.finished ? now : null,
    })
  }

  async #order(tx: Tx, id: string, order: WorkloadOrder): Promise<number> {
    const workload = await this.#parts.facades.workloads.fetch(id)
    if (!workload && order.do === 'delete') {
      // Nobody else tells the follower to look: there is no container that ends.
      tx.emit('nova.server.bare', { id })
      return 0
    }
    if (!workload) throw conflict(`Instance ${id} has no container any more: only deleting it is possible.`)
    return this.#parts.facades.workloads.order(tx, id, order)
  }
}
