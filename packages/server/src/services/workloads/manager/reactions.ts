/** What a difference between a row and its container means. Pure: the whole table is tested. */
import type { ContainerStatus } from '../ports.ts'
import type { WorkloadRecord } from '../store/workloads.ts'

/** `reopened`: it runs as a process we did not start, so its network must be filled and its gate opened. */
export type Reaction = 'gone' | 'ended' | 'frozen' | 'reopened'

export function reactionTo(record: WorkloadRecord, status: ContainerStatus | undefined): Reaction | undefined {
  if (!isSettled(record)) return undefined
  if (status === undefined) return record.state === 'error' ? undefined : 'gone'
  if (status.id !== record.containerId) return undefined
  switch (status.state) {
    case 'running':
      return isAsStarted(record, status) ? undefined : 'reopened'
    case 'paused':
      return record.state === 'running' ? 'frozen' : undefined
    // Between two lives of its restart policy: the next start tells.
    case 'restarting':
    case 'removing':
      return undefined
    default:
      return believedAlive.has(record.state) ? 'ended' : undefined
  }
}

const believedAlive: ReadonlySet<string> = new Set(['running', 'paused', 'suspended'])

/** The process that we started runs, and the row agrees. An error stays one until its process changes. */
const isAsStarted = ({ state, pid }: WorkloadRecord, status: ContainerStatus): boolean =>
  status.pid === pid && (state === 'running' || state === 'error')

/** Rows with work under way are their own controller's; it writes what it finds. */
const isSettled = ({ todo, state, containerId }: WorkloadRecord): boolean =>
  !todo && containerId !== null && !['scheduling', 'building', 'deleting', 'deleted'].includes(state)
