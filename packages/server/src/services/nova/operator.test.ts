/** What operators use: services, hypervisors, zones, aggregates; and the parts of a server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  malformedBodies, strangeIds, strangeQueries, unauthenticated, wrongMethods, wrongVersions,
} from '#platform/api-kit/sweeps.ts'
import { nova } from './service.ts'
import { networkId, secondNetworkId } from './testing/fake-neighbours.ts'
import { NovaCloud } from './testing/nova-cloud.ts'
import { act, bootServer, show } from './testing/steps.ts'

let cloud: NovaCloud
let id: string
before(async () => {
  cloud = await NovaCloud.start()
  id = await bootServer(cloud, 'web')
})
after(() => cloud.close())
const admin = { as: 'admin' }

describe('services', () => {
  test('are shown with numbers before 2.53 and uuids after', async () => {
    const list = async (version: string) =>
      (await cloud.ask('GET', '/v2.1/os-services?binary=nova-compute', { ...admin, version })).body.services
    const [old] = await list('2.1')
    assert.deepEqual(
      [typeof old.id, old.host, old.status, old.state, old.zone, 'forced_down' in old],
      ['number', 'host-1', 'enabled', 'up', 'nova', false],
    )
    const [young] = await list('2.53')
    assert.match(young.id, /^[0-9a-f-]{36}$/)
    assert.equal((await cloud.ask('GET', '/v2.1/os-services')).status, 403)
  })

  test('can be disabled with a reason, enabled and forced down', async () => {
    const [{ id: service }] = (
      await cloud.ask('GET', '/v2.1/os-services?binary=nova-compute', { ...admin, version: '2.53' })
    ).body.services
    const put = async (body: object) =>
      cloud.ask('PUT', `/v2.1/os-services/${service}`, { ...admin, version: '2.53', body })
    assert.deepEqual(
      (await put({ status: 'disabled', disabled_reason: 'maintenance' })).body.service.disabled_reason, 'maintenance',
    )
    assert.equal((await show(cloud, id, { as: 'admin', version: '2.16' })).host_status, 'MAINTENANCE')
    assert.equal((await put({ status: 'enabled', disabled_reason: 'x' })).status, 400)
    assert.equal((await put({ status: 'enabled' })).body.service.status, 'enabled')
    assert.deepEqual(
      [(await put({ forced_down: true })).body.service.state, (await put({ forced_down: false })).body.service.state],
      ['down', 'up'],
    )
    const legacy = await cloud.ask('PUT', '/v2.1/os-services/disable-log-reason', {
      ...admin, body: { host: 'host-1', binary: 'nova-compute', disabled_reason: 'why' },
    })
    assert.deepEqual(legacy.body.service, {
      host: 'host-1', binary: 'nova-compute', status: 'disabled', disabled_reason: 'why',
    })
    assert.equal(
      (
        await cloud.ask('PUT', '/v2.1/os-services/enable', {
          ...admin, body: { host: 'host-1', binary: 'nova-compute' },
        })
      ).body.service.status, 'enabled',
    )
    assert.equal(
      (
        await cloud.ask('PUT', '/v2.1/os-services/enable', { ...admin, body: { host: 'nope', binary: 'nova-compute' } })
      ).status, 404,
    )
  })
})

describe('hypervisors', () => {
  test('show their host, in the shape of each version', async () => {
    const detail = async (version: string) =>
      (await cloud.ask('GET', '/v2.1/os-hypervisors/detail', { ...admin, version })).body.hypervisors[0]
    const old = await detail('2.1')
    assert.deepEqual(
      [
        typeof old.id, typeof old.cpu_info, old.vcpus_used, old.memory_mb_used, old.hypervisor_type,
        old.hypervisor_version,
      ], ['number', 'string', 1, 128, 'docker', 20010024],
    )
    assert.equal(typeof (await detail('2.28')).cpu_info, 'object')
    const young = await detail('2.88')
    assert.deepEqual([young.id, 'vcpus' in young, typeof young.uptime], [
      '0f7e1c1e-3f2b-4d7e-9a53-0c8f0d9c1a11', false, 'string',
    ])
    const withServers = (
      await cloud.ask('GET', `/v2.1/os-hypervisors/${young.id}?with_servers=true`, { ...admin, version: '2.53' })
    ).body.hypervisor
    assert.deepEqual(withServers.servers, [{ uuid: id, name: 'web' }])
    assert.equal((await cloud.ask('GET', '/v2.1/os-hypervisors/statistics', admin)).body.hypervisor_statistics.count, 1)
    assert.equal((await cloud.ask('GET', '/v2.1/os-hypervisors/statistics', { ...admin, version: '2.88' })).status, 404)
    assert.equal(
      (await cloud.ask('GET', '/v2.1/os-hypervisors/host/search', admin)).body.hypervisors[0].hypervisor_hostname,
      'host-1',
    )
    assert.equal((await cloud.ask('GET', '/v2.1/os-hypervisors/nope/servers', admin)).status, 404)
  })
})

describe('zones and aggregates', () => {
  test('an aggregate moves its hosts into its zone and back', async () => {
    const zones = async () => (await cloud.ask('GET', '/v2.1/os-availability-zone')).body.availabilityZoneInfo.map(
      (one: { zoneName: string }) => one.zoneName,
    )
    assert.deepEqual(await zones(), ['nova'])
    const made = (
      await cloud.ask('POST', '/v2.1/os-aggregates', {
        ...admin, body: { aggregate: { name: 'east', availability_zone: 'east' } },
      })
    ).body.aggregate
    const aggregateAction = (body: object) =>
      cloud.ask('POST', `/v2.1/os-aggregates/${made.id}/action`, { ...admin, body })
    assert.deepEqual((await aggregateAction({ add_host: { host: 'host-1' } })).body.aggregate.hosts, ['host-1'])
    assert.equal((await aggregateAction({ add_host: { host: 'host-1' } })).status, 409)
    assert.equal((await aggregateAction({ add_host: { host: 'nope' } })).status, 404)
    assert.deepEqual(await zones(), ['east'])
    await cloud.follow()
    assert.deepEqual(
      (
        await aggregateAction({ set_metadata: { metadata: { ssd: 'yes', availability_zone: null } } })
      ).body.aggregate.metadata, { ssd: 'yes' },
    )
    assert.deepEqual(await zones(), ['nova'])
    assert.equal((await cloud.ask('DELETE', `/v2.1/os-aggregates/${made.id}`, admin)).status, 400)
    await aggregateAction({ remove_host: { host: 'host-1' } })
    assert.equal((await cloud.ask('DELETE', `/v2.1/os-aggregates/${made.id}`, admin)).status, 200)
    assert.equal((await cloud.ask('GET', `/v2.1/os-aggregates/${made.id}`, admin)).status, 404)
    const detail = (await cloud.ask('GET', '/v2.1/os-availability-zone/detail', admin)).body.availabilityZoneInfo
    assert.deepEqual(detail.map((one: { zoneName: string }) => one.zoneName).sort(), ['internal', 'nova'])
  })
})

describe('the parts of a server', () => {
  test('metadata can be read, merged, replaced and deleted', async () => {
    const path = `/v2.1/servers/${id}/metadata`
    assert.deepEqual(
      (await cloud.ask('POST', path, { body: { metadata: { a: '1', b: '2' } } })).body.metadata, { a: '1', b: '2' },
    )
    assert.deepEqual((await cloud.ask('PUT', `${path}/a`, { body: { meta: { a: '3' } } })).body.meta, { a: '3' })
    assert.equal((await cloud.ask('PUT', `${path}/a`, { body: { meta: { b: '3' } } })).status, 400)
    assert.deepEqual((await cloud.ask('GET', `${path}/a`)).body.meta, { a: '3' })
    assert.equal((await cloud.ask('DELETE', `${path}/a`)).status, 204)
    assert.equal((await cloud.ask('DELETE', `${path}/a`)).status, 404)
    assert.deepEqual((await cloud.ask('PUT', path, { body: { metadata: { z: '9' } } })).body.metadata, { z: '9' })
    assert.equal((await cloud.ask('PUT', path, { as: 'reader', body: { metadata: {} } })).status, 403)
    const many = Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`k${index}`, 'v']))
    assert.equal((await cloud.ask('PUT', path, { body: { metadata: many } })).status, 403)
  })

  test('tags can be read, set and deleted from 2.26 on', async () => {
    const path = `/v2.1/servers/${id}/tags`
    const at = { version: '2.26' }
    assert.equal((await cloud.ask('GET', path, { version: '2.25' })).status, 404)
    assert.deepEqual((await cloud.ask('PUT', path, { ...at, body: { tags: ['a', 'b', 'a'] } })).body.tags, ['a', 'b'])
    assert.equal((await cloud.ask('PUT', `${path}/c`, at)).status, 201)
    assert.equal((await cloud.ask('PUT', `${path}/c`, at)).status, 204)
    assert.equal((await cloud.ask('GET', `${path}/c`, at)).status, 204)
    assert.equal((await cloud.ask('DELETE', `${path}/c`, at)).status, 204)
    assert.equal((await cloud.ask('GET', `${path}/c`, at)).status, 404)
    assert.equal((await cloud.ask('DELETE', path, at)).status, 204)
    assert.deepEqual((await cloud.ask('GET', path, at)).body.tags, [])
  })

  test('addresses and interfaces follow its ports', async () => {
    const { addresses } = (await cloud.ask('GET', `/v2.1/servers/${id}/ips`)).body
    assert.deepEqual(Object.keys(addresses.private[0]), ['version', 'addr'])
    assert.equal((await cloud.ask('GET', `/v2.1/servers/${id}/ips/nope`)).status, 404)
    const path = `/v2.1/servers/${id}/os-interface`
    const attached = (
      await cloud.ask('POST', path, { body: { interfaceAttachment: { net_id: secondNetworkId } } })
    ).body.interfaceAttachment
    assert.equal(attached.net_id, secondNetworkId)
    assert.equal(cloud.workloads.orders.at(-1)!.order.do, 'replug')
    cloud.workloads.finish(id)
    await cloud.follow()
    assert.equal((await cloud.ask('GET', path)).body.interfaceAttachments.length, 2)
    assert.equal(
      (await cloud.ask('GET', `${path}/${attached.port_id}`)).body.interfaceAttachment.port_id, attached.port_id,
    )
    assert.equal(
      (
        await cloud.ask('POST', path, {
          body: { interfaceAttachment: { net_id: networkId, port_id: attached.port_id } },
        })
      ).status, 400,
    )
    assert.equal((await cloud.ask('DELETE', `${path}/${attached.port_id}`)).status, 202)
    cloud.workloads.finish(id)
    await cloud.follow()
    assert.equal((await cloud.ask('DELETE', `${path}/${attached.port_id}`)).status, 404)
  })

  test('security groups can be added and removed by name', async () => {
    assert.equal((await act(cloud, id, { addSecurityGroup: { name: 'web' } })).status, 202)
    const groups = (await cloud.ask('GET', `/v2.1/servers/${id}/os-security-groups`)).body.security_groups
    assert.deepEqual(groups.map((one: { name: string }) => one.name), ['default', 'web'])
    assert.equal((await act(cloud, id, { removeSecurityGroup: { name: 'web' } })).status, 202)
    assert.equal((await act(cloud, id, { removeSecurityGroup: { name: 'web' } })).status, 404)
    assert.equal((await act(cloud, id, { addSecurityGroup: { name: 'nope' } })).status, 404)
  })

  test('a server shows the groups that its ports have, whoever gave them', async () => {
    const [port] = await cloud.neutron.portsOf(id)
    const shown = async (): Promise<string[]> => {
      const { server } = (await cloud.ask('GET', `/v2.1/servers/${id}`)).body
      return server.security_groups.map((one: { name: string }) => one.name)
    }
    assert.deepEqual(await shown(), ['default'])
    port!.securityGroupIds = ['sg-elsewhere']
    assert.deepEqual(await shown(), ['elsewhere'])
    port!.securityGroupIds = ['sg-default']
  })

  test('older clients find the groups of the network service here, until 2.35', async () => {
    const { security_groups: groups } = (await cloud.ask('GET', '/v2.1/os-security-groups', { version: '2.35' })).body
    assert.deepEqual(groups.map((one: { name: string }) => one.name), ['default', 'web'])
    const shown = await cloud.ask('GET', `/v2.1/os-security-groups/${groups[1].id}`, { version: '2.1' })
    assert.equal(shown.body.security_group.name, 'web')
    assert.equal((await cloud.ask('GET', '/v2.1/os-security-groups/nope', { version: '2.1' })).status, 404)
    assert.equal((await cloud.ask('GET', '/v2.1/os-security-groups', { version: '2.36' })).status, 404)
  })

  test('a port has one more address and one less, until 2.43', async () => {
    const act243 = (body: object) => cloud.ask('POST', `/v2.1/servers/${id}/action`, { version: '2.43', body })
    const addresses = async (): Promise<string[]> =>
      (await cloud.ask('GET', `/v2.1/servers/${id}/ips/private`)).body.private.map((one: { addr: string }) => one.addr)
    const before = await addresses()
    assert.equal((await act243({ addFixedIp: { networkId } })).status, 202)
    const [added] = (await addresses()).filter((one) => !before.includes(one))
    assert.ok(added)
    assert.equal((await act243({ removeFixedIp: { address: added } })).status, 202)
    assert.deepEqual(await addresses(), before)
    assert.equal((await act243({ removeFixedIp: { address: added } })).status, 400)
    assert.equal((await act243({ addFixedIp: { networkId: secondNetworkId } })).status, 404)
  })

  test('diagnostics have one shape from 2.48 on', async () => {
    const young = (await cloud.ask('GET', `/v2.1/servers/${id}/diagnostics`, { ...admin, version: '2.48' })).body
    assert.deepEqual([young.state, young.num_cpus, young.memory_details], ['running', 1, { maximum: 128, used: 10 }])
    assert.equal((await cloud.ask('GET', `/v2.1/servers/${id}/diagnostics`, admin)).body.memory, 131072)
    assert.equal((await cloud.ask('GET', `/v2.1/servers/${id}/diagnostics`)).status, 403)
  })

  test('can be updated, and from 2.75 on the answer has everything', async () => {
    const put = (version: string, server: object) =>
      cloud.ask('PUT', `/v2.1/servers/${id}`, { version, body: { server } })
    const old = (await put('2.1', { name: 'renamed', accessIPv4: '192.0.2.1' })).body.server
    assert.deepEqual([old.name, old.accessIPv4, 'key_name' in old], ['renamed', '192.0.2.1', false])
    assert.ok('key_name' in (await put('2.75', { description: null })).body.server)
    assert.equal(cloud.workloads.rows.get(id)!.name, 'renamed')
    assert.equal((await put('2.1', { name: '' })).status, 400)
    assert.equal((await put('2.90', { hostname: 'not_good' })).status, 400)
  })
})

describe('every route', () => {
  const sweep = async (requests: ReturnType<typeof malformedBodies>, as: string) => {
    const wrong: string[] = []
    for (const { method, url, headers, body, expect, route, why } of requests) {
      const answer = await cloud.raw(method, url, { ...(as && { 'x-auth-token': as }), ...headers }, body)
      if (!expect.includes(answer.status)) wrong.push(
        `${route}: ${method} ${url} (${why}) answered ${answer.status}: ${answer.text.slice(0, 200)}`,
      )
    }
    assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} of ${requests.length}`)
  }
  test('wants a token unless it is open', () => sweep(unauthenticated(nova), ''))
  test('refuses other methods', () => sweep(wrongMethods(nova), ''))
  test('refuses versions out of range', () => sweep(wrongVersions(nova), 'admin'))
  for (const as of ['admin', 'alice']) {
    test(`survives malformed bodies (${as})`, () => sweep(malformedBodies(nova), as))
    test(`survives strange ids (${as})`, () => sweep(strangeIds(nova), as))
    test(`survives strange queries (${as})`, () => sweep(strangeQueries(nova), as))
  }
})
