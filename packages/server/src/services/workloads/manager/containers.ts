/** A workload's container on its host: found by id or by label, judged by its status. */
import { isRefusal } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { ContainerStatus } from '../ports.ts'
import type { WorkloadEvent } from '../states/workload.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import type { WorkloadRow } from '../store/tables.ts'

const isNotFound = (error: unknown): boolean => isRefusal(error) && error.kind === 'notFound'

/** The id may never have been written down (the process died), so the label is asked when it is missing. */
export async function containerFind(host: Host, record: WorkloadRecord): Promise<ContainerStatus | undefined> {
  if (record.containerId === null) return (await host.runtime.list()).find(({ workloadId }) => workloadId === record.id)
  try {
    return await host.runtime.inspect(record.containerId)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

const isAlive = ({ state }: ContainerStatus): boolean =>
  state === 'running' || state === 'restarting' || state === 'paused'

/** What a container's state means for its workload. A frozen one is suspended when that is what was asked for. */
export function eventOf(status: ContainerStatus, record: WorkloadRecord): WorkloadEvent {
  if (!isAlive(status)) return 'stopped'
  if (status.state !== 'paused') return 'started'
  return record.desired === 'suspended' ? 'suspended' : 'paused'
}

export const fieldsOf = (status: ContainerStatus): Partial<WorkloadRow> => ({
  container_id: status.id,
  pid: status.pid,
  exit_code: isAlive(status) ? null : status.exitCode,
  oom_killed: status.oomKilled ? 1 : 0,
})

const lastWordsLines = 10

/** The end of the log, for people who ask why a command ended; an engine that cannot tell is no reason to fail. */
export async function lastWordsOf(host: Host, containerId: string): Promise<string> {
  try {
    return (await host.runtime.logs(containerId, { tail: lastWordsLines })).toString('utf8').slice(-2000)
  } catch (error) {
    return `(its log cannot be read: ${error instanceof Error ? error.message : String(error)})`
  }
}
