/** The fake host network keeps the port's promises: idempotent, level-triggered, fails on demand, tells watchers. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { HostNetworkState, WantedNetwork, WantedPort, WantedSecurityGroup } from '#services/neutron/ports.ts'
import { createFakeHostNetwork } from './host-network.ts'

const group: WantedSecurityGroup = { id: randomUUID(), stateful: true, rules: [], memberIps: [] }
const network = (): WantedNetwork => ({
  id: randomUUID(),
  segmentationId: 7,
  mtu: 1450,
  external: false,
  subnets: [],
  hostAddresses: [],
  remotes: [],
  names: [],
})
const portOn = (on: WantedNetwork, change: Partial<WantedPort> = {}): WantedPort => ({
  id: randomUUID(),
  networkId: on.id,
  mac: 'fa:16:3e:00:00:01',
  addresses: [{ ip: '10.0.0.5', subnetId: 's', prefixLength: 24 }],
  mtu: 1450,
  adminUp: true,
  portSecurity: true,
  allowedAddressPairs: [],
  securityGroupIds: [group.id],
  device: 'eth0',
  primary: true,
  sandbox: { workloadId: 'w', pid: 42, netns: '/proc/42/ns/net' },
  ...change,
})
const state = (networks: WantedNetwork[], ports: WantedPort[]): HostNetworkState => ({
  networks,
  ports,
  routers: [],
  securityGroups: [group],
})

test('a plugged port is there, twice is once, and unplug removes it', async () => {
  const host = createFakeHostNetwork()
  const net = network()
  const port = portOn(net)
  await host.plug(net, port, [group])
  await host.plug(net, port, [group])
  assert.deepEqual([...host.ports.values()], [port])
  await host.unplug(port.id)
  await host.unplug(port.id)
  assert.equal(host.ports.has(port.id), false)
})

test('sync makes the wanted state, and a second sync does nothing', async () => {
  const host = createFakeHostNetwork()
  const net = network()
  const wanted = state([net], [portOn(net), portOn(net, { sandbox: undefined })])
  const report = await host.sync(wanted)
  assert.deepEqual(report.portsUp, [wanted.ports[0]?.id])
  assert.equal((await host.sync(wanted)).commands, 0)
  assert.deepEqual(await host.leaks(wanted), [])
  assert.deepEqual(
    (await host.leaks(state([], []))).map((leak) => leak.name).sort(),
    [net.id, ...wanted.ports.map((port) => port.id)].sort(),
  )
  await host.sync({ networks: [], ports: [], routers: [], securityGroups: [] })
  assert.deepEqual([host.networks.size, host.ports.size, host.securityGroups.size], [0, 0, 0])
})

test('it fails on demand, then works again', async () => {
  const host = createFakeHostNetwork()
  const net = network()
  const port = portOn(net)
  host.failPort(port.id, 'no veth for you')
  await assert.rejects(host.plug(net, port, [group]), /no veth for you/)
  assert.equal(host.ports.size, 0)
  host.failPort(port.id, 'nor now')
  assert.deepEqual((await host.sync(state([net], [port]))).portsFailed, [{ portId: port.id, reason: 'nor now' }])
  assert.deepEqual((await host.sync(state([net], [port]))).portsUp, [port.id])
})

test('what the real driver refuses is refused: bad MAC, bad address, missing group, missing network', async () => {
  const host = createFakeHostNetwork()
  const net = network()
  await assert.rejects(host.plug(net, portOn(net, { mac: 'ff:ff:ff:ff:ff:ff' }), [group]), /is not a MAC address/)
  await assert.rejects(
    host.plug(net, portOn(net, { addresses: [{ ip: '10.0.0.256', subnetId: 's', prefixLength: 24 }] }), [group]),
    /is not an IP/,
  )
  await assert.rejects(host.plug(net, portOn(net), []), /security group .* is not given/)
  await assert.rejects(host.plug(network(), portOn(net), [group]), /network .* is not given/)
  assert.equal(host.ports.size, 0)
})

test('a lost sandbox takes its ports along and wakes the watcher until it is told to stop', async () => {
  const host = createFakeHostNetwork()
  const net = network()
  await host.plug(net, portOn(net), [group])
  const stop = new AbortController()
  let wakes = 0
  const watching = host.watch(() => {
    wakes++
  }, stop.signal)
  host.loseSandbox('w')
  assert.deepEqual([host.ports.size, wakes], [0, 1])
  stop.abort()
  await watching
  host.loseNetwork(net.id)
  assert.equal(wakes, 1)
})
