/** When a host is synced: at once for what only a sync does, later for what plugs have done, and every half minute. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import type { HostNetworkState, WantedNetwork, WantedPort } from '../ports.ts'
import { fingerprintOf, SyncMemory } from './sync-host.ts'

const network: WantedNetwork = {
  id: 'n',
  segmentationId: 1,
  mtu: 1500,
  external: false,
  subnets: [],
  hostAddresses: [],
  remotes: [],
  names: [],
}
const port = (id: string, change: Partial<WantedPort> = {}): WantedPort => ({
  id,
  networkId: 'n',
  mac: '02:00:00:00:00:01',
  addresses: [],
  mtu: 1500,
  adminUp: true,
  portSecurity: true,
  allowedAddressPairs: [],
  securityGroupIds: ['g'],
  device: 'eth0',
  primary: true,
  ...change,
})
const state = (change: Partial<HostNetworkState> = {}): HostNetworkState => ({
  networks: [network],
  ports: [port('p')],
  routers: [],
  securityGroups: [{ id: 'g', stateful: true, rules: [], memberIps: ['10.0.0.1'] }],
  ...change,
})

const afterSyncOf = (before: HostNetworkState) => {
  const clock = new ManualClock()
  const memory = new SyncMemory(clock)
  memory.done({ host: 'h', fingerprint: fingerprintOf(before) })
  const dueIn = (now: HostNetworkState) => memory.dueIn({ host: 'h', fingerprint: fingerprintOf(now) })
  return { clock, memory, dueIn }
}

test('an unknown or forgotten host is due at once; one that is in line is not, until half a minute is over', () => {
  const { clock, memory, dueIn } = afterSyncOf(state())
  assert.equal(dueIn(state()), undefined)
  clock.advance(30_000)
  assert.equal(dueIn(state()), 0)
  memory.forget('h')
  assert.equal(dueIn(state()), 0)
})

const sandbox = { workloadId: 'w', pid: 7, netns: '/proc/7/ns/net' }
const traffic: Record<string, HostNetworkState> = {
  'a port that came': state({ ports: [port('p'), port('q')] }),
  'a port that went': state({ ports: [] }),
  'a port in its sandbox': state({ ports: [port('p', { sandbox })] }),
  'another member of a group': state({
    securityGroups: [{ id: 'g', stateful: true, rules: [], memberIps: ['10.0.0.2'] }],
  }),
  'a name': state({ networks: [{ ...network, names: [{ name: 'web', addresses: ['10.0.0.1'] }] }] }),
}
for (const [what, now] of Object.entries(traffic)) {
  test(`${what} waits until three seconds after the last sync`, () => {
    const { clock, dueIn } = afterSyncOf(state())
    clock.advance(1_000)
    assert.equal(dueIn(now), 2_000)
    clock.advance(2_000)
    assert.equal(dueIn(now), 0)
  })
}

const orders: Record<string, HostNetworkState> = {
  'a port with other groups': state({ ports: [port('p', { securityGroupIds: [] })] }),
  'a port that was switched off': state({ ports: [port('p', { adminUp: false })] }),
  'a rule': state({
    securityGroups: [
      {
        id: 'g',
        stateful: true,
        rules: [{ id: 'r', direction: 'ingress', etherType: 'IPv4' }],
        memberIps: ['10.0.0.1'],
      },
    ],
  }),
  'a router': state({ routers: [{ id: 'r', interfaces: [], floatingIps: [], portForwardings: [], routes: [] }] }),
  'a network': state({ networks: [network, { ...network, id: 'm' }] }),
  'ports on another host': state({ networks: [{ ...network, remotes: [{ address: '192.0.2.1', macs: [] }] }] }),
}
for (const [what, now] of Object.entries(orders)) {
  test(`${what} is due at once`, () => {
    assert.equal(afterSyncOf(state()).dueIn(now), 0)
  })
}
