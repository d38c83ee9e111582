/** An agent's memory of its host: what was wanted outlives the process, and is put back without the cloud. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import { eventually, specOf } from '#drivers/docker/suite-bench.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { createFakeHostNetwork, type FakeHostNetwork } from '#drivers/fakes/host-network.ts'
import type { HostNetworkState, WantedNetwork, WantedPort } from '#services/neutron/ports.ts'
import { keepGates } from './gate-keeper.ts'
import { createKeptNetwork, type KeptNetwork } from './kept-network.ts'

const net: WantedNetwork = {
  id: 'n',
  segmentationId: 7,
  mtu: 1450,
  external: false,
  subnets: [],
  hostAddresses: [],
  remotes: [],
  names: [],
}
const group = { id: 'g', stateful: true, rules: [], memberIps: [] }
const portOf = (id: string, workloadId: string, pid: number): WantedPort => ({
  id,
  networkId: 'n',
  mac: '02:00:00:00:00:01',
  addresses: [{ ip: '10.0.0.5', subnetId: 's', prefixLength: 24 }],
  mtu: 1450,
  adminUp: true,
  portSecurity: true,
  allowedAddressPairs: [],
  securityGroupIds: ['g'],
  device: 'eth0',
  primary: true,
  sandbox: { workloadId, pid, netns: `/proc/${pid}/ns/net` },
})
const wanted = (...ports: WantedPort[]): HostNetworkState => ({
  networks: [net],
  ports,
  routers: [],
  securityGroups: [group],
})

describe('a network that is kept', () => {
  let directory: string
  let path: string
  let host: FakeHostNetwork
  const open = (): KeptNetwork => createKeptNetwork({ network: host, path, clock: systemClock, log: silentLog })
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quaystone-kept-'))
    path = join(directory, 'network.jsonl')
    host = createFakeHostNetwork()
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const plugged = () => [...host.ports.keys()].sort()

  test('an agent that was never told anything touches nothing', async () => {
    await open().heal()
    assert.deepEqual(host.calls, [])
  })

  test('the next process puts back what was synced, plugged and not unplugged', async () => {
    const kept = open()
    await kept.sync(wanted(portOf('p', 'w', 1), portOf('q', 'w', 1)))
    await kept.plug(net, portOf('r', 'v', 2), [group])
    await kept.unplug('q')
    host.loseNetwork('n')
    assert.deepEqual(plugged(), [])
    await open().heal()
    assert.deepEqual(plugged(), ['p', 'r'])
    assert.equal(statSync(path).mode & 0o077, 0, 'only its owner reads it')
  })

  test('half a line at the end, as a kill leaves it, is nothing; the lines before it count', async () => {
    await open().sync(wanted(portOf('p', 'w', 1)))
    appendFileSync(path, '{"plug":{"network":{"id":"n"')
    await open().plug(net, portOf('r', 'v', 2), [group])
    host.loseNetwork('n')
    await open().heal()
    assert.deepEqual(plugged(), ['p', 'r'])
  })

  test('a whole state that was computed before a plug does not undo it; the one after it may', async () => {
    const kept = open()
    await kept.sync(wanted())
    await kept.plug(net, portOf('p', 'w', 1), [group])
    await kept.sync(wanted())
    await kept.heal()
    assert.deepEqual(plugged(), ['p'])
    await kept.sync(wanted())
    await kept.heal()
    assert.deepEqual(plugged(), [])
  })

  test('many changes leave a short file, and the same state', async () => {
    const kept = open()
    await kept.sync(wanted(portOf('p', 'w', 1)))
    for (let round = 0; round < 600; round++) {
      await kept.plug(net, portOf('q', 'v', round + 2), [group])
      await kept.unplug('q')
    }
    await open().heal()
    assert.deepEqual(plugged(), ['p'])
    assert.ok(statSync(path).size < 600_000)
  })

  test('it is put back as soon as somebody meddles', async () => {
    const kept = open()
    await kept.sync(wanted(portOf('p', 'w', 1)))
    const stop = new AbortController()
    const guarding = kept.guard(stop.signal)
    host.loseNetwork('n')
    await eventually('the network is whole', () => plugged().length === 1)
    stop.abort()
    await guarding
  })

  test('ports of containers that run no more are in no sandbox, and are known when one comes back', async () => {
    const kept = open()
    await kept.sync(wanted(portOf('p', 'w', 1), portOf('q', 'v', 2)))
    kept.placeOnly(
      new Map([
        ['w', 9],
        ['v', 2],
      ]),
    )
    await kept.heal()
    assert.equal(host.ports.get('p')?.sandbox, undefined)
    assert.equal(host.ports.get('q')?.sandbox?.pid, 2)
    const [plug] = open().plugsOf('w')
    assert.equal(plug?.port.id, 'p')
    assert.ok(plug && !('lostBy' in plug.port))
  })

  const restarted = async (isCloudHere: boolean) => {
    const runtime = createFakeRuntime()
    runtime.images.add('web', { command: ['httpd'] })
    const spec = specOf('web', { restartPolicy: { name: 'unless-stopped' } })
    const { id } = await runtime.create(spec)
    const { pid } = await runtime.start(id)
    const kept = open()
    await kept.sync(wanted(portOf('p', spec.workloadId, pid)))
    runtime.rebootHost()
    host.loseSandbox(spec.workloadId)
    const stop = new AbortController()
    const options = { runtime, network: kept, isCloudHere: () => isCloudHere, clock: systemClock, log: silentLog }
    const keeping = keepGates(options, stop.signal)
    const end = async () => {
      stop.abort()
      await keeping
    }
    return { runtime, id, end }
  }

  test('a container that the engine restarted while the cloud was away gets its network, then runs', async () => {
    const { runtime, id, end } = await restarted(false)
    await eventually('the gate is open', async () => !(await runtime.gateWaiting(id)))
    assert.equal(host.ports.get('p')?.sandbox?.pid, (await runtime.inspect(id)).pid)
    await end()
  })

  test('while the cloud is here, its gates are its own business', async () => {
    const { runtime, id, end } = await restarted(true)
    for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(await runtime.gateWaiting(id), true)
    await end()
  })
})
