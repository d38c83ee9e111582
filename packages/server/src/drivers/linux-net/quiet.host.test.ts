/** A port that comes up says nothing to its neighbours: else a thousand ports would cost a million frames. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inSandbox, Lab, labIsMissing, labNetwork, labPort, openGroup, until, type Sandbox } from './lab.ts'
import { portDevice } from './names.ts'

const counter = async (lab: Lab, at: Sandbox, name: string): Promise<number> => {
  const line = (await lab.in(at.netns, 'cat', '/proc/net/snmp6')).output
    .split('\n')
    .find((each) => each.includes(name))
  return Number(line?.split(/\s+/)[1] ?? 0)
}

test('neighbours hear nothing of a port that comes up', { skip: labIsMissing }, async () => {
  await using lab = await Lab.create()
  const [first, four, six] = [await lab.sandbox(), await lab.sandbox(), await lab.sandbox()]
  const network = labNetwork()
  network.subnets.push({ id: 'six', cidr: 'fd00:9::/64', dnsNameservers: [], hostRoutes: [], enableDhcp: false })
  const group = openGroup()
  const portOf = (last: number, sandbox: Sandbox, isDual: boolean) => {
    const port = inSandbox(labPort(network, last, { securityGroupIds: [group.id] }), sandbox)
    const extra = isDual ? [{ ip: `fd00:9::${last}`, subnetId: 'six', prefixLength: 64 }] : []
    return { ...port, addresses: [...port.addresses, ...extra] }
  }
  const listener = portOf(11, first, true)
  await lab.host.plug(network, listener, [group])
  const heard = async (): Promise<number> => {
    const path = `/sys/class/net/${portDevice(listener.id)}/statistics/tx_packets`
    // Entered by `ip netns exec`, which mounts the namespace's own /sys.
    const name = lab.names.networkNamespace(network.id)
    return Number((await lab.in(lab.namespace(), 'ip', 'netns', 'exec', name, 'cat', path)).output)
  }
  const before = await heard()
  await lab.host.plug(network, portOf(12, four, false), [group])
  await lab.host.plug(network, portOf(13, six, true), [group])
  await until(async () => (await counter(lab, six, 'Icmp6OutMLDv2Reports')) > 0)
  assert.equal(await heard(), before)
  assert.equal(await counter(lab, four, 'Icmp6OutMsgs'), 0, 'without an IPv6 address it does not speak IPv6 at all')
  assert.equal(await lab.pings(six, 'fd00:9::11'), true, 'and yet they find each other')
  assert.ok((await heard()) > before, 'which is heard')
})
