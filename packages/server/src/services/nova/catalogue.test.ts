/** Flavors, key pairs, server groups, quotas, limits and usage through the door. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { NovaCloud } from './testing/nova-cloud.ts'
import { bootServer, createServer, serverBody } from './testing/steps.ts'

let cloud: NovaCloud
before(async () => { cloud = await NovaCloud.start() })
after(() => cloud.close())
const admin = { as: 'admin' }

const edKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH1w7b5G8Tg4kXq9gJ2yG8vG6bC9s0zqW1YB0x8mXJ7D someone@somewhere'

describe('flavors', () => {
  test('of a fresh cloud are those of DevStack', async () => {
    const { flavors } = (await cloud.ask('GET', '/v2.1/flavors/detail')).body
    const nano = flavors.find((one: { name: string }) => one.name === 'm1.nano')
    assert.deepEqual(
      [nano.id, nano.ram, nano.disk, nano.vcpus, nano.swap, nano['os-flavor-access:is_public'], nano.rxtx_factor],
      ['42', 128, 1, 1, '', true, 1],
    )
    assert.ok(flavors.some((one: { name: string }) => one.name === 'm1.xlarge'))
  })

  test('can be made, described, given extra specs and deleted by administrators', async () => {
    const body = { flavor: { name: 'big', ram: 64, vcpus: '2', disk: 0, id: 'auto', swap: 5 } }
    const made = (await cloud.ask('POST', '/v2.1/flavors', { ...admin, version: '2.75', body })).body.flavor
    assert.match(made.id, /^[0-9a-f-]{36}$/)
    assert.deepEqual([made.vcpus, made.swap], [2, 5])
    assert.equal((await cloud.ask('POST', '/v2.1/flavors', { ...admin, body })).status, 409)
    const described = await cloud.ask('PUT', `/v2.1/flavors/${made.id}`, {
      ...admin, version: '2.55', body: { flavor: { description: 'roomy' } },
    })
    assert.equal(described.body.flavor.description, 'roomy')
    assert.equal(
      (
        await cloud.ask('PUT', `/v2.1/flavors/${made.id}`, {
          ...admin, version: '2.54', body: { flavor: { description: 'x' } },
        })
      ).status, 404,
    )
    const specs = `/v2.1/flavors/${made.id}/os-extra_specs`
    assert.deepEqual(
      (
        await cloud.ask('POST', specs, { ...admin, body: { extra_specs: { 'resources:VCPU': 1, a: 'b' } } })
      ).body.extra_specs, { 'resources:VCPU': '1', a: 'b' },
    )
    assert.deepEqual((await cloud.ask('PUT', `${specs}/a`, { ...admin, body: { a: 'c' } })).body, { a: 'c' })
    assert.equal((await cloud.ask('PUT', `${specs}/a`, { ...admin, body: { b: 'c' } })).status, 400)
    assert.deepEqual((await cloud.ask('GET', `${specs}/a`)).body, { a: 'c' })
    assert.equal((await cloud.ask('DELETE', `${specs}/a`, admin)).status, 200)
    assert.equal((await cloud.ask('GET', `${specs}/a`)).status, 404)
    assert.deepEqual(
      (await cloud.ask('GET', `/v2.1/flavors/${made.id}`, { version: '2.61' })).body.flavor.extra_specs,
      { 'resources:VCPU': '1' },
    )
    assert.equal((await cloud.ask('DELETE', `/v2.1/flavors/${made.id}`)).status, 403)
    assert.equal((await cloud.ask('DELETE', `/v2.1/flavors/${made.id}`, admin)).status, 202)
    assert.equal((await cloud.ask('GET', `/v2.1/flavors/${made.id}`)).status, 404)
  })

  test('that are private exist only for projects that were let in', async () => {
    await cloud.ask('POST', '/v2.1/flavors', {
      ...admin,
      body: {
        flavor: { name: 'secret', id: 'sec', ram: 64, vcpus: 1, disk: 0, 'os-flavor-access:is_public': 'False' },
      },
    })
    assert.equal((await cloud.ask('GET', '/v2.1/flavors/sec')).status, 404)
    assert.equal(
      (await cloud.ask('POST', '/v2.1/servers', { body: serverBody('x', { flavorRef: 'sec' }) })).status, 400,
    )
    const granted = await cloud.ask('POST', '/v2.1/flavors/sec/action', {
      ...admin, body: { addTenantAccess: { tenant: 'project-a' } },
    })
    assert.deepEqual(
      granted.body.flavor_access.map((one: { tenant_id: string }) => one.tenant_id), ['project-a'],
    )
    assert.equal((await cloud.ask('GET', '/v2.1/flavors/sec')).status, 200)
    assert.equal(
      (
        await cloud.ask('POST', '/v2.1/flavors/sec/action', {
          ...admin, body: { addTenantAccess: { tenant: 'project-a' } },
        })
      ).status, 409,
    )
    assert.equal(
      (
        await cloud.ask('POST', '/v2.1/flavors/sec/action', {
          ...admin, body: { addTenantAccess: { tenant: 'missing' } },
        })
      ).status, 400,
    )
    await cloud.ask('POST', '/v2.1/flavors/sec/action', {
      ...admin, body: { removeTenantAccess: { tenant: 'project-a' } },
    })
    assert.equal((await cloud.ask('GET', '/v2.1/flavors/sec')).status, 404)
    const all = (await cloud.ask('GET', '/v2.1/flavors?is_public=None', admin)).body.flavors
    assert.ok(all.some((one: { id: string }) => one.id === 'sec'))
    assert.equal((await cloud.ask('GET', '/v2.1/flavors/42/os-flavor-access', admin)).status, 404)
  })

  test('are filtered, sorted and paged', async () => {
    const ids = async (query: string) =>
      (await cloud.ask('GET', `/v2.1/flavors${query}`)).body.flavors.map((one: { id: string }) => one.id)
    assert.deepEqual(await ids('?minRam=8192&sort_key=memory_mb'), ['4', '5'])
    assert.deepEqual(await ids('?minDisk=80&sort_key=root_gb&sort_dir=desc'), ['5', '4'])
    const first = (await cloud.ask('GET', '/v2.1/flavors?limit=3')).body
    assert.equal(first.flavors.length, 3)
    assert.deepEqual(await ids(first.flavors_links[0].href.split('flavors')[1]), (await ids('')).slice(3, 6))
    for (const query of ['?minRam=x', '?limit=-1', '?marker=nope', '?is_public=perhaps', '?sort_key=nope']) {
      assert.equal((await cloud.ask('GET', `/v2.1/flavors${query}`, admin)).status, 400, query)
    }
  })
})

describe('key pairs', () => {
  test('are made, with a private key that is told once', async () => {
    const made = await cloud.ask('POST', '/v2.1/os-keypairs', {
      version: '2.2', body: { keypair: { name: 'mine', type: 'ssh' } },
    })
    assert.equal(made.status, 201)
    assert.match(made.body.keypair.private_key, /BEGIN RSA PRIVATE KEY/)
    assert.match(made.body.keypair.fingerprint, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
    const shown = (await cloud.ask('GET', '/v2.1/os-keypairs/mine')).body.keypair
    assert.equal(shown.private_key, undefined)
    assert.deepEqual([shown.user_id, shown.deleted, typeof shown.id], ['alice', false, 'number'])
    assert.equal((await cloud.ask('POST', '/v2.1/os-keypairs', { body: { keypair: { name: 'mine' } } })).status, 409)
    assert.equal((await cloud.ask('GET', '/v2.1/os-keypairs/mine', { as: 'bob' })).status, 404)
    assert.equal((await cloud.ask('DELETE', '/v2.1/os-keypairs/mine')).status, 202)
    assert.equal((await cloud.ask('DELETE', '/v2.1/os-keypairs/mine', { version: '2.2' })).status, 404)
  })

  test('can be certificates that verify themselves', async () => {
    const made = (
      await cloud.ask('POST', '/v2.1/os-keypairs', {
        version: '2.2', body: { keypair: { name: 'cert', type: 'x509' } },
      })
    ).body.keypair
    const certificate = new X509Certificate(made.public_key)
    assert.ok(certificate.verify(certificate.publicKey))
    assert.match(made.private_key, /BEGIN PRIVATE KEY/)
  })

  test('can be brought, if they are keys', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    for (const [name, key, status] of [
      ['ed', edKey, 200], ['pem', publicKey.export({ type: 'spki', format: 'pem' }), 400],
      ['cut', edKey.replace('mXJ7D', ''), 400], ['odd/name', edKey, 400], ['none', '', 400],
    ] as const) {
      const answer = await cloud.ask('POST', '/v2.1/os-keypairs', { body: { keypair: { name, public_key: key } } })
      assert.equal(answer.status, status, `${name}: ${JSON.stringify(answer.body)}`)
    }
  })

  test('of other users are for administrators, from 2.10 on; making ends with 2.92', async () => {
    await cloud.ask('POST', '/v2.1/os-keypairs', { as: 'bob', body: { keypair: { name: 'bobs', public_key: edKey } } })
    const names = (answer: { body: any }) =>
      answer.body.keypairs.map((one: { keypair: { name: string } }) => one.keypair.name)
    assert.deepEqual(
      names(await cloud.ask('GET', '/v2.1/os-keypairs?user_id=bob', { ...admin, version: '2.10' })), ['bobs'],
    )
    assert.equal((await cloud.ask('GET', '/v2.1/os-keypairs?user_id=bob', { version: '2.10' })).status, 403)
    assert.equal(
      (await cloud.ask('POST', '/v2.1/os-keypairs', { version: '2.92', body: { keypair: { name: 'new' } } })).status,
      400,
    )
    assert.equal(
      (
        await cloud.ask('POST', '/v2.1/os-keypairs', {
          version: '2.92', body: { keypair: { name: 'a@b.c', public_key: edKey } },
        })
      ).status, 201,
    )
  })

  test('are put into the server, and are named by it', async () => {
    await cloud.ask('POST', '/v2.1/os-keypairs', { body: { keypair: { name: 'login', public_key: edKey } } })
    const id = await createServer(cloud, 'keyed', { key_name: 'login' })
    const file = cloud.workloads.rows.get(id)!.spec.files.find((one) => one.path === '/root/.ssh/authorized_keys')!
    assert.deepEqual([Buffer.from(file.content, 'base64').toString().trim(), file.mode], [edKey, 0o600])
  })
})

describe('server groups', () => {
  test('hold servers, in the words of each version', async () => {
    const made = (
      await cloud.ask('POST', '/v2.1/os-server-groups', {
        version: '2.64',
        body: { server_group: { name: 'apart', policy: 'anti-affinity', rules: { max_server_per_host: 3 } } },
      })
    ).body.server_group
    assert.deepEqual([made.policy, made.rules, made.members], ['anti-affinity', { max_server_per_host: 3 }, []])
    const id = (
      await cloud.ask('POST', '/v2.1/servers', {
        body: { ...serverBody('one'), 'os:scheduler_hints': { group: made.id } },
      })
    ).body.server.id
    assert.deepEqual(cloud.workloads.rows.get(id)!.spec.scheduling.group, {
      id: made.id, policy: 'anti-affinity', maxPerHost: 3,
    })
    const old = (await cloud.ask('GET', `/v2.1/os-server-groups/${made.id}`)).body.server_group
    assert.deepEqual([old.policies, old.metadata, old.members], [['anti-affinity'], {}, [id]])
    assert.deepEqual(
      (await cloud.ask('GET', `/v2.1/servers/${id}`, { version: '2.71' })).body.server.server_groups, [made.id],
    )
    assert.equal((await cloud.ask('GET', `/v2.1/os-server-groups/${made.id}`, { as: 'bob' })).status, 404)
    assert.equal((await cloud.ask('DELETE', `/v2.1/os-server-groups/${made.id}`)).status, 204)
    assert.deepEqual((await cloud.ask('GET', `/v2.1/servers/${id}`, { version: '2.71' })).body.server.server_groups, [])
  })

  test('are refused with words of another version', async () => {
    const ask = (version: string, group: object) =>
      cloud.ask('POST', '/v2.1/os-server-groups', { version, body: { server_group: { name: 'x', ...group } } })
    assert.equal((await ask('2.1', { policies: ['soft-affinity'] })).status, 400)
    assert.equal((await ask('2.15', { policies: ['soft-affinity'] })).status, 200)
    assert.equal((await ask('2.64', { policies: ['affinity'] })).status, 400)
    assert.equal((await ask('2.64', { policy: 'affinity', rules: { max_server_per_host: 2 } })).status, 400)
    assert.equal((await ask('2.64', {})).status, 400)
  })
})

describe('quotas', () => {
  test('show upstream\'s numbers and names at each version', async () => {
    const set = async (version: string, path = 'project-a') =>
      (await cloud.ask('GET', `/v2.1/os-quota-sets/${path}`, { version })).body.quota_set
    const old = await set('2.1')
    assert.deepEqual(
      [
        old.id, old.instances, old.cores, old.ram, old.key_pairs, old.metadata_items, old.injected_files,
        old.floating_ips,
      ], ['project-a', 10, 20, 51200, 100, 128, 5, -1],
    )
    assert.equal((await set('2.36')).floating_ips, undefined)
    assert.equal((await set('2.57')).injected_files, undefined)
    const detail = await set('2.57', 'project-a/detail')
    assert.deepEqual(Object.keys(detail.instances).toSorted(), ['allocated', 'in_use', 'limit', 'reserved'])
    assert.equal((await cloud.ask('GET', '/v2.1/os-quota-sets/project-b')).status, 403)
    assert.equal((await cloud.ask('GET', '/v2.1/os-quota-sets/project-b', admin)).status, 200)
    for (const tail of ['', '/detail', '/defaults']) {
      const unknown = await cloud.ask('GET', `/v2.1/os-quota-sets/missing${tail}`, admin)
      assert.equal(unknown.status, 400, tail)
      assert.equal(unknown.body.badRequest.message, 'Project ID missing is not a valid project.')
    }
    assert.equal((await cloud.ask('GET', '/v2.1/os-quota-sets/missing')).status, 403)
  })

  test('are set and taken back by administrators', async () => {
    const update = (body: object) =>
      cloud.ask('PUT', '/v2.1/os-quota-sets/project-b', { ...admin, body: { quota_set: body } })
    assert.equal((await update({ cores: 4, ram: '100', force: true })).body.quota_set.ram, 100)
    assert.equal((await update({ cores: -2 })).status, 400)
    assert.equal((await update({ nonsense: 2 })).status, 400)
    assert.equal((await cloud.ask('DELETE', '/v2.1/os-quota-sets/project-b', admin)).status, 202)
    assert.equal((await cloud.ask('GET', '/v2.1/os-quota-sets/project-b', admin)).body.quota_set.cores, 20)
  })

  test('of single users are not kept: who sets one is refused, who reads one reads the project\'s', async () => {
    const path = '/v2.1/os-quota-sets/project-b?user_id=bob'
    const body = { quota_set: { cores: 1 } }
    for (const method of ['PUT', 'DELETE'])
      assert.equal((await cloud.ask(method, path, { ...admin, ...(method === 'PUT' && { body }) })).status, 400)
    assert.equal((await cloud.ask('GET', path, admin)).body.quota_set.cores, 20)
  })

  test('of the default class are every project\'s start', async () => {
    const changed = await cloud.ask('PUT', '/v2.1/os-quota-class-sets/default', {
      ...admin, body: { quota_class_set: { key_pairs: 90 } },
    })
    assert.equal(changed.body.quota_class_set.key_pairs, 90)
    assert.equal((await cloud.ask('GET', '/v2.1/os-quota-sets/project-c', admin)).body.quota_set.key_pairs, 90)
  })

  test('of another class are kept and shown, and are nobody\'s', async () => {
    const path = '/v2.1/os-quota-class-sets/gold'
    const before = (await cloud.ask('GET', '/v2.1/os-quota-sets/project-c/defaults', admin)).body.quota_set
    const changed = await cloud.ask('PUT', path, { ...admin, body: { quota_class_set: { cores: 3 } } })
    assert.equal(changed.body.quota_class_set.cores, 3)
    const { id, cores, instances } = (await cloud.ask('GET', path, admin)).body.quota_class_set
    assert.deepEqual([id, cores, instances], ['gold', 3, 10])
    const after = (await cloud.ask('GET', '/v2.1/os-quota-sets/project-c/defaults', admin)).body.quota_set
    assert.deepEqual(after, before)
    assert.equal((await cloud.ask('GET', '/v2.1/os-quota-class-sets/default', admin)).body.quota_class_set.cores, 20)
    const long = `/v2.1/os-quota-class-sets/${'x'.repeat(256)}`
    assert.equal((await cloud.ask('PUT', long, { ...admin, body: { quota_class_set: { cores: 3 } } })).status, 400)
  })

  test('become limits with what is used', async () => {
    const before = (await cloud.ask('GET', '/v2.1/limits?reserved=1')).body.limits
    await bootServer(cloud, 'counted')
    const { absolute, rate } = (await cloud.ask('GET', '/v2.1/limits')).body.limits
    assert.deepEqual(rate, [])
    assert.deepEqual(
      [
        absolute.maxTotalInstances, absolute.totalInstancesUsed - before.absolute.totalInstancesUsed,
        absolute.totalRAMUsed - before.absolute.totalRAMUsed,
      ], [10, 1, 128],
    )
    assert.equal(
      (await cloud.ask('GET', '/v2.1/limits', { version: '2.57' })).body.limits.absolute.maxPersonality, undefined,
    )
  })
})

describe('usage', () => {
  test('counts hours by flavor', async () => {
    const server = (await cloud.ask('GET', '/v2.1/servers?name=counted')).body.servers[0]
    cloud.clock.advance(7_200_000)
    const { tenant_usage: usage } = (await cloud.ask('GET', '/v2.1/os-simple-tenant-usage/project-a')).body
    const own = usage.server_usages.find((one: { instance_id: string }) => one.instance_id === server.id)
    assert.ok(own.hours >= 2 && own.hours < 3, String(own.hours))
    assert.deepEqual([own.flavor, own.memory_mb, own.state, own.ended_at], ['m1.nano', 128, 'active', null])
    assert.ok(usage.total_memory_mb_usage >= 256)
    const page = (await cloud.ask('GET', '/v2.1/os-simple-tenant-usage/project-a?limit=1', { version: '2.40' })).body
    assert.match(page.tenant_usage_links[0].href, /marker=/)
    assert.deepEqual(
      (await cloud.ask('GET', '/v2.1/os-simple-tenant-usage/project-empty', admin)).body, { tenant_usage: {} },
    )
    assert.equal((await cloud.ask('GET', '/v2.1/os-simple-tenant-usage')).status, 403)
    assert.ok((await cloud.ask('GET', '/v2.1/os-simple-tenant-usage?detailed=1', admin)).body.tenant_usages.length >= 1)
    assert.equal((await cloud.ask('GET', '/v2.1/os-simple-tenant-usage/project-a?start=never')).status, 400)
  })
})
