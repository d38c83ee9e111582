/** Security groups and anti-spoofing, measured with packets: what is allowed passes, all else does not. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { WantedPort, WantedRule, WantedSecurityGroup } from '#services/neutron/ports.ts'
import {
  allEgress,
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

describe('the filter of a port', { skip: labIsMissing }, () => {
  let lab: Lab
  let client: Sandbox
  let server: Sandbox
  const v6 = 'fd00:9::'
  const network = labNetwork()
  network.subnets.push({ id: 'six', cidr: `${v6}/64`, dnsNameservers: [], hostRoutes: [], enableDhcp: false })
  const open = openGroup()
  const dual = (last: number, change: Partial<WantedPort>): WantedPort => {
    const port = labPort(network, last, change)
    return { ...port, addresses: [...port.addresses, { ip: `${v6}${last}`, subnetId: 'six', prefixLength: 64 }] }
  }

  before(async () => {
    lab = await Lab.create()
    ;[client, server] = [await lab.sandbox(), await lab.sandbox()]
    for (const port of [80, 81]) await lab.listen(server, port, `port ${port}`)
    clientPort = inSandbox(dual(11, { securityGroupIds: [open.id] }), client)
    serverPort = inSandbox(dual(12, {}), server)
  })
  after(() => lab[Symbol.asyncDispose]())
  let clientPort: WantedPort
  let serverPort: WantedPort

  /** Puts the server's port under these groups, beside the client's open one. */
  const apply = async (
    groups: WantedSecurityGroup[],
    change: Partial<WantedPort> = {},
    others: WantedSecurityGroup[] = [],
  ) => {
    const port = { ...serverPort, securityGroupIds: groups.map((group) => group.id), ...change }
    const report = await lab.host.sync({
      ...noState(),
      networks: [network],
      ports: [clientPort, port],
      securityGroups: [open, ...groups, ...others],
    })
    assert.deepEqual([report.portsFailed, report.problems], [[], []])
  }
  const web = (port: number, address = '10.9.0.12') => lab.asks(client, address, port)

  const matrix: {
    name: string
    rules: Partial<WantedRule>[]
    tcp80: boolean
    tcp81: boolean
    ping: boolean
    ping6: boolean
  }[] = [
    { name: 'nothing', rules: [], tcp80: false, tcp81: false, ping: false, ping6: false },
    { name: 'all of IPv4', rules: [{}], tcp80: true, tcp81: true, ping: true, ping6: false },
    { name: 'all of IPv6', rules: [{ etherType: 'IPv6' }], tcp80: false, tcp81: false, ping: false, ping6: true },
    { name: 'TCP', rules: [{ protocol: 'tcp' }], tcp80: true, tcp81: true, ping: false, ping6: false },
    {
      name: 'one port',
      rules: [{ protocol: '6', portMin: 81, portMax: 81 }],
      tcp80: false,
      tcp81: true,
      ping: false,
      ping6: false,
    },
    {
      name: 'a range',
      rules: [{ protocol: 'tcp', portMin: 79, portMax: 80 }],
      tcp80: true,
      tcp81: false,
      ping: false,
      ping6: false,
    },
    { name: 'UDP', rules: [{ protocol: 'udp' }], tcp80: false, tcp81: false, ping: false, ping6: false },
    { name: 'ICMP', rules: [{ protocol: 'icmp' }], tcp80: false, tcp81: false, ping: true, ping6: false },
    {
      name: 'echo request',
      rules: [{ protocol: 'icmp', portMin: 8, portMax: 0 }],
      tcp80: false,
      tcp81: false,
      ping: true,
      ping6: false,
    },
    {
      name: 'another ICMP type',
      rules: [{ protocol: 'icmp', portMin: 13 }],
      tcp80: false,
      tcp81: false,
      ping: false,
      ping6: false,
    },
    {
      name: 'ICMP of IPv6',
      rules: [{ protocol: 'icmp', etherType: 'IPv6', portMin: 128 }],
      tcp80: false,
      tcp81: false,
      ping: false,
      ping6: true,
    },
    {
      name: 'the client as a prefix',
      rules: [{ remoteCidr: '10.9.0.11/32' }],
      tcp80: true,
      tcp81: true,
      ping: true,
      ping6: false,
    },
    {
      name: 'somebody else',
      rules: [{ remoteCidr: '10.9.0.64/26' }],
      tcp80: false,
      tcp81: false,
      ping: false,
      ping6: false,
    },
    {
      name: 'an address group',
      rules: [{ remoteAddresses: ['10.9.0.0/28', '10.9.0.11', 'fd00:9::11'] }],
      tcp80: true,
      tcp81: true,
      ping: true,
      ping6: false,
    },
    {
      name: 'an empty address group',
      rules: [{ remoteAddresses: [] }],
      tcp80: false,
      tcp81: false,
      ping: false,
      ping6: false,
    },
    { name: 'egress only', rules: allEgress, tcp80: false, tcp81: false, ping: false, ping6: false },
  ]
  for (const { name, rules, ...expected } of matrix) {
    test(`a group that allows ${name}`, async () => {
      await apply([labGroup(rules)])
      const [tcp80, tcp81, ping, ping6] = await Promise.all([
        web(80),
        web(81),
        lab.pings(client, '10.9.0.12'),
        lab.pings(client, `${v6}12`),
      ])
      assert.deepEqual({ tcp80: tcp80 !== '', tcp81: tcp81 !== '', ping, ping6 }, expected)
    })
  }

  test('two groups allow what either allows', async () => {
    await apply([labGroup([{ protocol: 'icmp' }]), labGroup([{ protocol: 'tcp', portMin: 80, portMax: 80 }])])
    assert.deepEqual([await web(80), await web(81), await lab.pings(client, '10.9.0.12')], ['port 80', '', true])
  })

  test('members of a remote group come and go, and nobody else comes in', async () => {
    const friends = labGroup([], ['10.9.0.99'])
    const group = labGroup([{ remoteGroupId: friends.id }])
    await apply([group], {}, [friends])
    assert.equal(await web(80), '')
    await apply([group], {}, [{ ...friends, memberIps: ['10.9.0.99', '10.9.0.11'] }])
    assert.equal(await web(80), 'port 80')
    await apply([group], {}, [{ ...friends, memberIps: ['10.9.0.8/29', '10.9.0.8/30'] }])
    assert.equal(await web(80), 'port 80', 'a member prefix')
    await apply([group], {}, [{ ...friends, memberIps: ['10.9.0.99'] }])
    assert.equal(await web(80), '')
  })

  test('without egress rules nothing leaves but what serves the network itself', async () => {
    await apply([labGroup([{}])])
    assert.equal(await lab.pings(server, '10.9.0.11'), false)
    assert.equal(await lab.pings(server, '10.9.0.2'), true, 'resolver and metadata stay in reach')
    await lab.listen(lab.host.namespaceOf(network.id), 80, 'metadata')
    assert.equal(await lab.asks(server, '169.254.169.254', 80), 'metadata')
  })

  test('a port without port security is not filtered, and a port that is down is deaf', async () => {
    await apply([], { portSecurity: false })
    assert.equal(await web(80), 'port 80')
    await apply([], { portSecurity: false, adminUp: false })
    assert.equal(await web(80), '')
  })

  test('a foreign IP, MAC, ARP or neighbour advertisement does not leave the port', async () => {
    await apply([open])
    assert.equal(await lab.pings(server, '10.9.0.11'), true)
    const inServer = (...command: string[]) => lab.in(server.netns, ...command)
    await inServer('ip', 'addr', 'add', '10.9.0.13/24', 'dev', 'eth0')
    assert.equal((await inServer('ping', '-c1', '-W1', '-I', '10.9.0.13', '10.9.0.11')).ok, false, 'IP')
    await lab.in(client.netns, 'ip', 'neigh', 'flush', 'all')
    assert.equal(await lab.pings(client, '10.9.0.13'), false, 'ARP')
    await inServer('ip', 'addr', 'add', `${v6}13/64`, 'dev', 'eth0', 'nodad')
    assert.equal(await lab.pings(client, `${v6}13`), false, 'neighbour advertisement')
    await apply([open], {
      allowedAddressPairs: [
        { ip: '10.9.0.13', mac: '' },
        { ip: `${v6}13`, mac: serverPort.mac },
      ],
    })
    assert.match((await inServer('ip', 'addr')).output, /10\.9\.0\.13/)
    await lab.in(client.netns, 'ip', 'neigh', 'flush', 'all')
    assert.equal(await lab.pings(client, '10.9.0.13'), true, 'an allowed address pair')
    assert.equal(await lab.pings(client, `${v6}13`), true, 'an allowed IPv6 pair')
    await inServer('ip', 'link', 'set', 'dev', 'eth0', 'address', 'fa:16:3e:66:66:66')
    assert.equal(await lab.pings(server, '10.9.0.11'), false, 'MAC')
    await inServer('ip', 'link', 'set', 'dev', 'eth0', 'address', serverPort.mac)
    await apply([open], { allowedAddressPairs: [{ ip: '10.9.0.0/24', mac: '' }] })
    assert.equal(await lab.pings(client, '10.9.0.13'), true, 'an allowed prefix')
    for (const address of ['10.9.0.13/24', `${v6}13/64`]) await inServer('ip', 'addr', 'del', address, 'dev', 'eth0')
  })

  const rule = (protocol: string, port: number): Partial<WantedRule> => ({ protocol, portMin: port, portMax: port })

  test('a rule that is taken away ends the connections it had allowed, and no other', async () => {
    const group = labGroup([...allEgress, rule('tcp', 90), rule('udp', 90), rule('tcp', 91), rule('udp', 91)])
    await apply([group])
    const streams = (port: number) => [
      lab.stream(client, server, '10.9.0.12', port, 'tcp'),
      lab.stream(client, server, '10.9.0.12', port, 'udp'),
    ]
    const [ending, staying] = [streams(90), streams(91)]
    for (const stream of [...ending, ...staying]) await stream.flowing()
    await apply([{ ...group, rules: group.rules.filter(({ portMin }) => portMin !== 90) }])
    // The server of UDP goes on speaking, and its client need not ask again.
    for (const stream of ending) await stream.stalled()
    for (const stream of staying) await stream.flowing()
  })

  test('connections outlive a resync, a new process, a rebuilt filter and rules of others', async () => {
    const group = labGroup([...allEgress, rule('tcp', 92), rule('udp', 92)])
    await apply([group])
    const streams = [
      lab.stream(client, server, '10.9.0.12', 92, 'tcp'),
      lab.stream(client, server, '10.9.0.12', 92, 'udp'),
    ]
    const flowing = async () => {
      for (const stream of streams) await stream.flowing()
    }
    await flowing()
    await apply([{ ...group, rules: [...group.rules, ...labGroup([rule('tcp', 93)]).rules] }])
    await flowing()
    await apply([group, labGroup([{ protocol: 'icmp' }])])
    await flowing()
    const port = { ...serverPort, securityGroupIds: [group.id] }
    const wanted = { ...noState(), networks: [network], ports: [clientPort, port], securityGroups: [open, group] }
    await lab.open().sync(wanted)
    await flowing()
    await lab.in(lab.host.namespaceOf(network.id), 'nft', 'flush', 'ruleset')
    assert.notEqual((await lab.open().sync(wanted)).commands, 0)
    await flowing()
  })

  test('a member that leaves a remote group takes its connections along, in the direction out too', async () => {
    const friends = labGroup([], ['10.9.0.11'])
    const group = labGroup([{ direction: 'egress', remoteGroupId: friends.id }])
    await apply([group], {}, [friends])
    const stream = lab.stream(server, client, '10.9.0.11', 94, 'udp')
    await stream.flowing()
    await apply([group], {}, [{ ...friends, memberIps: [] }])
    await stream.stalled()
  })

  test('answers to every kind of request come back', async () => {
    const group = labGroup([
      { direction: 'egress', protocol: 'icmp', portMin: 8 },
      { direction: 'egress', protocol: 'icmp', etherType: 'IPv6', portMin: 128 },
      { direction: 'egress', protocol: 'tcp', portMin: 95, portMax: 96, remoteCidr: '10.9.0.0/28' },
      { direction: 'egress', protocol: 'tcp', etherType: 'IPv6', remoteAddresses: [`${v6}11`] },
    ])
    await apply([group])
    await lab.listen(client, 95, 'asked')
    assert.deepEqual(
      await Promise.all([
        lab.pings(server, '10.9.0.11'),
        lab.pings(server, `${v6}11`),
        lab.asks(server, '10.9.0.11', 95),
        lab.asks(server, `${v6}11`, 95),
      ]),
      [true, true, 'asked', 'asked'],
    )
  })
})
