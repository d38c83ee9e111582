/** The fake host network: the common promises, and its own handles for tests. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { WantedNetwork, WantedPort } from '#services/neutron/ports.ts'
import { conformHostNetwork } from './host-network-conformance.ts'
import { createFakeHostNetwork } from './host-network.ts'

const sandbox = () => ({ workloadId: randomUUID(), pid: 42, netns: '/proc/42/ns/net' })

conformHostNetwork('the fake', async () => ({
  host: createFakeHostNetwork(),
  sandbox: async () => sandbox(),
  close: async () => undefined,
}))

const network: WantedNetwork = {
  id: randomUUID(),
  segmentationId: 7,
  mtu: 1450,
  external: false,
  subnets: [],
  hostAddresses: [],
  remotes: [],
  names: [],
}
const portIn = (place: WantedPort['sandbox']): WantedPort => ({
  id: randomUUID(),
  networkId: network.id,
  mac: 'fa:16:3e:00:00:01',
  addresses: [],
  mtu: 1450,
  adminUp: true,
  portSecurity: true,
  allowedAddressPairs: [],
  securityGroupIds: [],
  device: 'eth0',
  primary: true,
  ...(place && { sandbox: place }),
})

test('it fails on demand, then works again', async () => {
  const host = createFakeHostNetwork()
  const port = portIn(sandbox())
  const wanted = { networks: [network], ports: [port], routers: [], securityGroups: [] }
  host.failPort(port.id, 'no veth for you')
  await assert.rejects(host.plug(network, port, []), /no veth for you/)
  assert.equal(host.ports.size, 0)
  host.failPort(port.id, 'nor now')
  assert.deepEqual((await host.sync(wanted)).portsFailed, [{ portId: port.id, reason: 'nor now' }])
  assert.deepEqual((await host.sync(wanted)).portsUp, [port.id])
})

test('a lost sandbox takes its ports along and wakes the watcher until it is told to stop', async () => {
  const host = createFakeHostNetwork()
  const place = sandbox()
  await host.plug(network, portIn(place), [])
  const stop = new AbortController()
  let wakes = 0
  const watching = host.watch(() => {
    wakes++
  }, stop.signal)
  host.loseSandbox(place.workloadId)
  assert.deepEqual([host.ports.size, wakes], [0, 1])
  stop.abort()
  await watching
  host.loseNetwork(network.id)
  assert.equal(wakes, 1)
})
