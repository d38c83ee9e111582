/** One network on three hosts: frames travel by VXLAN, each to its host, and tenants stay apart. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { WantedNetwork, WantedPort } from '#services/neutron/ports.ts'
import { inSandbox, Lab, labGroup, labIsMissing, labNetwork, labPort, noState, openGroup, type Sandbox } from './lab.ts'

describe('a network over three hosts', { skip: labIsMissing }, () => {
  const hosts: Lab[] = []
  const boxes: Sandbox[] = []
  let fabric: Lab
  const group = openGroup()
  const [shared, other] = [labNetwork({ segmentationId: 4711 }), labNetwork({ segmentationId: 4712 })]
  const address = (host: number) => `10.88.0.${host + 1}`
  const ports: WantedPort[] = []
  let strangers: WantedPort[] = []

  const seenFrom = (network: WantedNetwork, list: WantedPort[], host: number): WantedNetwork => ({
    ...network,
    remotes: list.flatMap((port, index) =>
      index === host || !port.sandbox ? [] : [{ address: address(index), macs: [port.mac] }],
    ),
  })
  const applyTo = async (host: number, groups = [group]) => {
    const mine = [ports[host], strangers[host]].filter((port) => port?.sandbox !== undefined) as WantedPort[]
    const wanted = {
      ...noState(),
      networks: [seenFrom(shared, ports, host), seenFrom(other, strangers, host)],
      ports: mine,
      securityGroups: groups,
    }
    const report = await hosts[host]?.host.sync(wanted)
    assert.deepEqual([report?.portsFailed, report?.problems], [[], []])
    return { wanted, report }
  }

  before(async () => {
    fabric = await Lab.create('fabric')
    await fabric.in(
      fabric.namespace(),
      'ip',
      'link',
      'add',
      'name',
      'fab',
      'type',
      'bridge',
      'stp_state',
      '0',
      'forward_delay',
      '0',
    )
    await fabric.in(fabric.namespace(), 'ip', 'link', 'set', 'dev', 'fab', 'up')
    for (let host = 0; host < 3; host++) {
      const lab = await Lab.create(`h${host}`, {
        underlay: { address: address(host) },
        ...(hosts[0] ? { peer: hosts[0] } : {}),
      })
      hosts.push(lab)
      await lab.uplink(fabric.namespace(), 'fab', `${address(host)}/24`)
      const box = await lab.sandbox()
      boxes.push(box)
      ports.push(inSandbox(labPort(shared, 11 + host, { securityGroupIds: [group.id] }), box))
    }
    const [strangerA, strangerB] = [await fabric.sandbox(), await fabric.sandbox()]
    strangers = [
      inSandbox(labPort(other, 11, { securityGroupIds: [group.id] }), strangerA),
      inSandbox(labPort(other, 22, { securityGroupIds: [group.id] }), strangerB),
    ]
    for (let host = 0; host < 3; host++) await applyTo(host)
  })
  after(async () => {
    for (const lab of [...hosts, fabric]) await lab[Symbol.asyncDispose]()
  })
  const box = (host: number): Sandbox => {
    const found = boxes[host]
    assert.ok(found)
    return found
  }

  test('each reaches each, with whole packets', async () => {
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const) {
      assert.equal(await hosts[0]?.pings(box(from), `10.9.0.${11 + to}`), true, `${from} to ${to}`)
    }
    const big = await fabric.in(box(0).netns, 'ping', '-c1', '-W1', '-M', 'do', '-s', '1422', '10.9.0.12')
    assert.equal(big.ok, true, big.output)
    await hosts[1]?.listen(box(1), 80, 'far away')
    assert.equal(await hosts[0]?.asks(box(0), '10.9.0.12', 80), 'far away')
  })

  test('another network with the same prefix is another world', async () => {
    const stranger = strangers[0]?.sandbox?.netns ?? ''
    assert.equal(await fabric.pings(stranger, '10.9.0.22'), true)
    assert.equal(await fabric.pings(stranger, '10.9.0.12'), false)
  })

  test('known addresses go to their host alone', async () => {
    await fabric.pings(box(0), '10.9.0.12')
    const table = await fabric.in(hosts[0]?.host.namespaceOf(shared.id) ?? '', 'bridge', 'fdb', 'show', 'dev', 'vx')
    assert.match(table.output, new RegExp(`${ports[1]?.mac} dst 10.88.0.2`))
    assert.match(table.output, /00:00:00:00:00:00 dst 10\.88\.0\.2[\s\S]*00:00:00:00:00:00 dst 10\.88\.0\.3/)
  })

  test('security groups filter what comes from afar', async () => {
    const closed = labGroup([{ direction: 'egress' }])
    ports[1] = { ...(ports[1] as WantedPort), securityGroupIds: [closed.id] }
    await applyTo(1, [group, closed])
    assert.equal(await fabric.pings(box(0), '10.9.0.12'), false)
    ports[1] = { ...(ports[1] as WantedPort), securityGroupIds: [group.id] }
    await applyTo(1)
    assert.equal(await fabric.pings(box(0), '10.9.0.12'), true)
  })

  test('nothing is done twice, and a lost device or a host that left is put right', async () => {
    const { wanted } = await applyTo(0)
    assert.equal((await hosts[0]?.host.sync(wanted))?.commands, 0)
    assert.equal(
      (await fabric.in(hosts[0]?.host.namespaceOf(shared.id) ?? '', 'ip', 'link', 'del', 'dev', 'vx')).ok,
      true,
    )
    await applyTo(0)
    assert.equal(await fabric.pings(box(0), '10.9.0.13'), true)
    ports[2] = { ...(ports[2] as WantedPort), sandbox: undefined }
    await applyTo(0)
    const table = await fabric.in(hosts[0]?.host.namespaceOf(shared.id) ?? '', 'bridge', 'fdb', 'show', 'dev', 'vx')
    assert.doesNotMatch(table.output, /10\.88\.0\.3/)
  })
})
