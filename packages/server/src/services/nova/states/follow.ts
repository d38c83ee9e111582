/** What a server's row must become, given its workload: pure, so that every combination can be tested. */
import type { Workload } from '#services/workloads/facade.ts'
import type { Server } from '../manager/model.ts'
import { hasWorkload, pictures, power } from './server-state.ts'
import type { TaskState } from './server-state.ts'

export type FollowedWorkload = Pick<Workload,
  'state' | 'step' | 'hostName' | 'fault' | 'doneGeneration' | 'launchedAt' | 'terminatedAt'>

export interface Following {
  change: Partial<Server>
  /** The order that the row waited for has ended; its actions end with this result. */
  ended?: 'Success' | 'Error'
  /** The container is gone: quota, ports and the row go with it. */
  gone?: true
}

/** Tasks with a controller of their own, which ends them. */
const ownTasks: ReadonlySet<TaskState> = new Set(['image_snapshot_pending', 'image_backup', 'image_uploading'])
const resizeTasks: ReadonlySet<TaskState> = new Set(['resize_prep', 'resize_finish'])

const buildTasks: Readonly<Record<string, TaskState>> = {
  scheduling: 'scheduling', networking: 'networking', block_device_mapping: 'block_device_mapping',
  spawning: 'spawning',
}

const isBuilt = (server: Server, workload: FollowedWorkload): boolean =>
  workload.doneGeneration >= server.awaited && workload.state !== 'scheduling' && workload.state !== 'building'

const hasEnded = (server: Server, workload: FollowedWorkload): boolean =>
  server.vmState === 'building'
    ? workload.state === 'error' || isBuilt(server, workload)
    : workload.doneGeneration >= server.awaited

const vmStateOf = (server: Server, workload: FollowedWorkload): Server['vmState'] => {
  if (workload.state === 'error' || server.forcedState === 'error') return 'error'
  const awaitsConfirmation = server.oldFlavor !== null
    && (server.vmState === 'resized' || (server.taskState !== null && resizeTasks.has(server.taskState)))
  return awaitsConfirmation ? 'resized' : pictures[workload.state].vmState
}

/** Transitional states of a workload (a rebuild passes through `building`) do not show while the row has settled. */
const isTransit = (workload: FollowedWorkload): boolean =>
  workload.state === 'scheduling' || workload.state === 'building' || workload.state === 'deleting'

const settled = (server: Server, workload: FollowedWorkload): Partial<Server> => ({
  vmState: vmStateOf(server, workload),
  taskState: server.taskState !== null && ownTasks.has(server.taskState) ? server.taskState : null,
  powerState: pictures[workload.state].powerState,
  fault: workload.fault,
  host: workload.hostName,
  launchedAt: server.launchedAt ?? workload.launchedAt,
})

const underWay = (server: Server, workload: FollowedWorkload): Partial<Server> => ({
  host: workload.hostName,
  ...(
    server.vmState === 'building' && server.taskState !== 'deleting' && {
      taskState: buildTasks[workload.step ?? ''] ?? server.taskState,
    }
  ),
})

/** Only what differs, so that an equal row is not written. */
const differing = (server: Server, change: Partial<Server>): Partial<Server> => Object.fromEntries(
  Object.entries(change).filter(
    ([field, value]) => JSON.stringify(server[field as keyof Server]) !== JSON.stringify(value),
  ),
)

/** It waits for quota, or waited in vain: nothing is missing, and it goes when it is told to. */
const isBare = (server: Server, workload: FollowedWorkload | undefined): boolean =>
  !workload && !hasWorkload(server) && server.taskState !== 'deleting'

export const follow = (server: Server, workload: FollowedWorkload | undefined): Following => {
  if (isBare(server, workload)) return { change: {} }
  if (!workload || workload.state === 'deleted') {
    return { gone: true, ended: 'Success', change: { vmState: 'deleted', taskState: null, powerState: power.noState } }
  }
  if (!hasEnded(server, workload)) return { change: differing(server, underWay(server, workload)) }
  if (isTransit(workload)) return { change: {} }
  const change = differing(server, settled(server, workload))
  return { change, ended: workload.state === 'error' ? 'Error' : 'Success' }
}
