/** IPv6 without anybody's advertisements: addresses and routes are there from the start, and routers forward it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { WantedNetwork, WantedPort, WantedRouter } from '#services/neutron/ports.ts'
import {
  inSandbox,
  Lab,
  labGroup,
  labIsMissing,
  labNetwork,
  labPort,
  noState,
  openGroup,
  type Sandbox,
} from './lab.ts'

/** 10.`number`.0.0/24 and fd00:`number`::/64. */
const dualNetwork = (number: number): WantedNetwork => {
  const network = labNetwork({}, `10.${number}.0.0/24`)
  const six = { cidr: `fd00:${number}::/64`, gatewayIp: `fd00:${number}::1` }
  network.subnets.push({ id: `six-${number}`, dnsNameservers: [], hostRoutes: [], enableDhcp: false, ...six })
  return network
}

const dualPort = (network: WantedNetwork, number: number, sandbox: Sandbox, groupId: string): WantedPort => {
  const port = inSandbox(labPort(network, 11, { securityGroupIds: [groupId] }), sandbox)
  const six = { ip: `fd00:${number}::11`, subnetId: `six-${number}`, prefixLength: 64 }
  return { ...port, addresses: [...port.addresses, six] }
}

test('a router carries IPv6 between its networks, and groups hold there too', { skip: labIsMissing }, async () => {
  await using lab = await Lab.create()
  const [a, b] = [await lab.sandbox(), await lab.sandbox()]
  const [netA, netB] = [dualNetwork(21), dualNetwork(22)]
  const [open, closed] = [openGroup(), labGroup([{ direction: 'egress', etherType: 'IPv6' }])]
  const router: WantedRouter = {
    id: randomUUID(),
    floatingIps: [],
    portForwardings: [],
    routes: [],
    interfaces: [netA, netB].map((network, at) => ({
      portId: randomUUID(),
      networkId: network.id,
      mac: `fa:16:3e:cc:00:0${at}`,
      addresses: [`10.${21 + at}.0.1/24`, `fd00:${21 + at}::1/64`],
    })),
  }
  const ports = [dualPort(netA, 21, a, open.id), dualPort(netB, 22, b, closed.id)]
  const wanted = { ...noState(), networks: [netA, netB], ports, routers: [router], securityGroups: [open, closed] }
  const report = await lab.host.sync(wanted)
  assert.deepEqual([report.portsFailed, report.problems], [[], []])
  assert.match((await lab.in(a.netns, 'ip', '-6', 'route')).output, /default via fd00:21::1 dev eth0/)
  assert.equal(await lab.pings(b, 'fd00:21::11'), true, 'through the router, and back')
  assert.equal(await lab.pings(a, 'fd00:22::11'), false, 'its group lets nobody in')
  assert.equal((await lab.in(a.netns, 'cat', '/proc/sys/net/ipv6/conf/eth0/accept_ra')).output.trim(), '0')
  assert.equal((await lab.host.sync(wanted)).commands, 0)
})
