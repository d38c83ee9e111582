/** Pools, scopes, address groups, RBAC, forwardings, tags, quotas and SLAAC through the door. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { make, startNeutron, type Make, type TestNeutron } from '../testing.ts'

for (const { name: database, open } of testDatabases()) {
  describe(`sharing on ${database}`, () => {
    let cloud: TestNeutron
    before(async () => {
      cloud = await startNeutron(open)
    })
    after(() => cloud.close())

    const made: Make = (...asked) => make(cloud, ...asked)
    const typeOf = async (who: string, method: string, path: string, body?: unknown): Promise<string> =>
      (await cloud.ask(who, method, path, body)).body?.NeutronError?.type

    test('a pool cuts subnets that do not overlap, until it is used up, and stays while they do', async () => {
      const prefixes = ['10.40.0.0/24']
      const pool = await made('demo', '/subnetpools', 'subnetpool', { name: 'p', prefixes, default_prefixlen: 26 })
      const network = await made('demo', '/networks', 'network', {})
      const ask = { network_id: network.id, ip_version: 4, subnetpool_id: pool.id }
      const cidrs = []
      for (let at = 0; at < 4; at++) cidrs.push((await made('demo', '/subnets', 'subnet', ask)).cidr)
      assert.deepEqual(cidrs, ['10.40.0.0/26', '10.40.0.64/26', '10.40.0.128/26', '10.40.0.192/26'])
      assert.equal(await typeOf('demo', 'POST', '/subnets', { subnet: ask }), 'SubnetAllocationError')
      assert.equal(await typeOf('demo', 'DELETE', `/subnetpools/${pool.id}`), 'SubnetPoolDeleteError')
      assert.equal((await cloud.ask('demo', 'DELETE', `/networks/${network.id}`)).status, 204)
      assert.equal((await cloud.ask('demo', 'DELETE', `/subnetpools/${pool.id}`)).status, 204)
    })

    test('pools of one address scope do not overlap, and the scope stays while a pool is in it', async () => {
      const scope = await made('demo', '/address-scopes', 'address_scope', { name: 's', ip_version: 4 })
      const ask = (prefix: string) => ({ prefixes: [prefix], address_scope_id: scope.id })
      await made('demo', '/subnetpools', 'subnetpool', ask('10.50.0.0/16'))
      const overlapping = await typeOf('demo', 'POST', '/subnetpools', { subnetpool: ask('10.50.1.0/24') })
      assert.equal(overlapping, 'AddressScopePrefixConflict')
      assert.equal(await typeOf('demo', 'DELETE', `/address-scopes/${scope.id}`), 'AddressScopeInUse')
    })

    test('a network opened to one project is seen by it, not by others, and stays open while in use', async () => {
      const network = await made('demo', '/networks', 'network', { name: 'lent' })
      await made('demo', '/subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.41.0.0/24' })
      const target = cloud.projects.other!
      const ask = { object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: target }
      assert.equal((await cloud.ask('other', 'GET', `/networks/${network.id}`)).status, 404)
      const policy = await made('demo', '/rbac-policies', 'rbac_policy', ask)
      assert.equal((await cloud.ask('other', 'GET', `/networks/${network.id}`)).body.network.shared, true)
      assert.equal(await typeOf('demo', 'POST', '/rbac-policies', { rbac_policy: ask }), 'DuplicateRbacPolicy')
      const port = await made('other', '/ports', 'port', { network_id: network.id })
      assert.equal(await typeOf('demo', 'DELETE', `/rbac-policies/${policy.id}`), 'RbacPolicyInUse')
      assert.equal((await cloud.ask('other', 'DELETE', `/networks/${network.id}`)).status, 403)
      assert.equal((await cloud.ask('other', 'DELETE', `/ports/${port.id}`)).status, 204)
      assert.equal((await cloud.ask('demo', 'DELETE', `/rbac-policies/${policy.id}`)).status, 204)
      assert.equal((await cloud.ask('other', 'GET', `/networks/${network.id}`)).status, 404)
      const wildcard = await cloud.ask('demo', 'POST', '/rbac-policies', {
        rbac_policy: { ...ask, target_tenant: '*' },
      })
      assert.equal(wildcard.status, 403)
    })

    test('a floating IP forwards single ports, and lets its router go with the last of them', async () => {
      const external = await made('admin', '/networks', 'network', { 'router:external': true })
      await made('admin', '/subnets', 'subnet', { network_id: external.id, ip_version: 4, cidr: '198.51.100.0/24' })
      const network = await made('demo', '/networks', 'network', {})
      const inside = { network_id: network.id, ip_version: 4, cidr: '10.42.0.0/24' }
      const subnet = await made('demo', '/subnets', 'subnet', inside)
      const router = await made('demo', '/routers', 'router', { external_gateway_info: { network_id: external.id } })
      await cloud.ask('demo', 'PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
      const port = await made('demo', '/ports', 'port', { network_id: network.id })
      const floating = await made('demo', '/floatingips', 'floatingip', { floating_network_id: external.id })
      const path = `/floatingips/${floating.id}/port_forwardings`
      const ask = { protocol: 'tcp', external_port: 8080, internal_port: 80, internal_port_id: port.id }
      const forwarding = await made('demo', path, 'port_forwarding', ask)
      assert.equal(forwarding.internal_ip_address, port.fixed_ips[0].ip_address)
      assert.equal(await typeOf('demo', 'POST', path, { port_forwarding: ask }), 'BadRequest')
      await cloud.runner.settle(20_000)
      const wanted = { address: floating.floating_ip_address, protocol: 'tcp', externalPort: 8080, internalPort: 80 }
      const internalIp = port.fixed_ips[0].ip_address
      assert.deepEqual(cloud.network.routers.get(router.id)!.portForwardings, [{ ...wanted, internalIp }])
      assert.equal((await cloud.ask('demo', 'DELETE', `/ports/${port.id}`)).status, 204)
      const after = await cloud.ask('demo', 'GET', `/floatingips/${floating.id}`)
      assert.deepEqual([after.body.floatingip.router_id, after.body.floatingip.port_forwardings], [null, []])
    })

    test('tags are added, found exactly, and removed', async () => {
      const network = await made('demo', '/networks', 'network', {})
      const tags = `/networks/${network.id}/tags`
      assert.equal((await cloud.ask('demo', 'PUT', tags, { tags: ['red', 'blue%'] })).status, 200)
      assert.equal((await cloud.ask('demo', 'PUT', `${tags}/green`)).status, 201)
      const ids = async (query: string) =>
        (await cloud.ask('demo', 'GET', `/networks?${query}`)).body.networks.map(({ id }: { id: string }) => id)
      assert.deepEqual(await ids('tags=red,green'), [network.id])
      assert.deepEqual(await ids('tags=red,yellow'), [])
      assert.deepEqual(await ids('tags-any=yellow,green'), [network.id])
      assert.deepEqual(await ids('tags=blue'), [])
      assert.equal((await ids('not-tags=red,green')).includes(network.id), false)
      assert.equal((await cloud.ask('demo', 'DELETE', `${tags}/green`)).status, 204)
      assert.equal((await cloud.ask('demo', 'GET', `${tags}/green`)).status, 404)
    })

    test('limits are set by admins, hold, and name the resource', async () => {
      const project = cloud.projects.other!
      const set = await cloud.ask('admin', 'PUT', `/quotas/${project}`, { quota: { router: 0 } })
      assert.equal(set.body.quota.router, 0)
      const refused = await cloud.ask('other', 'POST', '/routers', { router: {} })
      assert.equal(refused.status, 409)
      assert.match(refused.body.NeutronError.message, /^Quota exceeded for resources: \['router'\]/)
      assert.equal((await cloud.ask('other', 'PUT', `/quotas/${project}`, { quota: { router: 9 } })).status, 403)
      assert.equal((await cloud.ask('other', 'GET', `/quotas/${cloud.projects.demo}`)).status, 403)
      const listed = await cloud.ask('admin', 'GET', '/quotas')
      assert.deepEqual(
        listed.body.quotas.map((one: any) => one.project_id),
        [project],
      )
      assert.equal((await cloud.ask('admin', 'DELETE', `/quotas/${project}`)).status, 204)
      const again = await cloud.ask('admin', 'DELETE', `/quotas/${project}`)
      assert.deepEqual([again.status, again.body.NeutronError.type], [404, 'TenantQuotaNotFound'])
      assert.equal((await cloud.ask('other', 'POST', '/routers', { router: {} })).status, 201)
    })

    test('ports take their SLAAC address from their MAC, also when the subnet comes later', async () => {
      const network = await made('demo', '/networks', 'network', {})
      const port = await made('demo', '/ports', 'port', { network_id: network.id, mac_address: 'fa:16:3e:00:00:01' })
      assert.deepEqual(port.fixed_ips, [])
      const modes = { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' }
      const ask = { network_id: network.id, ip_version: 6, cidr: '2001:db8::/64', ...modes }
      const subnet = await made('demo', '/subnets', 'subnet', ask)
      const now = await cloud.ask('demo', 'GET', `/ports/${port.id}`)
      assert.deepEqual(now.body.port.fixed_ips, [{ subnet_id: subnet.id, ip_address: '2001:db8::f816:3eff:fe00:1' }])
      assert.equal((await cloud.ask('demo', 'DELETE', `/subnets/${subnet.id}`)).status, 204)
      assert.deepEqual((await cloud.ask('demo', 'GET', `/ports/${port.id}`)).body.port.fixed_ips, [])
    })

    test("the first boot's networks are made once, and not again after somebody deleted them", async () => {
      await cloud.instance.seed?.()
      const find = async () => (await cloud.ask('demo', 'GET', '/networks?name=private')).body.networks
      const [network] = await find()
      const [router] = (await cloud.ask('demo', 'GET', '/routers?name=router1')).body.routers
      const subnet_id = network.subnets[0]
      await cloud.ask('demo', 'PUT', `/routers/${router.id}/remove_router_interface`, { subnet_id })
      assert.equal((await cloud.ask('demo', 'DELETE', `/networks/${network.id}`)).status, 204)
      await cloud.instance.seed?.()
      assert.deepEqual(await find(), [])
    })
  })
}
