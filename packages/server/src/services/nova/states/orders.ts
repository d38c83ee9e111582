/** Which order a server takes in which state: Nova's table of allowed vm_states and task_states. */
import { conflict } from '#platform/errors/errors.ts'
import type { TaskState, VmState } from './server-state.ts'

export interface OrderRule {
  /** The word of the refusal: "Cannot 'stop' instance …". */
  verb: string
  from: readonly VmState[]
  /** `idle`: no other order may be under way. */
  when: 'idle' | 'any'
  /** task_state while it runs. */
  task?: TaskState
  /** A locked server refuses it, except from administrators. */
  lockable: boolean
}

const every: readonly VmState[] = ['building', 'active', 'paused', 'suspended', 'stopped', 'resized', 'error']
const settled: readonly VmState[] = ['active', 'paused', 'suspended', 'stopped']

export const orderRules = {
  start: { verb: 'start', from: ['stopped'], when: 'idle', task: 'powering-on', lockable: true },
  stop: { verb: 'stop', from: ['active', 'error'], when: 'idle', task: 'powering-off', lockable: true },
  pause: { verb: 'pause', from: ['active'], when: 'idle', task: 'pausing', lockable: true },
  unpause: { verb: 'unpause', from: ['paused'], when: 'idle', task: 'unpausing', lockable: true },
  suspend: { verb: 'suspend', from: ['active'], when: 'idle', task: 'suspending', lockable: true },
  resume: { verb: 'resume', from: ['suspended'], when: 'idle', task: 'resuming', lockable: true },
  softReboot: { verb: 'reboot', from: ['active'], when: 'idle', task: 'rebooting', lockable: true },
  hardReboot: {
    verb: 'reboot', from: ['active', 'stopped', 'paused', 'suspended', 'error'], when: 'any', task: 'rebooting_hard',
    lockable: true,
  },
  rebuild: { verb: 'rebuild', from: ['active', 'stopped', 'error'], when: 'idle', task: 'rebuilding', lockable: true },
  resize: { verb: 'resize', from: ['active', 'stopped'], when: 'idle', task: 'resize_prep', lockable: true },
  confirmResize: { verb: 'confirmResize', from: ['resized'], when: 'idle', lockable: true },
  revertResize: { verb: 'revertResize', from: ['resized'], when: 'idle', task: 'resize_reverting', lockable: true },
  createImage: { verb: 'createImage', from: settled, when: 'idle', task: 'image_snapshot_pending', lockable: false },
  createBackup: { verb: 'createBackup', from: settled, when: 'idle', task: 'image_backup', lockable: false },
  changePassword: { verb: 'changePassword', from: ['active'], when: 'idle', task: 'updating_password', lockable: true },
  attachInterface: { verb: 'attach_interface', from: ['active', 'paused', 'stopped'], when: 'idle', lockable: true },
  detachInterface: { verb: 'detach_interface', from: ['active', 'paused', 'stopped'], when: 'idle', lockable: true },
  attachVolume: {
    verb: 'attach_volume', from: ['active', 'paused', 'stopped', 'resized'], when: 'idle', lockable: true,
  },
  detachVolume: {
    verb: 'detach_volume', from: ['active', 'paused', 'suspended', 'stopped', 'resized'], when: 'idle', lockable: true,
  },
  addFixedIp: { verb: 'addFixedIp', from: settled, when: 'idle', lockable: true },
  removeFixedIp: { verb: 'removeFixedIp', from: settled, when: 'idle', lockable: true },
  updateMetadata: { verb: 'update metadata', from: settled, when: 'any', lockable: true },
  updateTags: { verb: 'update tags', from: every, when: 'any', lockable: false },
  addSecurityGroup: { verb: 'addSecurityGroup', from: every, when: 'any', lockable: false },
  resetState: { verb: 'os-resetState', from: every, when: 'any', lockable: true },
  resetNetwork: { verb: 'resetNetwork', from: ['active', 'paused'], when: 'any', lockable: true },
  delete: { verb: 'delete', from: every, when: 'any', task: 'deleting', lockable: true },
} as const satisfies Record<string, OrderRule>

export type OrderName = keyof typeof orderRules

export interface OrderSubject { id: string; vmState: VmState; taskState: TaskState | null; lockedBy: string | null }

const refuse = (rule: OrderRule, subject: OrderSubject, attribute: string, state: string): never => {
  throw conflict(`Cannot '${rule.verb}' instance ${subject.id} while it is in ${attribute} ${state}`, {
    reason: 'invalid-state', state, allowed: rule.from,
  })
}

/** Throws `conflict` in Nova's words when the order is not possible now. */
export const assertOrder = (name: OrderName, subject: OrderSubject, caller: { isAdmin: boolean }): void => {
  const rule: OrderRule = orderRules[name]
  if (rule.lockable && subject.lockedBy && !caller.isAdmin) {
    throw conflict(`Instance ${subject.id} is locked`, { reason: 'locked', remedy: 'unlock the server first' })
  }
  if (!rule.from.includes(subject.vmState)) refuse(rule, subject, 'vm_state', subject.vmState)
  const busy = rule.when === 'idle' ? subject.taskState !== null : subject.taskState === 'deleting' && name !== 'delete'
  if (busy) refuse(rule, subject, 'task_state', subject.taskState!)
}
