/** Nova's words for a server's state, and the pure mapping from its workload to them. */
import type { WorkloadState } from '#services/workloads/facade.ts'

export const vmStates = [
  'building', 'active', 'paused', 'suspended', 'stopped', 'resized', 'error', 'deleted',
] as const
export type VmState = (typeof vmStates)[number]

export const taskStates = [
  'scheduling', 'networking', 'block_device_mapping', 'spawning', 'powering-off', 'powering-on', 'pausing', 'unpausing',
  'suspending', 'resuming', 'rebooting', 'rebooting_hard', 'rebuilding', 'resize_prep', 'resize_finish',
  'resize_reverting', 'image_snapshot_pending', 'image_backup', 'image_uploading', 'updating_password', 'deleting',
] as const
export type TaskState = (typeof taskStates)[number]

/** libvirt's numbers, as the API shows them. */
export const power = { noState: 0, running: 1, paused: 3, shutdown: 4, crashed: 6, suspended: 7 } as const
export type PowerState = (typeof power)[keyof typeof power]

interface Picture { vmState: VmState; powerState: PowerState }

/** What a workload that rests in a state looks like through Nova. */
export const pictures: Record<WorkloadState, Picture> = {
  scheduling: { vmState: 'building', powerState: power.noState },
  building: { vmState: 'building', powerState: power.noState },
  running: { vmState: 'active', powerState: power.running },
  stopped: { vmState: 'stopped', powerState: power.shutdown },
  paused: { vmState: 'paused', powerState: power.paused },
  suspended: { vmState: 'suspended', powerState: power.suspended },
  error: { vmState: 'error', powerState: power.noState },
  deleting: { vmState: 'active', powerState: power.noState },
  deleted: { vmState: 'deleted', powerState: power.noState },
}

/** A server is born with its workload, unless it waits for quota, or waited in vain. */
export const hasWorkload = ({ awaited }: { awaited: number }): boolean => awaited > 0

type TaskWords = Partial<Record<TaskState, string>> & { default: string }

const rebuilding: Partial<Record<TaskState, string>> = { rebuilding: 'REBUILD' }
const resizing: Partial<Record<TaskState, string>> = { resize_prep: 'RESIZE', resize_finish: 'RESIZE' }

/** vm_state and task_state → the status a client sees. */
export const statusWords: Record<VmState, TaskWords> = {
  active: {
    default: 'ACTIVE', rebooting: 'REBOOT', rebooting_hard: 'HARD_REBOOT', updating_password: 'PASSWORD', ...rebuilding,
    ...resizing,
  },
  building: { default: 'BUILD' },
  stopped: { default: 'SHUTOFF', ...rebuilding, ...resizing },
  resized: { default: 'VERIFY_RESIZE', resize_reverting: 'REVERT_RESIZE' },
  paused: { default: 'PAUSED' },
  suspended: { default: 'SUSPENDED' },
  error: { default: 'ERROR', ...rebuilding },
  deleted: { default: 'DELETED' },
}

export const statusOf = (vmState: VmState, taskState: TaskState | null): string => {
  const words = statusWords[vmState]
  return (taskState && words[taskState]) || words.default
}

/** Statuses that the API knows though no server here ever has them: asking for one finds nothing. */
const absentStatuses = new Set([
  'MIGRATING', 'RESCUE', 'SHELVED', 'SHELVED_OFFLOADED', 'SOFT_DELETED',
])

export interface StatusFilter { vmStates: VmState[]; taskStates: TaskState[] | undefined }

/**
 * The states behind the statuses a list was asked for, as upstream widens them: a status that is a vm_state's default
 * finds its servers whatever they are doing. `undefined`: no such status.
 */
export const statesOfStatuses = (statuses: string[]): StatusFilter | undefined => {
  const asked = new Set(statuses.map((status) => status.toUpperCase()))
  const vm = new Set<VmState>()
  const tasks = new Set<TaskState | 'default'>()
  for (const [vmState, words] of Object.entries(statusWords)) {
    for (const [task, word] of Object.entries(words)) {
      if (!asked.has(word)) continue
      vm.add(vmState as VmState)
      tasks.add(task as TaskState | 'default')
    }
  }
  if (!vm.size) return [...asked].some((status) => absentStatuses.has(status))
    ? { vmStates: [], taskStates: undefined }
    : undefined
  return { vmStates: [...vm], taskStates: tasks.has('default') ? undefined : [...tasks] as TaskState[] }
}
