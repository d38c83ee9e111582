/** Every order in every state: taken or refused with a reason, and never one that the machine cannot follow. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Workload, WorkloadOrder } from '../facade.ts'
import { specOf } from '../testing.ts'
import { orderRules, refusalOf, stepOf } from './orders.ts'
import { workloadMachine } from './workload.ts'
import type { WorkloadEvent } from './workload.ts'

const workload = (state: Workload['state'], underWay = false) =>
  ({ id: 'w', state, step: null, hostName: 'h', generation: underWay ? 2 : 1, doneGeneration: 1 }) as Workload
const orders: WorkloadOrder[] = [
  { do: 'start' },
  { do: 'stop' },
  { do: 'pause' },
  { do: 'unpause' },
  { do: 'suspend' },
  { do: 'resume' },
  { do: 'reboot', hard: false },
  { do: 'reboot', hard: true },
  { do: 'rebuild', spec: specOf() },
  { do: 'resize', spec: specOf() },
  { do: 'replug' },
  { do: 'delete' },
]
/** What an order leads to when it goes well, and when it does not. */
const results: Record<WorkloadOrder['do'], WorkloadEvent[]> = {
  start: ['started', 'stopped', 'failed'],
  stop: ['stopped', 'failed'],
  pause: ['paused', 'stopped', 'failed'],
  unpause: ['started', 'stopped', 'failed'],
  suspend: ['suspended', 'stopped', 'failed'],
  resume: ['started', 'stopped', 'failed'],
  reboot: ['started', 'stopped', 'failed'],
  rebuild: ['rebuild'],
  resize: ['failed'],
  replug: ['failed'],
  delete: ['delete'],
}

for (const order of orders) {
  const name = order.do === 'reboot' ? `reboot ${order.hard ? 'hard' : 'softly'}` : order.do
  test(`${name}: taken exactly where it may be, and its results are moves of the machine`, () => {
    for (const state of workloadMachine.states) {
      const refusal = refusalOf(workload(state), order)
      const soft = order.do === 'reboot' && !order.hard
      assert.equal(
        refusal === undefined,
        soft ? state === 'running' : orderRules[order.do].from.includes(state),
        `${name} in ${state}`,
      )
      if (refusal !== undefined)
        assert.match(
          refusal,
          /^Cannot .* workload w .*while it is \w+; it can be done|^Cannot 'reboot' workload w softly/,
        )
      else
        for (const event of results[order.do]) assert.ok(workloadMachine.allows(state, event), `${event} from ${state}`)
    }
  })
}

test('only a deletion may interrupt an order under way', () => {
  const taken = orders
    .filter((order) => refusalOf(workload('running', true), order) === undefined)
    .map((order) => order.do)
  assert.deepEqual(taken, ['delete'])
})

test('what could not be built can only be made anew or deleted', () => {
  const unbuilt = { ...workload('error'), hostName: null }
  const taken = orders.filter((order) => refusalOf(unbuilt, order) === undefined).map(stepOf)
  assert.deepEqual(taken, ['powering-on', 'rebooting_hard', 'rebuilding', 'deleting'])
})

test("steps are the words of Nova's task_state", () => {
  assert.deepEqual(orders.map(stepOf), [
    'powering-on',
    'powering-off',
    'pausing',
    'unpausing',
    'suspending',
    'resuming',
    'rebooting',
    'rebooting_hard',
    'rebuilding',
    'resize_migrating',
    'networking',
    'deleting',
  ])
})
