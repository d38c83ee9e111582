/** Ports on a real host: plugged, filtered, healed, removed; asserted with packets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inSandbox, Lab, labGroup, labIsMissing, labNetwork, labPort, noState, openGroup } from './lab.ts'

const options = { skip: labIsMissing }

test('two plugged ports reach each other, with address, MTU, MAC and default route in place', options, async () => {
  await using lab = await Lab.create()
  const [a, b] = [await lab.sandbox(), await lab.sandbox()]
  const network = labNetwork()
  const group = openGroup()
  const [portA, portB] = [
    inSandbox(labPort(network, 11, { securityGroupIds: [group.id] }), a),
    inSandbox(labPort(network, 12, { securityGroupIds: [group.id] }), b),
  ]
  await lab.host.plug(network, portA, [group])
  await lab.host.plug(network, portB, [group])
  await lab.host.plug(network, portB, [group])
  const device = (await lab.in(a.netns, 'ip', 'addr', 'show', 'eth0')).output
  assert.match(device, /inet 10\.9\.0\.11\/24/)
  assert.match(device, new RegExp(portA.mac))
  assert.match(device, /mtu 1450/)
  assert.match(
    (await lab.in(a.netns, 'ip', 'route')).output,
    /default via 10\.9\.0\.1 dev eth0[\s\S]*169\.254\.169\.254 dev eth0/,
  )
  assert.equal(await lab.pings(a, '10.9.0.12'), true)
  await lab.listen(b, 8080, 'from b')
  assert.equal(await lab.asks(a, '10.9.0.12', 8080), 'from b')
  await lab.host.unplug(portB.id)
  await lab.host.unplug(portB.id)
  assert.equal(await lab.pings(a, '10.9.0.12'), false)
  assert.doesNotMatch((await lab.in(b.netns, 'ip', '-br', 'link')).output, /eth0/)
})

test('without a rule nothing comes in, replies do, and the container cannot undo it', options, async () => {
  await using lab = await Lab.create()
  const [a, b] = [await lab.sandbox(), await lab.sandbox()]
  const network = labNetwork()
  const [open, closed] = [openGroup(), labGroup([{ direction: 'egress' }])]
  await lab.host.plug(network, inSandbox(labPort(network, 11, { securityGroupIds: [open.id] }), a), [open])
  await lab.host.plug(network, inSandbox(labPort(network, 12, { securityGroupIds: [closed.id] }), b), [closed])
  assert.equal(await lab.pings(a, '10.9.0.12'), false)
  assert.equal(await lab.pings(b, '10.9.0.11'), true, 'replies to what the container began pass')
  await lab.in(b.netns, 'nft', 'flush', 'ruleset')
  assert.equal(await lab.pings(a, '10.9.0.12'), false, 'there is nothing to flush inside')
})

test('a sync of the same state runs nothing, and of no state leaves nothing', options, async () => {
  await using lab = await Lab.create()
  const [a, b] = [await lab.sandbox(), await lab.sandbox()]
  const network = labNetwork()
  const group = openGroup()
  const ports = [
    inSandbox(labPort(network, 11, { securityGroupIds: [group.id] }), a),
    inSandbox(labPort(network, 12, { securityGroupIds: [group.id] }), b),
  ]
  const wanted = { ...noState(), networks: [network], ports, securityGroups: [group] }
  const first = await lab.host.sync(wanted)
  assert.deepEqual(first.portsFailed, [])
  assert.deepEqual(
    first.portsUp,
    ports.map((port) => port.id),
  )
  assert.equal(await lab.pings(a, '10.9.0.12'), true)
  assert.equal((await lab.host.sync(wanted)).commands, 0)
  assert.equal((await lab.open().sync(wanted)).commands, 0, 'a restarted process finds everything in place')
  assert.deepEqual(await lab.host.leaks(wanted), [])
  await lab.host.sync(noState())
  assert.doesNotMatch((await lab.in(lab.namespace(), 'ls', '/run/netns')).output, new RegExp(lab.names.tag))
})
