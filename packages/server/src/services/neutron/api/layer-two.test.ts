/** Networks, subnets and ports through the door. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { make, startNeutron, type Make, type TestNeutron } from '../testing.ts'

for (const { name: database, open } of testDatabases()) {
  describe(`layer two on ${database}`, () => {
    let cloud: TestNeutron
    before(async () => {
      cloud = await startNeutron(open)
    })
    after(() => cloud.close())

    const made: Make = (...asked) => make(cloud, ...asked)

    test('a network, its subnet and a port are made, seen and deleted, and nothing stays', async () => {
      const network = await made('demo', '/networks', 'network', { name: 'blue' })
      const subnet = await made('demo', '/subnets', 'subnet', {
        network_id: network.id,
        ip_version: 4,
        cidr: '10.1.0.0/24',
      })
      assert.equal(subnet.gateway_ip, '10.1.0.1')
      assert.deepEqual(subnet.allocation_pools, [{ start: '10.1.0.2', end: '10.1.0.254' }])
      const port = await made('demo', '/ports', 'port', { network_id: network.id })
      assert.match(port.fixed_ips[0].ip_address, /^10\.1\.0\./)
      assert.equal(port.security_groups.length, 1)
      const busy = await cloud.ask('demo', 'DELETE', `/networks/${network.id}`)
      assert.equal(busy.body.NeutronError.type, 'NetworkInUse')
      assert.equal((await cloud.ask('demo', 'DELETE', `/subnets/${subnet.id}`)).body.NeutronError.type, 'SubnetInUse')
      assert.equal((await cloud.ask('demo', 'DELETE', `/ports/${port.id}`)).status, 204)
      assert.equal((await cloud.ask('demo', 'DELETE', `/networks/${network.id}`)).status, 204)
      assert.equal((await cloud.ask('demo', 'GET', `/subnets/${subnet.id}`)).status, 404)
      assert.equal(cloud.quota.used('networks') + cloud.quota.used('subnets') + cloud.quota.used('ports'), 0)
    })

    test('another project sees nothing, an admin everything', async () => {
      const network = await made('demo', '/networks', 'network', { name: 'hidden' })
      const stranger = await cloud.ask('other', 'GET', `/networks/${network.id}`)
      assert.equal(stranger.status, 404)
      assert.equal(stranger.body.NeutronError.type, 'NetworkNotFound')
      const admin = await cloud.ask('admin', 'GET', `/networks/${network.id}`)
      assert.equal(admin.body.network['provider:network_type'], 'vxlan')
      const owner = await cloud.ask('demo', 'GET', `/networks/${network.id}`)
      assert.equal('provider:network_type' in owner.body.network, false)
    })

    test('unknown attributes, foreign owners and wrong values are refused by name', async () => {
      const refused = async (fields: object) =>
        (await cloud.ask('demo', 'POST', '/networks', { network: fields })).body.NeutronError.message
      assert.equal(await refused({ color: 'blue' }), "Unrecognized attribute(s) 'color'")
      assert.match(await refused({ status: 'DOWN' }), /not allowed in POST/)
      assert.match(await refused({ project_id: 'x' }), /requires admin privileges/)
      assert.equal((await cloud.ask('demo', 'POST', '/networks', { network: { shared: true } })).status, 403)
    })

    test('lists are filtered, sorted, cut to fields and paged with links', async () => {
      for (const name of ['p1', 'p2', 'p3'])
        await made('other', '/networks', 'network', { name, description: 'paged' })
      const first = await cloud.ask(
        'other',
        'GET',
        '/networks?description=paged&limit=2&sort_key=name&sort_dir=desc&fields=name&fields=id',
      )
      assert.deepEqual(
        first.body.networks.map((one: any) => Object.keys(one).sort()),
        [
          ['id', 'name'],
          ['id', 'name'],
        ],
      )
      assert.deepEqual(
        first.body.networks.map((one: any) => one.name),
        ['p3', 'p2'],
      )
      const next = first.body.networks_links.find((link: any) => link.rel === 'next').href.split('/v2.0')[1]
      assert.deepEqual(
        (await cloud.ask('other', 'GET', next)).body.networks.map((one: any) => one.name),
        ['p1'],
      )
      assert.equal((await cloud.ask('other', 'GET', '/networks?name=p1&name=p2')).body.networks.length, 2)
      assert.equal((await cloud.ask('other', 'GET', '/networks?nonsense=1')).status, 400)
    })

    test('ports are found by address and by subnet', async () => {
      const network = await made('demo', '/networks', 'network', {})
      const subnet = await made('demo', '/subnets', 'subnet', {
        network_id: network.id,
        ip_version: 4,
        cidr: '10.9.0.0/24',
      })
      const port = await made('demo', '/ports', 'port', {
        network_id: network.id,
        fixed_ips: [{ subnet_id: subnet.id, ip_address: '10.9.0.77' }],
      })
      const find = async (query: string) =>
        (await cloud.ask('demo', 'GET', `/ports?${query}`)).body.ports.map((one: any) => one.id)
      assert.deepEqual(await find(`fixed_ips=ip_address%3D10.9.0.77`), [port.id])
      assert.deepEqual(await find(`fixed_ips=ip_address%3D10.9.0.77&fixed_ips=subnet_id%3D${subnet.id}`), [port.id])
      assert.deepEqual(await find(`fixed_ips=ip_address_substr%3D.77&network_id=${network.id}`), [port.id])
      const twice = await cloud.ask('demo', 'POST', '/ports', {
        port: { network_id: network.id, fixed_ips: [{ ip_address: '10.9.0.77' }] },
      })
      assert.equal(twice.body.NeutronError.type, 'IpAddressAlreadyAllocated')
    })

    test('an old revision cannot overwrite a newer one', async () => {
      const network = await made('demo', '/networks', 'network', { name: 'v0' })
      const put = (name: string) =>
        cloud.ask(
          'demo',
          'PUT',
          `/networks/${network.id}`,
          { network: { name } },
          { 'if-match': 'revision_number=0' },
        )
      assert.equal((await put('v1')).body.network.revision_number, 1)
      assert.equal((await put('v2')).body.NeutronError.type, 'RevisionNumberConstraintFailed')
    })
  })
}
