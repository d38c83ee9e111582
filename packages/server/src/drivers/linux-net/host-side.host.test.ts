/** The host's own way into tenant networks: there for the first claimant of a prefix, never a way between tenants. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inSandbox, Lab, labGroup, labIsMissing, labNetwork, labPort, noState, openGroup } from './lab.ts'

const options = { skip: labIsMissing }

test('the host reaches a container at once, and the container does not reach the host', options, async () => {
  await using lab = await Lab.create()
  const box = await lab.sandbox()
  const network = labNetwork()
  const group = labGroup([{ direction: 'egress' }])
  const port = inSandbox(labPort(network, 11, { securityGroupIds: [group.id] }), box)
  await lab.host.plug(network, port, [group])
  assert.equal(await lab.pings(lab.namespace(), '10.9.0.11'), true)
  await lab.listen(box, 8080, 'inside')
  assert.equal(await lab.asks(lab.namespace(), '10.9.0.11', 8080), 'inside')
  await lab.listen(lab.namespace(), 22, 'the host')
  assert.equal(await lab.asks(box, '10.9.0.2', 22), '')
  assert.equal(await lab.asks(box, '169.254.255.254', 22), '')
  await lab.in(box.netns, 'ip', 'route', 'add', '169.254.255.254/32', 'via', '10.9.0.2', 'dev', 'eth0')
  assert.equal(await lab.asks(box, '169.254.255.254', 22), '', 'not even with a route of its own')
})

test('of two networks with one prefix the host reaches the first, and they never meet', options, async () => {
  await using lab = await Lab.create()
  const [a, b, b2] = [await lab.sandbox(), await lab.sandbox(), await lab.sandbox()]
  const [netA, netB] = [labNetwork(), labNetwork()]
  const group = openGroup()
  const list = { securityGroupIds: [group.id] }
  const wanted = {
    ...noState(),
    networks: [netA, netB],
    securityGroups: [group],
    ports: [
      inSandbox(labPort(netA, 11, list), a),
      inSandbox(labPort(netB, 11, list), b),
      inSandbox(labPort(netB, 12, list), b2),
    ],
  }
  assert.deepEqual((await lab.host.sync(wanted)).problems, [])
  await lab.listen(a, 80, 'tenant a')
  await lab.listen(b, 80, 'tenant b')
  assert.equal(await lab.asks(lab.namespace(), '10.9.0.11', 80), 'tenant a')
  assert.equal(await lab.asks(b2, '10.9.0.11', 80), 'tenant b')
  assert.equal(await lab.pings(a, '10.9.0.12'), false, 'only tenant b has that address')
  assert.equal((await lab.host.sync(wanted)).commands, 0)
  await lab.host.sync({ ...wanted, networks: [netB], ports: wanted.ports.slice(1) })
  assert.equal(await lab.asks(lab.namespace(), '10.9.0.11', 80), 'tenant b', 'the prefix is free again')
})

test('a prefix that the host uses itself is left to it', options, async () => {
  await using lab = await Lab.create()
  const box = await lab.sandbox()
  await lab.in(lab.namespace(), 'ip', 'addr', 'add', '10.9.0.1/16', 'dev', 'lo')
  const network = labNetwork()
  const group = openGroup()
  await lab.host.plug(network, inSandbox(labPort(network, 11, { securityGroupIds: [group.id] }), box), [group])
  assert.doesNotMatch((await lab.in(lab.namespace(), 'ip', 'route')).output, /10\.9\.0\.0/)
})
