/** Every state of a row against every state of its container. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerState, ContainerStatus } from '../ports.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import type { WorkloadState } from '../facade.ts'
import { workloadMachine } from '../states/workload.ts'
import { reactionTo } from './reactions.ts'
import type { Reaction } from './reactions.ts'

const record = (state: WorkloadState, change: Partial<WorkloadRecord> = {}) =>
  ({
    state,
    todo: false,
    containerId: 'c',
    pid: ['running', 'paused', 'suspended'].includes(state) ? 7 : 0,
    ...change,
  }) as WorkloadRecord
const status = (state: ContainerState, pid: number) => ({ id: 'c', state, pid }) as ContainerStatus

type Seen = 'same process' | 'other process' | 'paused' | 'restarting' | 'exited' | 'absent'
const sights: Record<Seen, ContainerStatus | undefined> = {
  'same process': status('running', 7),
  'other process': status('running', 8),
  paused: status('paused', 7),
  restarting: status('restarting', 0),
  exited: status('exited', 0),
  absent: undefined,
}
const table: Partial<Record<WorkloadState, Partial<Record<Seen, Reaction>>>> = {
  running: { 'other process': 'reopened', paused: 'frozen', exited: 'ended', absent: 'gone' },
  stopped: { 'same process': 'reopened', 'other process': 'reopened', absent: 'gone' },
  paused: { 'same process': 'reopened', 'other process': 'reopened', exited: 'ended', absent: 'gone' },
  suspended: { 'same process': 'reopened', 'other process': 'reopened', exited: 'ended', absent: 'gone' },
  error: { 'same process': 'reopened', 'other process': 'reopened' },
}
for (const state of workloadMachine.states) {
  for (const [seen, sight] of Object.entries(sights) as [Seen, ContainerStatus | undefined][]) {
    test(`${state}, and the container is ${seen}: ${table[state]?.[seen] ?? 'nothing to do'}`, () => {
      assert.equal(reactionTo(record(state), sight), table[state]?.[seen])
    })
  }
}

test('rows under work, without a container, or with another one are left alone', () => {
  for (const sight of Object.values(sights)) {
    assert.equal(reactionTo(record('running', { todo: true }), sight), undefined)
    assert.equal(reactionTo(record('running', { containerId: null }), sight), undefined)
  }
  assert.equal(reactionTo(record('running'), { ...status('exited', 0), id: 'another' }), undefined)
})
