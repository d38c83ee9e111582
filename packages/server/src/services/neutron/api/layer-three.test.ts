/** Routers, floating IPs and security groups through the door. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testDatabases } from '#platform/db/testing.ts'
import { make, startNeutron, type Make, type TestNeutron } from '../testing.ts'

for (const { name: database, open } of testDatabases()) {
  describe(`layer three on ${database}`, () => {
    let cloud: TestNeutron
    before(async () => {
      cloud = await startNeutron(open)
    })
    after(() => cloud.close())

    const made: Make = (...asked) => make(cloud, ...asked)
    const typeOf = async (who: string, method: string, path: string, body?: unknown): Promise<string> =>
      (await cloud.ask(who, method, path, body)).body?.NeutronError?.type
    const subnetIn = async (cidr: string) => {
      const network = await made('demo', '/networks', 'network', {})
      return {
        network,
        subnet: await made('demo', '/subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr }),
      }
    }
    const outside = async (cidr: string) => {
      const network = await made('admin', '/networks', 'network', { 'router:external': true })
      await made('admin', '/subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr, enable_dhcp: false })
      return network
    }

    test('a floating IP leads through a router to a port, and everything is guarded while in use', async () => {
      const external = await outside('198.51.100.0/24')
      const { network, subnet } = await subnetIn('10.5.0.0/24')
      const router = await made('demo', '/routers', 'router', {
        name: 'r',
        external_gateway_info: { network_id: external.id },
      })
      assert.equal(router.external_gateway_info.external_fixed_ips.length, 1)
      const joined = await cloud.ask('demo', 'PUT', `/routers/${router.id}/add_router_interface`, {
        subnet_id: subnet.id,
      })
      assert.equal(joined.body.subnet_id, subnet.id)
      const port = await made('demo', '/ports', 'port', { network_id: network.id })
      const floating = await made('demo', '/floatingips', 'floatingip', {
        floating_network_id: external.id,
        port_id: port.id,
      })
      assert.equal(floating.status, 'DOWN', 'the host has not reported it yet')
      assert.equal(floating.router_id, router.id)
      assert.equal(floating.fixed_ip_address, port.fixed_ips[0].ip_address)
      assert.equal(
        await typeOf('demo', 'POST', '/floatingips', {
          floatingip: { floating_network_id: external.id, port_id: port.id },
        }),
        'FloatingIPPortAlreadyAssociated',
      )
      assert.equal(
        await typeOf('demo', 'PUT', `/routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id }),
        'RouterInterfaceInUseByFloatingIP',
      )
      assert.equal(
        await typeOf('demo', 'PUT', `/routers/${router.id}`, { router: { external_gateway_info: {} } }),
        'RouterExternalGatewayInUseByFloatingIp',
      )
      assert.equal(await typeOf('demo', 'DELETE', `/routers/${router.id}`), 'RouterInUse')
      assert.equal(await typeOf('demo', 'DELETE', `/ports/${joined.body.port_id}`), 'ServicePortInUse')

      await cloud.runner.settle(20_000)
      const statusOf = async (): Promise<string> =>
        (await cloud.ask('demo', 'GET', `/floatingips/${floating.id}`)).body.floatingip.status
      assert.equal(await statusOf(), 'ACTIVE')
      const again = { floatingip: { port_id: port.id } }
      const same = await cloud.ask('demo', 'PUT', `/floatingips/${floating.id}`, again)
      assert.equal(same.body.floatingip.status, 'ACTIVE', 'aiming it where it is aimed changes nothing')
      const wanted = cloud.network.routers.get(router.id)!
      assert.deepEqual(wanted.floatingIps, [
        { address: floating.floating_ip_address, fixedIp: port.fixed_ips[0].ip_address },
      ])
      assert.equal(wanted.interfaces[0]!.addresses[0], '10.5.0.1/24')
      assert.deepEqual(wanted.gateway!.gatewayIps, ['198.51.100.1'])

      await cloud.ask('demo', 'PUT', `/routers/${router.id}`, { router: { admin_state_up: false } })
      assert.equal(await statusOf(), 'DOWN', 'a router that is switched off carries nothing')
      await cloud.ask('demo', 'PUT', `/routers/${router.id}`, { router: { admin_state_up: true } })
      await cloud.runner.settle(20_000)
      assert.equal(await statusOf(), 'ACTIVE')

      assert.equal((await cloud.ask('demo', 'DELETE', `/ports/${port.id}`)).status, 204)
      const free = await cloud.ask('demo', 'GET', `/floatingips/${floating.id}`)
      assert.deepEqual([free.body.floatingip.port_id, free.body.floatingip.status], [null, 'DOWN'])
      assert.equal(
        (await cloud.ask('demo', 'PUT', `/routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id }))
          .status,
        200,
      )
      assert.equal((await cloud.ask('demo', 'DELETE', `/floatingips/${floating.id}`)).status, 204)
      assert.equal((await cloud.ask('demo', 'DELETE', `/routers/${router.id}`)).status, 204)
      assert.equal((await cloud.ask('demo', 'DELETE', `/networks/${network.id}`)).status, 204)
      await cloud.runner.settle(20_000)
      assert.equal(cloud.network.routers.size, 0)
    })

    test('overlapping subnets do not meet in one router, and routes lead to neighbours only', async () => {
      const [one, two] = [await subnetIn('10.6.0.0/24'), await subnetIn('10.6.0.0/25')]
      const router = await made('demo', '/routers', 'router', {})
      const join = (subnet: { id: string }) =>
        cloud.ask('demo', 'PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
      assert.equal((await join(one.subnet)).status, 200)
      assert.equal((await join(two.subnet)).status, 400)
      assert.equal((await join(one.subnet)).status, 400)
      const route = (nexthop: string) =>
        cloud.ask('demo', 'PUT', `/routers/${router.id}`, {
          router: { routes: [{ destination: '10.99.0.0/24', nexthop }] },
        })
      assert.equal((await route('10.7.0.5')).body.NeutronError.type, 'InvalidRoutes')
      assert.equal((await route('10.6.0.9')).status, 200)
      assert.equal(
        await typeOf('demo', 'PUT', `/routers/${router.id}/remove_router_interface`, { subnet_id: one.subnet.id }),
        'RouterInterfaceInUseByRoute',
      )
      const less = await cloud.ask('demo', 'PUT', `/routers/${router.id}/remove_extraroutes`, {
        router: { routes: [{ destination: '10.99.0.0/24', nexthop: '10.6.0.9' }] },
      })
      assert.deepEqual(less.body.router.routes, [])
    })

    test("a floating IP cannot lead to a port that no router joins, nor to another project's", async () => {
      const external = await outside('203.0.113.0/24')
      const { network } = await subnetIn('10.8.0.0/24')
      const port = await made('demo', '/ports', 'port', { network_id: network.id })
      const aim = (who: string) =>
        typeOf(who, 'POST', '/floatingips', { floatingip: { floating_network_id: external.id, port_id: port.id } })
      assert.equal(await aim('demo'), 'ExternalGatewayForFloatingIPNotFound')
      assert.equal(await aim('other'), 'PortNotFound')
    })

    test('a project has its default group from the first look, and rules obey', async () => {
      const listed = await cloud.ask('other', 'GET', '/security-groups')
      const [group] = listed.body.security_groups
      assert.equal(group.name, 'default')
      assert.deepEqual(
        group.security_group_rules
          .map((rule: any) => `${rule.direction} ${rule.ethertype} ${rule.remote_group_id === group.id}`)
          .sort(),
        ['egress IPv4 false', 'egress IPv6 false', 'ingress IPv4 true', 'ingress IPv6 true'],
      )
      assert.equal(
        await typeOf('other', 'POST', '/security-groups', { security_group: { name: 'default' } }),
        'SecurityGroupDefaultAlreadyExists',
      )
      assert.equal(
        await typeOf('other', 'DELETE', `/security-groups/${group.id}`),
        'SecurityGroupCannotRemoveDefault',
      )
      const rule = (fields: object) => ({
        security_group_rule: { security_group_id: group.id, direction: 'ingress', ...fields },
      })
      assert.equal(
        (
          await cloud.ask(
            'other',
            'POST',
            '/security-group-rules',
            rule({ protocol: 6, port_range_min: 22, port_range_max: 22 }),
          )
        ).body.security_group_rule.protocol,
        '6',
      )
      const refusals: [object, string][] = [
        [{ protocol: '6', port_range_min: 22, port_range_max: 22 }, 'SecurityGroupRuleExists'],
        [{ protocol: 'bad' }, 'SecurityGroupRuleInvalidProtocol'],
        [{ protocol: 'tcp', port_range_min: 80, port_range_max: 79 }, 'SecurityGroupInvalidPortRange'],
        [{ protocol: 'icmp', port_range_max: 3 }, 'SecurityGroupMissingIcmpType'],
        [{ protocol: 'tcp', port_range_min: -16, port_range_max: 80 }, 'SecurityGroupInvalidPortValue'],
        [{ protocol: 'icmp', port_range_min: 256 }, 'SecurityGroupInvalidIcmpValue'],
        [{ port_range_min: 1, port_range_max: 2 }, 'SecurityGroupProtocolRequiredWithPorts'],
        [{ ethertype: 'IPv6', remote_ip_prefix: '10.0.0.0/8' }, 'SecurityGroupRuleParameterConflict'],
        [{ remote_ip_prefix: '10.0.0.0/8', remote_group_id: group.id }, 'SecurityGroupRemoteGroupAndRemoteIpPrefix'],
      ]
      for (const [fields, type] of refusals)
        assert.equal(await typeOf('other', 'POST', '/security-group-rules', rule(fields)), type)
      assert.equal(
        await typeOf('demo', 'POST', '/security-group-rules', rule({ protocol: 'udp' })),
        'SecurityGroupNotFound',
      )
    })
  })
}
