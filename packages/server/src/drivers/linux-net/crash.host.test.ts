/** A process that is killed at any moment of a sync leaves a host that the next one puts right. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import type { HostNetworkState, WantedRouter } from '#services/neutron/ports.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { inSandbox, Lab, labIsMissing, labNetwork, labPort, noState, openGroup, until } from './lab.ts'
import { namespacePath } from './names.ts'

const address = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

/** A process of its own that syncs what it reads from its standard input, until it is killed. */
const victim = (lab: Lab): string => `
  const { createLinuxNet } = await import(${address('./linux-net.ts')})
  const { systemClock } = await import(${address('../../platform/clock/clock.ts')})
  const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }
  const host = createLinuxNet({ cloudId: '${lab.cloud}', hostId: 'h1', log: quiet, clock: systemClock,
    hostNamespace: '${namespacePath(lab.hostName)}' })
  const chunks = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  process.stdout.write('begins')
  await host.sync(JSON.parse(Buffer.concat(chunks).toString()))
`

async function killedAfter(ms: number, lab: Lab, wanted: HostNetworkState): Promise<void> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', victim(lab)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.stdin.end(JSON.stringify(wanted))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  await systemClock.sleep(ms)
  child.kill('SIGKILL')
  await ended
}

test('killed at any moment, it is put right by the next', { skip: labIsMissing, timeout: 120_000 }, async () => {
  await using lab = await Lab.create()
  const [a, b] = [await lab.sandbox(), await lab.sandbox()]
  const group = openGroup()
  const outside = labNetwork({ external: true, hostAddresses: [{ cidr: '172.24.4.1/24' }] }, '172.24.4.0/24')
  for (const ms of [0, 5, 15, 30, 50, 80, 120, 170, 230]) {
    const network = labNetwork()
    const list = { securityGroupIds: [group.id] }
    const router: WantedRouter = {
      id: network.id,
      portForwardings: [],
      routes: [],
      interfaces: [{ portId: network.id, networkId: network.id, mac: 'fa:16:3e:aa:00:01', addresses: ['10.9.0.1/24'] }],
      gateway: {
        portId: outside.id,
        networkId: outside.id,
        mac: 'fa:16:3e:bb:00:01',
        addresses: ['172.24.4.10/24'],
        gatewayIps: ['172.24.4.1'],
        snat: true,
      },
      floatingIps: [{ address: '172.24.4.50', fixedIp: '10.9.0.11' }],
    }
    const ports = [inSandbox(labPort(network, 11, list), a), inSandbox(labPort(network, 12, list), b)]
    const wanted = { networks: [outside, network], ports, routers: [router], securityGroups: [group] }
    await killedAfter(ms, lab, wanted)
    const next = lab.open()
    // The tools of the dead process may still be at work: what they spoil is repaired the time after.
    await until(async () => {
      const report = await next.sync(wanted)
      return report.portsFailed.length + report.problems.length + report.commands === 0
    }, 10_000)
    assert.equal(await lab.pings(a, '10.9.0.12'), true, `after ${ms} ms`)
    assert.equal(await lab.pings(lab.namespace(), '172.24.4.50'), true, `after ${ms} ms`)
    assert.deepEqual(await next.leaks(wanted), [])
    await killedAfter(ms, lab, noState())
    await until(async () => (await next.sync(noState())).commands === 0, 10_000)
    assert.deepEqual(await next.leaks(noState()), [])
  }
})
