/** Whatever is broken by hand or by a crash, one sync repairs; what is ours and unwanted, it removes. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { HostNetworkState } from '#services/neutron/ports.ts'
import { inSandbox, Lab, labIsMissing, labNetwork, labPort, noState, openGroup, type Sandbox } from './lab.ts'
import { bridgeDevice, portDevice } from './names.ts'

describe('one sync heals', { skip: labIsMissing }, () => {
  let lab: Lab
  let a: Sandbox
  let b: Sandbox
  let wanted: HostNetworkState
  const network = labNetwork()
  const group = openGroup()
  const inside = () => lab.host.namespaceOf(network.id)
  const portIn = (sandbox: Sandbox, last: number) =>
    inSandbox(labPort(network, last, { securityGroupIds: [group.id] }), sandbox)

  before(async () => {
    lab = await Lab.create()
    ;[a, b] = [await lab.sandbox(), await lab.sandbox()]
    wanted = { ...noState(), networks: [network], securityGroups: [group], ports: [portIn(a, 11), portIn(b, 12)] }
    await lab.host.sync(wanted)
  })
  after(() => lab[Symbol.asyncDispose]())

  const healed = async () => {
    const report = await lab.host.sync(wanted)
    assert.deepEqual([report.portsFailed, report.problems], [[], []])
    assert.notEqual(report.commands, 0, 'the damage was seen')
    assert.equal(await lab.pings(a, '10.9.0.12'), true)
    assert.equal(await lab.pings(lab.namespace(), '10.9.0.11'), true)
    assert.equal((await lab.host.sync(wanted)).commands, 0, 'and is repaired whole')
  }
  const damage = async (...command: string[]) => {
    const done = await lab.in(inside(), ...command)
    assert.equal(done.ok, true, done.output)
  }
  const device = () => portDevice(wanted.ports[0]?.id ?? '')

  const damages: [name: string, command: () => string[]][] = [
    ['a bridge that was deleted by hand', () => ['ip', 'link', 'del', 'dev', bridgeDevice]],
    ['a bridge that is down', () => ['ip', 'link', 'set', 'dev', bridgeDevice, 'down']],
    ['a bridge that lost an address', () => ['ip', 'addr', 'del', '10.9.0.2/24', 'dev', bridgeDevice]],
    ['a flushed filter', () => ['nft', 'flush', 'ruleset']],
    ['one lost table', () => ['nft', 'delete', 'table', 'bridge', lab.names.table]],
    ['a rule that was added', () => ['nft', 'add', 'rule', 'inet', lab.names.table, 'forward', 'drop']],
    ['a chain that was emptied', () => ['nft', 'flush', 'chain', 'inet', lab.names.table, 'prerouting']],
    [
      'an element that was removed',
      () => ['nft', 'delete', 'element', 'bridge', lab.names.table, 'marks', `{ "${device()}" }`],
    ],
    ['a veth that is gone', () => ['ip', 'link', 'del', 'dev', device()]],
    ['a veth that left its bridge', () => ['ip', 'link', 'set', 'dev', device(), 'nomaster']],
    ['a veth that is down', () => ['ip', 'link', 'set', 'dev', device(), 'down']],
    ['a switch that was turned', () => ['sh', '-c', 'echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables']],
    ["the host's leg", () => ['ip', 'link', 'del', 'dev', 'host']],
  ]
  for (const [name, command] of damages) {
    test(name, async () => {
      await damage(...command())
      await healed()
    })
  }

  test('the whole namespace', async () => {
    assert.equal((await lab.in(lab.namespace(), 'ip', 'netns', 'del', lab.names.networkNamespace(network.id))).ok, true)
    await healed()
  })

  test('a namespace that a crash left half-made', async () => {
    await lab.in(lab.namespace(), 'ip', 'netns', 'del', lab.names.networkNamespace(network.id))
    await lab.in(lab.namespace(), 'touch', inside())
    await healed()
  })

  test('a container that was restarted, without a word to its neighbours', async () => {
    await lab.kill(b)
    b = await lab.sandbox()
    wanted = { ...wanted, ports: wanted.ports.map((port, index) => (index === 1 ? inSandbox(port, b) : port)) }
    await healed()
  })

  test('a port of a dead container fails alone and says why', async () => {
    const dead = await lab.sandbox()
    const port = portIn(dead, 13)
    await lab.kill(dead)
    const report = await lab.host.sync({ ...wanted, ports: [...wanted.ports, port] })
    assert.deepEqual(
      report.portsUp,
      wanted.ports.map((each) => each.id),
    )
    assert.match(report.portsFailed[0]?.reason ?? '', /the sandbox of workload .* is gone/)
  })

  test('a device name that is taken fails that port alone, and leaves nothing behind', async () => {
    const taken = await lab.sandbox()
    await lab.in(taken.netns, 'ip', 'link', 'add', 'name', 'eth0', 'type', 'bridge')
    const port = portIn(taken, 14)
    await assert.rejects(
      lab.host.plug(network, port, [group]),
      /could not plug port .*: RTNETLINK answers: File exists/,
    )
    const report = await lab.host.sync({ ...wanted, ports: [...wanted.ports, port] })
    assert.deepEqual(
      report.portsFailed.map((failure) => failure.portId),
      [port.id],
    )
    assert.equal(await lab.pings(a, '10.9.0.12'), true)
    await lab.host.sync(wanted)
  })

  test('plug by a process that knows nothing, over a flushed filter, breaks nobody that sync knew', async () => {
    const c = await lab.sandbox()
    await damage('nft', 'flush', 'ruleset')
    const port = portIn(c, 15)
    await lab.host.plug(network, port, [group])
    assert.equal(await lab.pings(c, '10.9.0.11'), true)
    await lab.host.sync({ ...wanted, ports: [...wanted.ports, port] })
    assert.equal(await lab.pings(a, '10.9.0.12'), true)
    await lab.host.unplug(port.id)
    await lab.host.sync(wanted)
  })

  test('leaks are found by their mark and reaped', async () => {
    const stranger = labNetwork({}, '10.8.0.0/24')
    await lab.host.sync({ ...wanted, networks: [network, stranger] })
    const leaks = await lab.open().leaks(wanted)
    assert.deepEqual(leaks.map((leak) => [leak.kind, leak.name]).sort(), [
      ['link', lab.names.hostLeg(stranger.id)],
      ['netns', lab.names.networkNamespace(stranger.id)],
    ])
    await lab.open().sync(wanted)
    assert.deepEqual(await lab.host.leaks(wanted), [])
    assert.equal(
      (await lab.in(lab.namespace(), 'ip', '-br', 'link', 'show', 'type', 'veth')).output.includes(
        lab.names.hostLeg(stranger.id),
      ),
      false,
    )
  })

  test('one stray port is a leak too', async () => {
    assert.deepEqual(
      (await lab.host.leaks({ ...wanted, ports: wanted.ports.slice(1) })).map((leak) => leak.name),
      [device()],
    )
  })
})
