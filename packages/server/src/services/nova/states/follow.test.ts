/** A server's row after a look at its workload: every state in every situation. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkloadState } from '#services/workloads/facade.ts'
import type { Server } from '../manager/model.ts'
import { follow } from './follow.ts'
import type { FollowedWorkload } from './follow.ts'
import { pictures, statesOfStatuses, statusOf, taskStates, vmStates } from './server-state.ts'

const server = (change: Partial<Server>): Server => ({
  vmState: 'active', taskState: null, powerState: 1, forcedState: null, fault: null, host: 'h', awaited: 1,
  launchedAt: 5, oldFlavor: null, ...change,
}) as Server
const workload = (change: Partial<FollowedWorkload>): FollowedWorkload => ({
  state: 'running', step: null, hostName: 'h', fault: null, doneGeneration: 1, launchedAt: 5, terminatedAt: null,
  ...change,
})
const flavor = { id: '1' } as Server['flavor']
const states = Object.keys(pictures) as WorkloadState[]

test(
  'a settled row that agrees is left alone',
  () => assert.deepEqual(follow(server({}), workload({})), { change: {}, ended: 'Success' }),
)

for (const state of states.filter((one) => !['scheduling', 'building', 'deleting', 'deleted'].includes(one))) {
  test(`an ended order shows ${state} and no task`, () => {
    const { change } = follow(
      server({ vmState: 'building', taskState: 'spawning', awaited: 2 }), workload({ state, doneGeneration: 2 }),
    )
    assert.equal(change.vmState, pictures[state].vmState)
    assert.equal(change.taskState, null)
  })
}

for (const state of ['scheduling', 'building', 'deleting'] as const) {
  test(`a settled server does not show that its workload passes through ${state}`, () => {
    assert.deepEqual(follow(server({}), workload({ state })), { change: {} })
  })
}

test('an order under way keeps its task, whatever the workload was before', () => {
  const before = server({ taskState: 'powering-off', awaited: 2 })
  for (const state of states.filter((one) => one !== 'deleted')) assert.deepEqual(
    follow(before, workload({ state })), { change: {} },
  )
})

test('a build shows its steps, and its failure at once', () => {
  const building = server({ vmState: 'building', taskState: 'scheduling', host: null, launchedAt: null, powerState: 0 })
  const step = follow(building, workload({ state: 'building', step: 'networking', doneGeneration: 0 }))
  assert.deepEqual(step, { change: { host: 'h', taskState: 'networking' } })
  const fault = { code: 500, message: 'm', details: '', at: 1 }
  const failed = follow(
    building, workload({ state: 'error', doneGeneration: 0, fault, hostName: null, launchedAt: null }),
  )
  assert.deepEqual(failed, { change: { vmState: 'error', taskState: null, fault }, ended: 'Error' })
})

test('a container that ended by itself is SHUTOFF', () => {
  assert.deepEqual(follow(server({}), workload({ state: 'stopped' })).change, { vmState: 'stopped', powerState: 4 })
})

test('a workload that is gone takes the server with it', () => {
  assert.equal(follow(server({ taskState: 'deleting' }), undefined).gone, true)
  assert.equal(follow(server({}), workload({ state: 'deleted' })).gone, true)
})

test('a resize stays to be confirmed until the old flavor is forgotten', () => {
  const resizing = server({ taskState: 'resize_prep', oldFlavor: flavor, awaited: 2 })
  assert.equal(follow(resizing, workload({ doneGeneration: 2 })).change.vmState, 'resized')
  assert.equal(follow(server({ vmState: 'resized', oldFlavor: flavor }), workload({})).change.vmState, undefined)
  const reverting = server({ vmState: 'resized', taskState: 'resize_reverting', awaited: 2 })
  assert.equal(follow(reverting, workload({ doneGeneration: 2 })).change.vmState, 'active')
})

test('a forced error stands, and a snapshot keeps its task', () => {
  assert.deepEqual(follow(server({ vmState: 'error', forcedState: 'error' }), workload({})).change, {})
  assert.deepEqual(follow(server({ taskState: 'image_uploading' }), workload({})).change, {})
})

test('every state has a status, and every status leads back to its state', () => {
  for (const vmState of vmStates) {
    for (const taskState of [null, ...taskStates]) {
      const found = statesOfStatuses([statusOf(vmState, taskState).toLowerCase()])!
      assert.ok(found.vmStates.includes(vmState), `${vmState}/${taskState}`)
      assert.ok(!found.taskStates || found.taskStates.includes(taskState!), `${vmState}/${taskState}`)
    }
  }
  assert.equal(statesOfStatuses(['NOPE']), undefined)
  assert.deepEqual(statesOfStatuses(['RESCUE'])!.vmStates, [])
})
