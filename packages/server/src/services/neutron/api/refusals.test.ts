/** Bad input is refused by Neutron's own types, and a refusal leaves every row as it was. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { startNeutron, type TestNeutron } from '../testing.ts'

interface Fixtures {
  network: string
  subnet: string
  port: string
  portIp: string
  mac: string
  router: string
  external: string
  group: string
  pool: string
  narrow: string
}
interface Case {
  title: string
  method?: 'POST' | 'PUT' | 'DELETE'
  path: (made: Fixtures) => string
  body?: (made: Fixtures) => unknown
  status: number
  type: string
}

const subnetOf = (fields: object) => ({
  path: () => '/subnets',
  body: ({ network }: Fixtures) => ({ subnet: { network_id: network, ip_version: 4, ...fields } }),
})
const portOf = (fields: (made: Fixtures) => object) => ({
  path: () => '/ports',
  body: (made: Fixtures) => ({ port: { network_id: made.network, ...fields(made) } }),
})
const ruleOf = (fields: object) => ({
  path: () => '/security-group-rules',
  body: ({ group }: Fixtures) => ({
    security_group_rule: { security_group_id: group, direction: 'ingress', ...fields },
  }),
})
const slaac = { ip_version: 6, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' }
const noNetwork = 'b0000000-0000-4000-8000-000000000000'

const subnets: Case[] = [
  { title: 'a subnet over another', ...subnetOf({ cidr: '10.20.0.128/25' }), status: 400, type: 'InvalidInput' },
  { title: 'a subnet around another', ...subnetOf({ cidr: '10.0.0.0/8' }), status: 400, type: 'InvalidInput' },
  { title: 'host bits', ...subnetOf({ cidr: '10.21.0.5/24' }), status: 400, type: 'HTTPBadRequest' },
  { title: 'no prefix at all', ...subnetOf({ cidr: 'blue' }), status: 400, type: 'HTTPBadRequest' },
  { title: 'everything', ...subnetOf({ cidr: '0.0.0.0/0' }), status: 400, type: 'InvalidInput' },
  { title: 'an IPv6 prefix for version 4', ...subnetOf({ cidr: 'fd00::/64' }), status: 400, type: 'InvalidInput' },
  {
    title: 'a gateway outside',
    ...subnetOf({ cidr: '10.21.0.0/24', gateway_ip: '10.22.0.1' }),
    status: 400,
    type: 'InvalidInput',
  },
  {
    title: 'the broadcast address as gateway',
    ...subnetOf({ cidr: '10.21.0.0/24', gateway_ip: '10.21.0.255' }),
    status: 400,
    type: 'InvalidInput',
  },
  {
    title: 'a gateway within a pool',
    ...subnetOf({
      cidr: '10.21.0.0/24',
      gateway_ip: '10.21.0.9',
      allocation_pools: [{ start: '10.21.0.2', end: '10.21.0.20' }],
    }),
    status: 409,
    type: 'GatewayConflictWithAllocationPools',
  },
  {
    title: 'a pool beyond the subnet',
    ...subnetOf({ cidr: '10.21.0.0/24', allocation_pools: [{ start: '10.21.0.2', end: '10.21.1.20' }] }),
    status: 400,
    type: 'OutOfBoundsAllocationPool',
  },
  {
    title: 'a pool that ends before it starts',
    ...subnetOf({ cidr: '10.21.0.0/24', allocation_pools: [{ start: '10.21.0.20', end: '10.21.0.2' }] }),
    status: 400,
    type: 'InvalidAllocationPool',
  },
  {
    title: 'two pools over each other',
    ...subnetOf({
      cidr: '10.21.0.0/24',
      allocation_pools: [
        { start: '10.21.0.2', end: '10.21.0.20' },
        { start: '10.21.0.10', end: '10.21.0.30' },
      ],
    }),
    status: 409,
    type: 'OverlappingAllocationPools',
  },
  {
    title: 'six resolvers',
    ...subnetOf({ cidr: '10.21.0.0/24', dns_nameservers: [1, 2, 3, 4, 5, 6].map((at) => `192.0.2.${at}`) }),
    status: 400,
    type: 'DNSNameServersExhausted',
  },
  {
    title: 'SLAAC on IPv4',
    ...subnetOf({ ...slaac, ip_version: 4, cidr: '10.21.0.0/24' }),
    status: 400,
    type: 'InvalidInput',
  },
  { title: 'SLAAC in a /80', ...subnetOf({ ...slaac, cidr: 'fd00:21::/80' }), status: 400, type: 'InvalidInput' },
  {
    title: 'two IPv6 modes at odds',
    ...subnetOf({ ...slaac, ipv6_ra_mode: 'dhcpv6-stateful', cidr: 'fd00:21::/64' }),
    status: 400,
    type: 'InvalidInput',
  },
  {
    title: 'an IPv6 mode without DHCP',
    ...subnetOf({ ...slaac, enable_dhcp: false, cidr: 'fd00:21::/64' }),
    status: 400,
    type: 'InvalidInput',
  },
  {
    title: 'a subnet of no network',
    path: () => '/subnets',
    body: () => ({ subnet: { network_id: noNetwork, ip_version: 4, cidr: '10.21.0.0/24' } }),
    status: 404,
    type: 'NetworkNotFound',
  },
  {
    title: 'a larger subnet than its pool has',
    ...subnetOf({ subnetpool_id: undefined, cidr: undefined }),
    body: ({ network, pool }) => ({
      subnet: { network_id: network, ip_version: 4, subnetpool_id: pool, prefixlen: 25 },
    }),
    status: 409,
    type: 'SubnetAllocationError',
  },
]

const ports: Case[] = [
  {
    title: 'a MAC that is taken',
    ...portOf(({ mac }) => ({ mac_address: mac })),
    status: 409,
    type: 'MacAddressInUse',
  },
  {
    title: 'an address that is taken',
    ...portOf(({ portIp }) => ({ fixed_ips: [{ ip_address: portIp }] })),
    status: 409,
    type: 'IpAddressAlreadyAllocated',
  },
  {
    title: 'an address of no subnet',
    ...portOf(() => ({ fixed_ips: [{ ip_address: '10.99.0.1' }] })),
    status: 400,
    type: 'InvalidIpForNetwork',
  },
  {
    title: 'an address outside the subnet that is named',
    ...portOf(({ subnet }) => ({ fixed_ips: [{ subnet_id: subnet, ip_address: '10.99.0.1' }] })),
    status: 400,
    type: 'InvalidIpForSubnet',
  },
  {
    title: 'a group of nobody',
    ...portOf(() => ({ security_groups: [noNetwork] })),
    status: 404,
    type: 'SecurityGroupNotFound',
  },
  {
    title: 'a network without a free address',
    path: () => '/ports',
    body: ({ narrow }) => ({ port: { network_id: narrow } }),
    status: 409,
    type: 'IpAddressGenerationFailure',
  },
  {
    title: 'two good ports and a bad one, at once',
    path: () => '/ports',
    body: ({ network }) => ({
      ports: [
        { network_id: network },
        { network_id: network },
        { network_id: network, fixed_ips: [{ ip_address: '10.99.0.1' }] },
      ],
    }),
    status: 400,
    type: 'InvalidIpForNetwork',
  },
]

const deletes: Case[] = [
  ['a network with a port', 'network', '/networks', 'NetworkInUse'] as const,
  ['a subnet with a port', 'subnet', '/subnets', 'SubnetInUse'] as const,
  ['a router with a leg', 'router', '/routers', 'RouterInUse'] as const,
  ['a group with a port', 'group', '/security-groups', 'SecurityGroupInUse'] as const,
  ['a pool with a subnet', 'pool', '/subnetpools', 'SubnetPoolDeleteError'] as const,
].map(([what, name, path, type]) => ({
  title: `${what}, deleted`,
  method: 'DELETE' as const,
  path: (made: Fixtures) => `${path}/${made[name]}`,
  status: type === 'SubnetPoolDeleteError' ? 400 : 409,
  type,
}))

const rules: Case[] = [
  { title: 'a rule twice', ...ruleOf({ protocol: 'icmp' }), status: 409, type: 'SecurityGroupRuleExists' },
  {
    title: 'a range that ends before it starts',
    ...ruleOf({ protocol: 'tcp', port_range_min: 90, port_range_max: 80 }),
    status: 400,
    type: 'SecurityGroupInvalidPortRange',
  },
  {
    title: 'ports of every protocol',
    ...ruleOf({ port_range_min: 80, port_range_max: 80 }),
    status: 400,
    type: 'SecurityGroupProtocolRequiredWithPorts',
  },
  { title: 'no protocol', ...ruleOf({ protocol: 'blue' }), status: 400, type: 'SecurityGroupRuleInvalidProtocol' },
  {
    title: 'IPv6 from an IPv4 prefix',
    ...ruleOf({ ethertype: 'IPv6', protocol: 'tcp', remote_ip_prefix: '192.0.2.0/24' }),
    status: 400,
    type: 'SecurityGroupRuleParameterConflict',
  },
]

const routers: Case[] = [
  {
    title: 'a router twice on a subnet',
    method: 'PUT',
    path: ({ router }) => `/routers/${router}/add_router_interface`,
    body: ({ subnet }) => ({ subnet_id: subnet }),
    status: 400,
    type: 'BadRequest',
  },
  {
    title: 'a gateway on a network that leads nowhere',
    method: 'PUT',
    path: ({ router }) => `/routers/${router}`,
    body: ({ network }) => ({ router: { external_gateway_info: { network_id: network } } }),
    status: 400,
    type: 'BadRequest',
  },
  {
    title: 'a route to a stranger',
    method: 'PUT',
    path: ({ router }) => `/routers/${router}`,
    body: () => ({ router: { routes: [{ destination: '10.50.0.0/24', nexthop: '10.99.0.1' }] } }),
    status: 400,
    type: 'InvalidRoutes',
  },
  {
    title: 'a floating IP of an inner network',
    path: () => '/floatingips',
    body: ({ network }) => ({ floatingip: { floating_network_id: network } }),
    status: 400,
    type: 'BadRequest',
  },
  {
    title: 'a floating IP for a port that no router leads to',
    path: () => '/floatingips',
    body: ({ external, port }) => ({ floatingip: { floating_network_id: external, port_id: port } }),
    status: 404,
    type: 'ExternalGatewayForFloatingIPNotFound',
  },
]

for (const { name: database, open } of testDatabases()) {
  describe(`refusals on ${database}`, () => {
    let cloud: TestNeutron
    let made: Fixtures
    before(async () => {
      cloud = await startNeutron(open)
      made = await fixtures(cloud)
    })
    after(() => cloud.close())

    const everything = async (): Promise<object> => {
      const rows: Record<string, unknown> = {}
      for (const table of tables) rows[table] = await cloud.db.as<any>().selectFrom(table).selectAll().execute()
      return rows
    }

    for (const one of [...subnets, ...ports, ...deletes, ...rules, ...routers]) {
      test(`${one.title}: ${one.type}`, async () => {
        const before = await everything()
        const answer = await cloud.ask('demo', one.method ?? 'POST', one.path(made), one.body?.(made))
        assert.deepEqual(
          [answer.status, answer.body?.NeutronError?.type],
          [one.status, one.type],
          JSON.stringify(answer.body),
        )
        assert.notEqual(answer.body.NeutronError.message, '')
        assert.deepEqual(await everything(), before)
      })
    }

    test('one network more than the quota: OverQuota', async () => {
      cloud.quota.limitsOf.set('networks', cloud.quota.used('networks'))
      const before = await everything()
      const answer = await cloud.ask('demo', 'POST', '/networks', { network: {} })
      assert.deepEqual([answer.status, answer.body.NeutronError.type], [409, 'OverQuota'])
      assert.deepEqual(await everything(), before)
    })
  })
}

const tables = [
  'neutron_network',
  'neutron_subnet',
  'neutron_port',
  'neutron_allocation',
  'neutron_router',
  'neutron_floatingip',
  'neutron_security_group',
  'neutron_security_group_rule',
  'neutron_subnetpool',
]

async function fixtures(cloud: TestNeutron): Promise<Fixtures> {
  const make = async (who: string, path: string, name: string, fields: object): Promise<any> => {
    const answer = await cloud.ask(who, 'POST', path, { [name]: fields })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body[name]
  }
  const subnetIn = (network_id: string, cidr: string) =>
    make('demo', '/subnets', 'subnet', { network_id, ip_version: 4, cidr })
  const network = await make('demo', '/networks', 'network', {})
  const subnet = await subnetIn(network.id, '10.20.0.0/24')
  const group = await make('demo', '/security-groups', 'security_group', { name: 'full' })
  await make('demo', '/security-group-rules', 'security_group_rule', {
    security_group_id: group.id,
    direction: 'ingress',
    protocol: 'icmp',
  })
  const port = await make('demo', '/ports', 'port', { network_id: network.id, security_groups: [group.id] })
  const router = await make('demo', '/routers', 'router', {})
  const leg = { subnet_id: subnet.id }
  assert.equal((await cloud.ask('demo', 'PUT', `/routers/${router.id}/add_router_interface`, leg)).status, 200)
  const external = await make('admin', '/networks', 'network', { 'router:external': true })
  await make('admin', '/subnets', 'subnet', { network_id: external.id, ip_version: 4, cidr: '198.51.100.0/24' })
  const pool = await make('demo', '/subnetpools', 'subnetpool', { name: 'p', prefixes: ['10.30.0.0/25'] })
  await make('demo', '/subnets', 'subnet', {
    network_id: network.id,
    ip_version: 4,
    subnetpool_id: pool.id,
    prefixlen: 26,
  })
  const narrow = await make('demo', '/networks', 'network', {})
  await subnetIn(narrow.id, '10.40.0.0/30')
  const [{ ip_address: portIp }] = port.fixed_ips
  return {
    network: network.id,
    subnet: subnet.id,
    port: port.id,
    portIp,
    mac: port.mac_address,
    router: router.id,
    external: external.id,
    group: group.id,
    pool: pool.id,
    narrow: narrow.id,
  }
}
