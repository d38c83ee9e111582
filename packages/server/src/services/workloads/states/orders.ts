/** Which order is taken in which state, what it wishes for, and the step a client sees meanwhile. */
import type { Desired, Workload, WorkloadOrder, WorkloadState } from '../facade.ts'

export interface OrderRule {
  from: readonly WorkloadState[]
  /** Undefined: the wish stays what it was. */
  desired?: Desired
  /** Nova's word for `OS-EXT-STS:task_state`. */
  step: string
}

const live: readonly WorkloadState[] = ['running', 'stopped', 'paused', 'suspended', 'error']

export const orderRules: Readonly<Record<WorkloadOrder['do'], OrderRule>> = {
  start: { from: ['stopped', 'error'], desired: 'running', step: 'powering-on' },
  stop: { from: ['running', 'paused', 'suspended', 'error'], desired: 'stopped', step: 'powering-off' },
  pause: { from: ['running'], desired: 'paused', step: 'pausing' },
  unpause: { from: ['paused'], desired: 'running', step: 'unpausing' },
  suspend: { from: ['running', 'paused'], desired: 'suspended', step: 'suspending' },
  resume: { from: ['suspended'], desired: 'running', step: 'resuming' },
  reboot: { from: live, desired: 'running', step: 'rebooting' },
  rebuild: { from: live, step: 'rebuilding' },
  resize: { from: ['running', 'stopped', 'paused', 'suspended'], step: 'resize_migrating' },
  replug: { from: live, step: 'networking' },
  delete: { from: ['scheduling', 'building', ...live], desired: 'deleted', step: 'deleting' },
}

export function stepOf(order: WorkloadOrder): string {
  return order.do === 'reboot' && order.hard ? 'rebooting_hard' : orderRules[order.do].step
}

/** Why the order cannot be taken now; undefined when it can. */
export function refusalOf(workload: Workload, order: WorkloadOrder): string | undefined {
  const { from } = orderRules[order.do]
  const { state } = workload
  const cannot = `Cannot '${order.do}' workload ${workload.id}`
  if (!from.includes(state)) return `${cannot} while it is ${state}; it can be done when it is ${from.join(' or ')}`
  if (order.do === 'reboot' && !order.hard && state !== 'running') {
    return `${cannot} softly while it is ${state}: a soft reboot asks its command to end; reboot it hard`
  }
  if (order.do === 'delete') return undefined
  if (state === 'error' && workload.hostName === null && !makesAnew(order)) {
    return `${cannot}: it has no container, because it could not be built; rebuild or delete it`
  }
  if (workload.doneGeneration < workload.generation) {
    return `${cannot} while an earlier order is under way (${workload.step ?? state}); wait for it to end`
  }
  return undefined
}

/** Orders that give a workload without a container a new one. */
export const makesAnew = (order: WorkloadOrder): boolean =>
  order.do === 'rebuild' || order.do === 'start' || (order.do === 'reboot' && order.hard)
