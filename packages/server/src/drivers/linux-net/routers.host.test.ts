/** Routers with real packets: between subnets, out with SNAT, in by floating IP and port forwarding. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { HostNetworkState, WantedNetwork, WantedRouter } from '#services/neutron/ports.ts'
import { inSandbox, Lab, labIsMissing, labNetwork, labPort, noState, openGroup, type Sandbox } from './lab.ts'

describe('a router', { skip: labIsMissing }, () => {
  let lab: Lab
  const group = openGroup()
  const list = { securityGroupIds: [group.id] }
  const outside = labNetwork({ external: true, hostAddresses: [{ cidr: '172.24.4.1/24' }] }, '172.24.4.0/24')
  const [netA, netA2, netB] = [
    labNetwork({}, '10.9.0.0/24'),
    labNetwork({}, '10.9.1.0/24'),
    labNetwork({}, '10.9.0.0/24'),
  ]
  const boxes: Record<'a' | 'a2' | 'b' | 'peer', Sandbox> = { a: nobody(), a2: nobody(), b: nobody(), peer: nobody() }
  let routerA: WantedRouter
  let routerB: WantedRouter
  let wanted: HostNetworkState

  const router = (last: number, networks: WantedNetwork[]): WantedRouter => ({
    id: randomUUID(),
    floatingIps: [],
    portForwardings: [],
    routes: [],
    interfaces: networks.map((network, index) => ({
      portId: randomUUID(),
      networkId: network.id,
      mac: `fa:16:3e:aa:0${index}:${last.toString(16).padStart(2, '0')}`,
      addresses: [`${network.subnets[0]?.gatewayIp}/24`],
    })),
    gateway: {
      portId: randomUUID(),
      networkId: outside.id,
      mac: `fa:16:3e:bb:00:${last.toString(16).padStart(2, '0')}`,
      addresses: [`172.24.4.${last}/24`],
      gatewayIps: ['172.24.4.1'],
      snat: true,
    },
  })
  const apply = async (change: Partial<HostNetworkState>) => {
    wanted = { ...wanted, ...change }
    const report = await lab.host.sync(wanted)
    assert.deepEqual([report.portsFailed, report.problems], [[], []])
    return report
  }

  before(async () => {
    lab = await Lab.create()
    for (const name of ['a', 'a2', 'b', 'peer'] as const) boxes[name] = await lab.sandbox()
    routerA = router(10, [netA, netA2])
    routerB = router(20, [netB])
    wanted = {
      networks: [outside, netA, netA2, netB],
      routers: [routerA, routerB],
      securityGroups: [group],
      ports: [
        inSandbox(labPort(netA, 11, list), boxes.a),
        inSandbox(labPort(netA2, 12, list), boxes.a2),
        inSandbox(labPort(netB, 11, list), boxes.b),
        inSandbox(labPort(outside, 99, list), boxes.peer),
      ],
    }
    await apply({})
    await lab.listen(boxes.a, 80, 'server a')
    await lab.listen(boxes.b, 80, 'server b')
  })
  after(() => lab[Symbol.asyncDispose]())

  test('joins its subnets, and no others', async () => {
    assert.equal(await lab.pings(boxes.a, '10.9.1.12'), true)
    assert.equal(await lab.asks(boxes.a2, '10.9.0.11', 80), 'server a')
    assert.equal(await lab.pings(boxes.b, '10.9.1.12'), false)
  })

  test('hides its networks behind its own address', async () => {
    assert.equal(await lab.pings(boxes.a, '172.24.4.1'), true, 'the host as gateway')
    await lab.listenForPeer(boxes.peer, 90)
    assert.match(await lab.asks(boxes.a, '172.24.4.99', 90), /172\.24\.4\.10$/)
    assert.match(await lab.asks(boxes.b, '172.24.4.99', 90), /172\.24\.4\.20$/)
  })

  test('gives two servers of one fixed IP two floating IPs', async () => {
    await apply({
      routers: [
        {
          ...routerA,
          floatingIps: [
            { address: '172.24.4.101', fixedIp: '10.9.0.11' },
            { address: '172.24.4.103', fixedIp: '10.9.1.12' },
          ],
        },
        { ...routerB, floatingIps: [{ address: '172.24.4.102', fixedIp: '10.9.0.11' }] },
      ],
    })
    for (const from of [boxes.peer.netns, lab.namespace(), boxes.b.netns, boxes.a2.netns]) {
      assert.equal(await lab.asks(from, '172.24.4.101', 80), 'server a')
      assert.equal(await lab.asks(from, '172.24.4.102', 80), 'server b')
    }
    assert.match(await lab.asks(boxes.a, '172.24.4.99', 90), /172\.24\.4\.101$/, 'and they speak with it')
    await lab.listenForPeer(boxes.a2, 90)
    assert.match(await lab.asks(boxes.a, '172.24.4.103', 90), /172\.24\.4\.101$/, 'to a neighbour too')
    assert.equal((await lab.host.sync(wanted)).commands, 0)
  })

  test('lets a floating IP move to another router at once', async () => {
    assert.equal(await lab.asks(boxes.peer, '172.24.4.101', 80), 'server a')
    await apply({
      routers: [routerA, { ...routerB, floatingIps: [{ address: '172.24.4.101', fixedIp: '10.9.0.11' }] }],
    })
    assert.equal(await lab.asks(boxes.peer, '172.24.4.101', 80), 'server b')
    await apply({ routers: [routerA, routerB] })
    assert.equal(await lab.asks(boxes.peer, '172.24.4.101', 80), '')
  })

  test('ends the connections of a floating IP that is taken away', async () => {
    const floatingIps = [{ address: '172.24.4.101', fixedIp: '10.9.0.11' }]
    await apply({ routers: [{ ...routerA, floatingIps }, routerB] })
    const inbound = lab.stream(boxes.peer, boxes.a, '172.24.4.101', 96)
    const outbound = lab.stream(boxes.a, boxes.peer, '172.24.4.99', 97)
    await Promise.all([inbound.flowing(), outbound.flowing()])
    await apply({
      routers: [{ ...routerA, floatingIps: [{ address: '172.24.4.101', fixedIp: '10.9.0.12' }] }, routerB],
    })
    await inbound.stalled()
    await apply({ routers: [routerA, routerB] })
    await outbound.stalled()
  })

  test('forwards single ports', async () => {
    const forwarding = {
      address: '172.24.4.110',
      protocol: 'tcp',
      externalPort: 8080,
      internalIp: '10.9.0.11',
      internalPort: 80,
    } as const
    await apply({ routers: [{ ...routerA, portForwardings: [forwarding] }, routerB] })
    assert.equal(await lab.asks(boxes.peer, '172.24.4.110', 8080), 'server a')
    assert.equal(await lab.asks(boxes.peer, '172.24.4.110', 80), '')
    assert.equal(await lab.asks(boxes.a2, '172.24.4.110', 8080), 'server a', 'from inside too')
  })

  test('keeps established connections over a sync that changes others', async () => {
    await apply({
      routers: [{ ...routerA, floatingIps: [{ address: '172.24.4.101', fixedIp: '10.9.0.11' }] }, routerB],
    })
    const stream = lab.stream(boxes.peer, boxes.a, '172.24.4.101', 95)
    await stream.flowing()
    await apply({
      routers: [
        {
          ...routerA,
          floatingIps: [
            { address: '172.24.4.101', fixedIp: '10.9.0.11' },
            { address: '172.24.4.105', fixedIp: '10.9.1.12' },
          ],
        },
        routerB,
      ],
    })
    await stream.flowing()
  })

  test('has extra routes, without SNAT when told, and loses what is taken away', async () => {
    const bare = {
      ...routerA,
      routes: [{ destination: '10.77.0.0/16', nexthop: '10.9.0.11' }],
      gateway: { ...routerA.gateway, snat: false } as WantedRouter['gateway'],
    }
    await apply({ routers: [bare, routerB] })
    const path = `/run/netns/${lab.names.routerNamespace(routerA.id)}`
    assert.match((await lab.in(path, 'ip', 'route')).output, /10\.77\.0\.0\/16 via 10\.9\.0\.11/)
    assert.equal(await lab.asks(boxes.a, '172.24.4.99', 90), '', 'nobody outside knows the way back')
    await apply({ routers: [{ ...routerA, gateway: undefined, interfaces: routerA.interfaces.slice(0, 1) }, routerB] })
    assert.doesNotMatch((await lab.in(path, 'ip', 'route')).output, /10\.77|default|10\.9\.1/)
    assert.equal(await lab.pings(boxes.a, '10.9.1.12'), false)
    await apply({ routers: [routerA, routerB] })
    assert.equal(await lab.pings(boxes.a, '10.9.1.12'), true)
  })

  const damages: [name: string, damage: () => Promise<{ ok: boolean; output: string }>][] = [
    ['its namespace', () => lab.in(lab.namespace(), 'ip', 'netns', 'del', lab.names.routerNamespace(routerA.id))],
    [
      "the external network's namespace",
      () => lab.in(lab.namespace(), 'ip', 'netns', 'del', lab.names.networkNamespace(outside.id)),
    ],
    ['the bridge of its network', () => lab.in(lab.host.namespaceOf(netA.id), 'ip', 'link', 'del', 'dev', 'br')],
    ['its translation', () => lab.in(`/run/netns/${lab.names.routerNamespace(routerA.id)}`, 'nft', 'flush', 'ruleset')],
    [
      'its default route',
      () => lab.in(`/run/netns/${lab.names.routerNamespace(routerA.id)}`, 'ip', 'route', 'del', 'default'),
    ],
  ]
  for (const [name, damage] of damages) {
    test(`heals when it lost ${name}`, async () => {
      const done = await damage()
      assert.equal(done.ok, true, done.output)
      assert.notEqual((await apply({})).commands, 0)
      assert.match(await lab.asks(boxes.a, '172.24.4.99', 90), /172\.24\.4\.10$/)
      assert.equal((await lab.host.sync(wanted)).commands, 0)
    })
  }

  test('masquerades what leaves the host, when told', async () => {
    const world = await lab.sandbox()
    await lab.wire(lab.namespace(), '203.0.113.1/24', world.netns, '203.0.113.2/24')
    await lab.listenForPeer(world, 90)
    assert.equal(await lab.asks(boxes.a, '203.0.113.2', 90), '', 'the world does not know the way back')
    await apply({ networks: [{ ...outside, masquerade: true }, netA, netA2, netB] })
    assert.match(await lab.asks(boxes.a, '203.0.113.2', 90), /203\.0\.113\.1$/)
    assert.equal(await lab.pings(boxes.b, '10.9.1.12'), false, "the way out leads into nobody else's network")
    assert.equal((await lab.host.sync(wanted)).commands, 0)
  })

  test('leaves nothing when all is deleted', async () => {
    await lab.host.sync(noState())
    assert.deepEqual(await lab.host.leaks(noState()), [])
    assert.equal((await lab.in(lab.namespace(), 'nft', 'list', 'ruleset')).output.trim(), '')
  })
})

function nobody(): Sandbox {
  return { id: '', pid: 0, netns: '' }
}
