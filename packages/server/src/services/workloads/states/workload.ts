/** What a workload can be, and what leads from one state to the next. */
import { defineMachine } from '#platform/states/machine.ts'

export const workloadMachine = defineMachine({
  name: 'workload',
  initial: 'scheduling',
  table: {
    scheduling: { placed: 'building', failed: 'error', delete: 'deleting' },
    building: { started: 'running', stopped: 'stopped', failed: 'error', lost: 'scheduling', delete: 'deleting' },
    running: {
      started: 'running',
      stopped: 'stopped',
      paused: 'paused',
      suspended: 'suspended',
      rebuild: 'building',
      failed: 'error',
      delete: 'deleting',
    },
    stopped: { started: 'running', stopped: 'stopped', rebuild: 'building', failed: 'error', delete: 'deleting' },
    paused: {
      started: 'running',
      stopped: 'stopped',
      paused: 'paused',
      suspended: 'suspended',
      rebuild: 'building',
      failed: 'error',
      delete: 'deleting',
    },
    suspended: {
      started: 'running',
      stopped: 'stopped',
      paused: 'paused',
      suspended: 'suspended',
      rebuild: 'building',
      failed: 'error',
      delete: 'deleting',
    },
    error: {
      started: 'running',
      stopped: 'stopped',
      paused: 'paused',
      rebuild: 'building',
      retry: 'scheduling',
      failed: 'error',
      delete: 'deleting',
    },
    deleting: { removed: 'deleted' },
    deleted: {},
  },
})

export type WorkloadEvent = (typeof workloadMachine)['events'][number]
