/** Ports around a sync: what was plugged meanwhile stays, what was unplugged or failed does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labNetwork, labPort, noState } from './lab.ts'
import { RecentPorts } from './recent-ports.ts'

const network = labNetwork()
const placed = (last: number) => ({ port: labPort(network, last), network, sandboxPath: '/x', sandboxIdentity: 'x' })
const idsOf = (recent: RecentPorts): string[] => recent.correct(network.id, []).map(({ port }) => port.id)

test('a port outlives the sync whose wanted state may not know it, and no more than that', () => {
  const [recent, mine] = [new RecentPorts(), placed(1)]
  recent.plugged(mine, [])
  recent.syncStarts()
  assert.deepEqual(idsOf(recent), [mine.port.id])
  assert.deepEqual(recent.networksBeside(noState()), [network])
  recent.syncStarts()
  assert.deepEqual(idsOf(recent), [])
})

test('a port that went is taken out of a wanted state that still lists it', () => {
  const [recent, mine] = [new RecentPorts(), placed(1)]
  recent.plugged(mine, [])
  recent.unplugged(mine.port.id)
  assert.deepEqual(recent.correct(network.id, [mine]), [])
})

test('a port that could not be plugged is as wanted as the wanted state says', () => {
  const [recent, mine] = [new RecentPorts(), placed(1)]
  recent.plugged(mine, [])
  recent.failed(mine.port.id)
  assert.deepEqual(idsOf(recent), [])
  assert.deepEqual(recent.correct(network.id, [mine]), [mine])
})
