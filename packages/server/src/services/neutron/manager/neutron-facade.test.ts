/** What other services rely on: ports made in their transactions, many at once, bound, planned and released. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { startNeutron, type TestNeutron } from '../testing.ts'

for (const { name, open } of testDatabases()) {
  describe(`facade on ${name}`, () => {
    let cloud: TestNeutron
    let networkId: string
    before(async () => {
      cloud = await startNeutron(open)
      const network = await cloud.ask('demo', 'POST', '/networks', { network: { name: 'n' } })
      networkId = network.body.network.id
      const subnet = await cloud.ask('demo', 'POST', '/subnets', {
        subnet: { network_id: networkId, ip_version: 4, cidr: '10.2.0.0/24' },
      })
      assert.equal(subnet.status, 201)
    })
    after(() => cloud.close())

    const ensure = (deviceId: string, more: object = {}) =>
      cloud.db.transaction((tx) =>
        cloud.facade.portEnsure(tx, {
          id: uuid(),
          networkId,
          projectId: cloud.projects.demo!,
          deviceId,
          deviceOwner: 'compute:nova',
          ...more,
        }),
      )

    test('two hundred ports at once get two hundred addresses, and the subnet then says what it has left', async () => {
      const ports = await Promise.all(Array.from({ length: 200 }, () => ensure('many')))
      const ips = new Set(ports.map((port) => port.fixedIps[0]!.ip))
      assert.equal(ips.size, 200)
      assert.equal(new Set(ports.map((port) => port.mac)).size, 200)
      assert.equal((await cloud.facade.portsOf('many')).length, 200)
      // 253 in the pool, one for the network's own services
      const rest = await Promise.allSettled(Array.from({ length: 60 }, () => ensure('rest')))
      assert.equal(rest.filter(({ status }) => status === 'fulfilled').length, 52)
      const refused = rest.find((one) => one.status === 'rejected') as PromiseRejectedResult
      assert.equal(refused.reason.details.type, 'IpAddressGenerationFailure')
      await cloud.db.transaction(async (tx) => {
        for (const device of ['many', 'rest']) await cloud.facade.portsRelease(tx, device)
      })
      assert.equal((await ensure('after')).fixedIps.length, 1)
    })

    test('asking again with the same id changes nothing', async () => {
      const id = uuid()
      const first = await ensure('twice', { id })
      assert.deepEqual(await ensure('twice', { id }), first)
      assert.equal((await cloud.facade.portsOf('twice')).length, 1)
    })

    test("a person's own port outlives the device that borrowed it", async () => {
      const made = await cloud.ask('demo', 'POST', '/ports', { port: { network_id: networkId, name: 'mine' } })
      const id = made.body.port.id
      const adopted = await ensure('borrower', { id, adopted: true })
      assert.equal(adopted.deviceId, 'borrower')
      await assert.rejects(ensure('thief', { id, adopted: true }), /still in use/)
      await cloud.db.transaction((tx) => cloud.facade.portsRelease(tx, 'borrower'))
      const back = await cloud.ask('demo', 'GET', `/ports/${id}`)
      assert.equal(back.body.port.device_id, '')
      assert.deepEqual(back.body.port.fixed_ips, made.body.port.fixed_ips)
    })

    test('a plan has everything to plug a port, and its status follows what hosts report', async () => {
      await ensure('server', { dnsName: 'web' })
      await cloud.facade.portsBind('server', 'host-1')
      const [plan] = await cloud.facade.plugPlans('server', {
        workloadId: 'server',
        pid: 42,
        netns: '/proc/42/ns/net',
      })
      assert.equal(plan!.port.device, 'eth0')
      assert.equal(plan!.port.addresses[0]!.prefixLength, 24)
      assert.deepEqual(
        plan!.securityGroups.map(({ id }) => id),
        plan!.port.securityGroupIds,
      )
      assert.equal(plan!.securityGroups[0]!.rules.length, 4)
      assert.ok(plan!.securityGroups[0]!.memberIps.includes(plan!.port.addresses[0]!.ip))
      assert.equal(plan!.resolvConf, 'search openstacklocal\nnameserver 169.254.169.254\n')
      await cloud.network.plug(plan!.network, plan!.port, plan!.securityGroups)
      await cloud.facade.portStatus(plan!.port.id, 'ACTIVE')
      assert.equal((await cloud.facade.portsOf('server'))[0]!.status, 'ACTIVE')
      await cloud.runner.settle(5000)
      assert.ok(cloud.network.ports.has(plan!.port.id))
      assert.ok(cloud.network.networks.get(networkId)!.names.some(({ name }) => name === 'web'))
    })

    test('groups come and go on a port that lives, once each, and its host is told', async () => {
      const port = await ensure('grouped', { hostName: 'host-1' })
      const made = await cloud.ask('demo', 'POST', '/security-groups', { security_group: { name: 'web' } })
      const web: string = made.body.security_group.id
      const change = (what: { add?: string[]; remove?: string[] }) =>
        cloud.db.transaction((tx) => cloud.facade.portSecurityGroups(tx, port.id, what))
      const sandbox = { workloadId: 'grouped', pid: 43, netns: '/proc/43/ns/net' }
      await cloud.facade.plugPlans('grouped', sandbox)
      await Promise.all([change({ add: [web] }), change({ add: [web] })])
      const [now] = await cloud.facade.portsOf('grouped')
      assert.deepEqual(new Set(now!.securityGroupIds), new Set([...port.securityGroupIds, web]))
      assert.deepEqual(await cloud.facade.securityGroupNames([web, uuid()]), new Map([[web, 'web']]))
      await cloud.runner.settle(20_000)
      assert.deepEqual(cloud.network.ports.get(port.id)!.securityGroupIds, [...now!.securityGroupIds].sort())
      await change({ remove: [web] })
      assert.deepEqual((await cloud.facade.portsOf('grouped'))[0]!.securityGroupIds, port.securityGroupIds)
      await assert.rejects(change({ add: [uuid()] }), /could not be found|does not exist/)
      const bare = { port: { port_security_enabled: false, security_groups: [] } }
      assert.equal((await cloud.ask('admin', 'PUT', `/ports/${port.id}`, bare)).status, 200)
      await assert.rejects(change({ add: [web] }), { kind: 'conflict' })
    })

    test('addresses come and go on a port that lives', async () => {
      const port = await ensure('addressed')
      const more = await cloud.db.transaction((tx) => cloud.facade.portAddressAdd(tx, port.id))
      assert.equal(more.fixedIps.length, 2)
      assert.equal(more.fixedIps[0]!.ip, port.fixedIps[0]!.ip)
      const remove = () =>
        cloud.db.transaction((tx) => cloud.facade.portAddressRemove(tx, port.id, port.fixedIps[0]!.ip))
      assert.deepEqual((await remove()).fixedIps, [more.fixedIps[1]])
      await assert.rejects(remove(), /does not have the address/)
    })

    test('a port that is reported down is in no sandbox, also when it was not up before', async () => {
      await ensure('halted', { hostName: 'host-1' })
      const [plan] = await cloud.facade.plugPlans('halted', {
        workloadId: 'halted',
        pid: 44,
        netns: '/proc/44/ns/net',
      })
      await cloud.facade.portStatus(plan!.port.id, 'DOWN')
      await cloud.runner.settle(20_000)
      assert.equal(cloud.network.ports.get(plan!.port.id)?.sandbox, undefined)
      const stored = await cloud.api.ports.collection.fetch({ projectId: '', isAdmin: true }, plan!.port.id)
      assert.equal(stored.sandbox, null)
    })

    test("a person's own port leaves its host with the device that borrowed it", async () => {
      const made = await cloud.ask('demo', 'POST', '/ports', { port: { network_id: networkId } })
      const id: string = made.body.port.id
      await ensure('guest', { id, adopted: true, hostName: 'host-1' })
      const [plan] = await cloud.facade.plugPlans('guest', { workloadId: 'guest', pid: 45, netns: '/proc/45/ns/net' })
      await cloud.network.plug(plan!.network, plan!.port, plan!.securityGroups)
      await cloud.runner.settle(20_000)
      assert.ok(cloud.network.ports.has(id))
      await cloud.db.transaction((tx) => cloud.facade.portRelease(tx, id))
      // What came or went is compared some seconds after the last sync.
      const endMs = systemClock.now() + 30_000
      while (cloud.network.ports.has(id) && systemClock.now() < endMs) await cloud.runner.settle(20_000)
      assert.equal(cloud.network.ports.has(id), false)
    })

    test('groups are found by name and id in their own project only', async () => {
      const [group] = await cloud.facade.securityGroupsResolve(cloud.projects.other!, ['default'])
      await assert.rejects(
        cloud.facade.securityGroupsResolve(cloud.projects.demo!, [group!.id]),
        /not found for project/,
      )
      assert.deepEqual(await cloud.facade.securityGroupsResolve(cloud.projects.other!, [group!.id]), [group])
    })

    test('many first uses at once make one default group', async () => {
      const found = await Promise.all(
        Array.from({ length: 10 }, () => cloud.facade.securityGroupsResolve('f'.repeat(32), ['default'])),
      )
      assert.equal(new Set(found.map(([group]) => group!.id)).size, 1)
    })
  })
}
