/** Machines: precise types, answers, drawing, and the suite on one whose events lead to different states. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineMachine } from './machine.ts'
import type { MachineTable } from './machine.ts'
import { machineSuite } from './machine-suite.ts'

const server = defineMachine({
  name: 'server',
  initial: 'BUILD',
  table: {
    BUILD: { spawned: 'ACTIVE', failed: 'ERROR', deleted: 'DELETED' },
    ACTIVE: { stopped: 'SHUTOFF', failed: 'ERROR', resized: 'ACTIVE', deleted: 'DELETED' },
    SHUTOFF: { started: 'ACTIVE', resized: 'SHUTOFF', deleted: 'DELETED' },
    ERROR: { deleted: 'DELETED' },
    DELETED: {},
  },
})

machineSuite(server)

test('answers from the table', () => {
  assert.deepEqual(server.states, ['BUILD', 'ACTIVE', 'SHUTOFF', 'ERROR', 'DELETED'])
  assert.deepEqual(server.events, ['spawned', 'failed', 'deleted', 'stopped', 'resized', 'started'])
  assert.equal(server.allows('BUILD', 'spawned'), true)
  assert.equal(server.allows('ERROR', 'spawned'), false)
  assert.equal(server.allows('unheard of', 'spawned'), false)
  assert.deepEqual(server.sourcesOf('failed'), ['BUILD', 'ACTIVE'])
  assert.deepEqual(server.movesOf('resized'), [{ from: 'ACTIVE', to: 'ACTIVE' }, { from: 'SHUTOFF', to: 'SHUTOFF' }])
  assert.equal(server.isFinal('DELETED'), true)
  assert.equal(server.isFinal('ERROR'), false)
})

test('the types know the states and events', () => {
  const target: 'BUILD' | 'ACTIVE' | 'SHUTOFF' | 'ERROR' | 'DELETED' | undefined = server.target('BUILD', 'spawned')
  assert.equal(target, 'ACTIVE')
  // @ts-expect-error -- "exploded" is not an event
  assert.equal(server.allows('BUILD', 'exploded'), false)
  // @ts-expect-error -- "BROKEN" is not a state
  const broken = () => defineMachine({ name: 'bad', initial: 'NEW', table: { NEW: { failed: 'BROKEN' } } })
  assert.throws(broken, /BROKEN is not a state/)
  // @ts-expect-error -- "OLD" is not a state
  assert.throws(() => defineMachine({ name: 'bad', initial: 'OLD', table: { NEW: {} } }), /OLD is not a state/)
})

test('a table that was computed is checked all the same', () => {
  const table: MachineTable = { NEW: { aged: 'OLD' } }
  assert.throws(() => defineMachine({ name: 'computed', initial: 'NEW', table }), /NEW --aged--> OLD/)
})

test('the drawing is a state diagram', () => {
  const door = defineMachine({ name: 'door', initial: 'OPEN', table: { OPEN: { shut: 'SHUT' }, SHUT: {} } })
  assert.equal(door.mermaid(), 'stateDiagram-v2\n  [*] --> OPEN\n  OPEN --> SHUT: shut\n  SHUT --> [*]\n')
})
