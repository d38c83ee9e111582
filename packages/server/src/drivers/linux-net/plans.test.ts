/** Names, scripts and plans of devices: pure text from plain data. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { emptyFound } from './filter-model.ts'
import { foundLinks, type FoundLink } from './found-links.ts'
import { forwardLines } from './host-filter.ts'
import { planHostSide, type FoundHostSide } from './host-plan.ts'
import { labNetwork, labPort } from './lab.ts'
import { derivedMac, namesOf, portDevice, routerGatewayDevice, routerLegDevice, routerPortDevice } from './names.ts'
import { checkPort, portAlias, sandboxSteps } from './port-plan.ts'
import { failedLines, ownFailures, quote, scriptOf } from './shell.ts'

const names = namesOf({ cloud: 'test' })

test('device names fit the kernel, are stable, and hold nothing that a shell reads', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uuid(), fc.string()), (id) => {
      for (const name of [
        portDevice(id),
        routerPortDevice(id),
        routerLegDevice(id),
        routerGatewayDevice(id),
        names.hostLeg(id),
      ]) {
        assert.match(name, /^q[a-z-]{2}[0-9a-f]{11,12}$/)
        assert.ok(name.length <= 15)
      }
      assert.match(names.networkNamespace(id), /^qnt-[0-9a-f]{8}-[0-9a-f-]{1,36}$/)
    }),
  )
  assert.notEqual(namesOf({ cloud: 'a', host: 'b' }).tag, namesOf({ cloud: 'a' }).tag)
  assert.match(derivedMac('x'), /^02(:[0-9a-f]{2}){5}$/)
})

test('nothing in a quoted text is read by the shell', () => {
  assert.equal(quote(`a'b$(c)`), `'a'\\''b$(c)'`)
})

test('a batch skips empty steps and names the step that fails', () => {
  assert.equal(scriptOf([{ about: 'x', tool: 'ip', lines: [] }]), '')
  const script = scriptOf([{ about: 'plug port 7', tool: 'nft', netns: '/run/netns/n', lines: ['add table inet t'] }])
  assert.match(
    script,
    /^nsenter --net=\/run\/netns\/n nft -f - <<'QUAYSTONE_END' \|\| \{ echo 'quaystone-step: plug port 7'/,
  )
})

test('failures that steps keep for themselves come back by name', () => {
  const output =
    'noise\n@@ failed port-1\nRTNETLINK answers: File exists\nCommand failed -:2\n@@ failed port-2\nNo such device\n'
  assert.deepEqual(
    [...ownFailures(output)],
    [
      ['port-1', 'RTNETLINK answers: File exists'],
      ['port-2', 'No such device'],
    ],
  )
})

test('a batch that goes on tells its failures by line', () => {
  const output =
    '@@ lines\nCannot find device "qtp1"\nCommand failed -:2\nRTNETLINK answers: Busy\nCommand failed -:5\n'
  assert.deepEqual(
    [...failedLines(output)],
    [
      [1, 'Cannot find device "qtp1"'],
      [4, 'RTNETLINK answers: Busy'],
    ],
  )
  assert.deepEqual([...failedLines('')], [])
  const full = '@@ lines\nRTNETLINK answers: Exchange full\nCommand failed -:1\n'
  assert.match(failedLines(full).get(0) ?? '', /1,023 ports on one host at most/)
})

test('a listing of ip is read without what the kernel adds itself', () => {
  const found = foundLinks([
    {},
    {
      ifname: 'br',
      flags: ['UP'],
      mtu: 1450,
      address: '02:00:00:00:00:01',
      addr_info: [
        { local: '10.0.0.2', prefixlen: 24 },
        { local: 'fe80::1', prefixlen: 64 },
        { local: 'FD00::1', prefixlen: 64 },
      ],
    },
  ])
  assert.deepEqual([...found.keys()], ['br'])
  assert.deepEqual(found.get('br')?.addresses, ['10.0.0.2/24', 'fd00::1/64'])
})

test('a port that changes inside or moves has another mark, one whose groups change has not', () => {
  const network = labNetwork()
  const port = labPort(network, 9)
  const mark = (change: object, sandboxIdentity = '1:1') =>
    portAlias(names, { network, port: { ...port, ...change }, sandboxPath: '/x', sandboxIdentity })
  assert.equal(mark({ securityGroupIds: ['x'] }), mark({}))
  assert.notEqual(mark({ mtu: 1400 }), mark({}))
  assert.notEqual(mark({ primary: false }), mark({}))
  assert.notEqual(mark({}, '1:2'), mark({}))
})

test('the sandbox gets its routes: services on the link, host routes, then the default', () => {
  const network = labNetwork()
  const [subnet] = network.subnets
  assert.ok(subnet)
  subnet.hostRoutes = [
    { destination: '10.1.0.0/16', nexthop: '10.9.0.7' },
    { destination: '10.2.0.0/16', nexthop: '0.0.0.0' },
  ]
  const lines = (primary: boolean) =>
    sandboxSteps(names, {
      network,
      port: labPort(network, 9, { primary }),
      sandboxPath: '/x',
      sandboxIdentity: '1:1',
    })
      .flatMap((step) => step.lines)
      .filter((line) => line.startsWith('route'))
  assert.deepEqual(lines(true), [
    'route replace 169.254.169.254/32 dev eth0',
    'route replace 10.1.0.0/16 via 10.9.0.7 dev eth0',
    'route replace 10.2.0.0/16 dev eth0',
    'route replace default via 10.9.0.1 dev eth0',
  ])
  assert.deepEqual(lines(false).length, 2)
})

test('a port that cannot be plugged is refused by name', () => {
  const network = labNetwork()
  const port = labPort(network, 9)
  assert.throws(
    () => checkPort({ ...port, device: 'eth0; reboot' }, network, new Set()),
    /eth0; reboot is not a device name/,
  )
  assert.throws(() => checkPort({ ...port, mac: 'ff:ff:ff:ff:ff:ff' }, network, new Set()), /is not a MAC address/)
  assert.throws(
    () => checkPort({ ...port, securityGroupIds: ['g'] }, network, new Set()),
    /security group g is not given/,
  )
  assert.throws(() => checkPort(port, undefined, new Set()), /network .* is not given/)
})

const hostWith = (change: Partial<FoundHostSide>): FoundHostSide => ({
  links: new Map(),
  routes: [],
  filter: emptyFound(),
  iptables: [],
  forwards: true,
  ...change,
})
const goal = (networks: ReturnType<typeof labNetwork>[]) => ({ networks, reap: true, suspects: new Set<string>() })

test('a prefix that the host knows, or that another network claimed first, gets no leg, and the reason is told', () => {
  const [first, second] = [labNetwork(), labNetwork()]
  const taken = planHostSide(
    names,
    hostWith({ routes: [{ destination: '10.9.0.0/16', device: 'eth7', gateway: '', protocol: '' }] }),
    goal([first]),
  )
  assert.deepEqual(taken.refused, [
    { networkId: first.id, cidr: '10.9.0.0/24', because: '10.9.0.0/16 is on eth7 already', isGrave: false },
  ])
  const both = planHostSide(names, hostWith({}), goal([first, second]))
  assert.deepEqual(
    both.refused.map((refusal) => refusal.networkId),
    [second.id],
  )
  const standing: FoundLink = {
    name: names.hostLeg(second.id),
    alias: names.alias('leg', second.id, 'x'),
    master: '',
    mac: '',
    mtu: 1450,
    up: true,
    addresses: [],
  }
  const kept = planHostSide(names, hostWith({ links: new Map([[standing.name, standing]]) }), goal([first, second]))
  assert.deepEqual(
    kept.refused.map((refusal) => refusal.networkId),
    [first.id],
    'the standing leg keeps its prefix',
  )
  assert.deepEqual(
    planHostSide(names, hostWith({}), goal([labNetwork({ reachableFromHost: false })])).steps.flatMap(
      (step) => step.lines,
    ),
    [],
  )
})

test('a leg of another cloud in the way is a warning that names the remedy', () => {
  const network = labNetwork({ external: true, hostAddresses: [{ cidr: '172.24.4.1/24' }] }, '172.24.4.0/24')
  const strange = namesOf({ cloud: 'dead' })
  const leg: FoundLink = {
    name: strange.hostLeg('x'),
    alias: strange.alias('leg', 'x', 'y'),
    master: '',
    mac: '',
    mtu: 1500,
    up: true,
    addresses: ['172.24.4.1/24'],
  }
  const { refused, steps } = planHostSide(names, hostWith({ links: new Map([[leg.name, leg]]) }), goal([network]))
  assert.deepEqual(
    steps.flatMap((step) => step.lines),
    [],
    'it is not touched',
  )
  assert.equal(refused[0]?.isGrave, true)
  assert.match(refused[0]?.because ?? '', /172\.24\.4\.0\/24 is on qhl.*`quaystone doctor`/)
})

test('a FORWARD chain that drops is passed by a marked rule, once, and the rule goes with its leg', () => {
  const network = labNetwork({ external: true, id: randomUUID() })
  const leg = { network, device: names.hostLeg(network.id), cidrs: [], alias: '' }
  const rule = (way: string) => `DOCKER-USER ${way} ${leg.device} -m comment --comment ${names.comment} -j ACCEPT`
  assert.deepEqual(forwardLines(names, ['-P FORWARD ACCEPT'], [leg], true), [])
  assert.deepEqual(forwardLines(names, ['-P FORWARD DROP', '-N DOCKER-USER'], [leg], true), [
    `iptables -w -I ${rule('-i')}`,
    `iptables -w -I ${rule('-o')}`,
  ])
  const standing = ['-P FORWARD DROP', '-N DOCKER-USER', `-A ${rule('-i')}`, `-A ${rule('-o')}`]
  assert.deepEqual(forwardLines(names, standing, [leg], true), [])
  assert.deepEqual(forwardLines(names, standing, [], true), [
    `iptables -w -D ${rule('-i')}`,
    `iptables -w -D ${rule('-o')}`,
  ])
  assert.deepEqual(
    forwardLines(names, standing, [], false),
    [],
    'a look at one network says nothing about the others',
  )
})
