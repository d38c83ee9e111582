/** What a host's report says about the floating IPs of its routers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WantedRouter } from '../../ports.ts'
import type { FloatingIp } from '../../store/tables.ts'
import { floatingStatusesOf } from './floating-ip-status.ts'

const address = '198.51.100.7'
const router = (change: Partial<WantedRouter>): WantedRouter => ({
  id: 'r',
  interfaces: [],
  floatingIps: [],
  portForwardings: [],
  routes: [],
  ...change,
})
const carrying = router({ floatingIps: [{ address, fixedIp: '10.0.0.4' }] })
const floating = (change: Partial<FloatingIp> = {}): FloatingIp =>
  ({
    id: 'f',
    floating_ip_address: address,
    fixed_ip_address: '10.0.0.4',
    router_id: 'r',
    status: 'DOWN',
    ...change,
  }) as FloatingIp
const broken = { problems: [{ kind: 'router' as const, id: 'r', reason: 'no such device' }] }
const whole = { problems: [] }

test('it is ACTIVE when the router that carries it was made whole, and ERROR when it was not', () => {
  assert.deepEqual([...floatingStatusesOf([floating()], [carrying], whole)], [['f', 'ACTIVE']])
  assert.deepEqual([...floatingStatusesOf([floating()], [carrying], broken)], [['f', 'ERROR']])
  assert.deepEqual([...floatingStatusesOf([floating({ status: 'ERROR' })], [carrying], whole)], [['f', 'ACTIVE']])
})

test('nothing is written that is so already, and nothing about what the host was not asked for', () => {
  assert.equal(floatingStatusesOf([floating({ status: 'ACTIVE' })], [carrying], whole).size, 0)
  assert.equal(floatingStatusesOf([floating({ router_id: 'other' })], [carrying], whole).size, 0)
  assert.equal(floatingStatusesOf([floating({ fixed_ip_address: '10.0.0.9' })], [carrying], whole).size, 0)
  const problem = { problems: [{ kind: 'network' as const, id: 'r', reason: 'another thing of that id' }] }
  assert.deepEqual([...floatingStatusesOf([floating()], [carrying], problem)], [['f', 'ACTIVE']])
})

test('one that only forwards ports is carried by its forwardings', () => {
  const forwarding = { address, protocol: 'tcp' as const, externalPort: 80, internalIp: '10.0.0.4', internalPort: 80 }
  const forwards = floating({ fixed_ip_address: null })
  assert.deepEqual(
    [...floatingStatusesOf([forwards], [router({ portForwardings: [forwarding] })], whole)],
    [['f', 'ACTIVE']],
  )
  assert.equal(floatingStatusesOf([forwards], [carrying], whole).size, 0)
})
