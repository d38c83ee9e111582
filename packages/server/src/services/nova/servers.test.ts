/** Servers through the door: their life from BUILD to deleted, and what is refused on the way. */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { imageId, networkId, otherImageId } from './testing/fake-neighbours.ts'
import { NovaCloud } from './testing/nova-cloud.ts'
import { act, actAndFinish, bootServer, createServer, serverBody, show } from './testing/steps.ts'

let cloud: NovaCloud
beforeEach(async () => { cloud = await NovaCloud.start() })
const finish = () => cloud.close()

describe('creating', () => {
  test('answers 202 with a location and a password, builds, and becomes ACTIVE with an address', async (t) => {
    t.after(finish)
    const answer = await cloud.ask('POST', '/v2.1/servers', { body: serverBody('web') })
    assert.equal(answer.status, 202)
    const { id } = answer.body.server
    assert.deepEqual(Object.keys(answer.body.server).sort(), [
      'OS-DCF:diskConfig', 'adminPass', 'id', 'links', 'security_groups',
    ])
    assert.equal(answer.headers.location, `http://cloud/compute/v2.1/servers/${id}`)
    const building = await show(cloud, id)
    assert.deepEqual([building.status, building['OS-EXT-STS:task_state'], building.addresses], [
      'BUILD', 'scheduling', {},
    ])
    cloud.workloads.finish(id)
    await cloud.follow()
    const active = await show(cloud, id)
    assert.deepEqual(
      [active.status, active['OS-EXT-STS:power_state'], active['OS-EXT-STS:task_state']], ['ACTIVE', 1, null],
    )
    assert.deepEqual(active.addresses.private, [
      { version: 4, addr: '10.0.0.10', 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01' },
    ])
    assert.equal(active['OS-SRV-USG:launched_at'], '2023-11-14T22:13:21.000000')
  })

  test('asks workloads for the command of the image, the flavor and the metadata as environment', async (t) => {
    t.after(finish)
    const id = await createServer(cloud, 'Web Äpp', {
      metadata: { COLOR: 'blue', 'not a variable': 'x' }, user_data: Buffer.from('#!/bin/sh').toString('base64'),
    })
    const { spec } = cloud.workloads.rows.get(id)!
    assert.deepEqual(spec.command, ['httpd', '-f', '-p', '80'])
    assert.deepEqual(spec.env, { COLOR: 'blue' })
    assert.deepEqual(spec.resources, { vcpus: 1, ramMiB: 128, diskGiB: 1 })
    assert.equal(spec.hostname, 'web-pp')
    assert.equal(spec.networkMode, 'tenant')
    assert.ok(
      spec.files.some(
        (file) => file.path.endsWith('/user_data') && Buffer.from(file.content, 'base64').toString() === '#!/bin/sh',
      ),
    )
  })

  test('of several makes numbered members of one reservation', async (t) => {
    t.after(finish)
    const answer = await cloud.ask('POST', '/v2.1/servers', {
      body: serverBody('web', { min_count: 2, max_count: '3', return_reservation_id: true }),
    })
    const { servers } = (await cloud.ask('GET', `/v2.1/servers?reservation_id=${answer.body.reservation_id}`)).body
    assert.deepEqual(servers.map((server: { name: string }) => server.name).sort(), ['web-1', 'web-2', 'web-3'])
  })

  test('makes as many as quota holds, but not fewer than min_count', async (t) => {
    t.after(finish)
    cloud.quota.own.set('project-a', { instances: 2 })
    const some = await cloud.ask('POST', '/v2.1/servers', { body: serverBody('web', { min_count: 1, max_count: 5 }) })
    assert.equal(some.status, 202)
    assert.equal((await cloud.ask('GET', '/v2.1/servers')).body.servers.length, 2)
    const none = await cloud.ask('POST', '/v2.1/servers', { body: serverBody('more') })
    assert.equal(none.status, 403)
    assert.match(none.body.forbidden.message, /Quota exceeded for instances: Requested 1, but already used 2 of 2/)
    assert.equal(cloud.workloads.rows.size, 2)
  })

  const refusals: [why: string, more: object, status: number, message: RegExp, version?: string][] = [
    ['an unknown flavor', { flavorRef: 'nope' }, 400, /Flavor nope could not be found/],
    ['an unknown image', { imageRef: '99999999-0000-4000-8000-000000000001' }, 400, /Can not find requested image/],
    ['an image id that is none', { imageRef: 'x' }, 400, /imageRef/],
    ['an unknown key', { key_name: 'nope' }, 400, /Invalid key_name provided/],
    ['an unknown network', { networks: [{ uuid: '99999999-0000-4000-8000-000000000001' }] }, 400, /could not be found/],
    ['a malformed network', { networks: [{ uuid: 'x' }] }, 400, /not in proper format/],
    ['an unknown security group', { security_groups: [{ name: 'nope' }] }, 400, /Unable to find security group/],
    ['an unknown zone', { availability_zone: 'mars' }, 400, /availability zone is not available/],
    ['a forced host from no administrator', { availability_zone: 'nova:host-1' }, 403, /forced_host/],
    ['a blank name', { name: '' }, 400, /name/],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, 400, /too long/],
    ['a name that begins with a space', { name: ' web' }, 400, /name/],
    ['metadata over 255 characters', { metadata: { k: 'x'.repeat(256) } }, 400, /too long/],
    ['a bad IPv6 address', { accessIPv6: 'not::an::address' }, 400, /accessIPv6/],
    ['an unknown field', { surprise: 1 }, 400, /surprise/],
    ['user data that is no base64', { user_data: '***' }, 400, /user_data/],
    ['tags before 2.52', { tags: ['a'] }, 400, /tags/],
    ['a description before 2.19', { description: 'a' }, 400, /description/],
    ['no networks from 2.37 on', {}, 400, /networks/, '2.37'],
    ['auto networks before 2.37', { networks: 'auto' }, 400, /networks/, '2.36'],
    ['personality from 2.57 on', { networks: 'none', personality: [] }, 400, /personality/, '2.57'],
    [
      'a volume', { block_device_mapping_v2: [{ source_type: 'volume', uuid: imageId, boot_index: 0 }] }, 400,
      /cannot boot from a volume/,
    ],
    ['min_count above max_count', { min_count: 3, max_count: 2 }, 400, /min_count must be <= max_count/],
    [
      'a requested host from no administrator', { networks: 'none', host: 'host-1' }, 403, /requested_destination/,
      '2.74',
    ],
    [
      'a privileged container from no administrator', { metadata: { 'docker:privileged': 'true' } }, 403,
      /create:privileged/,
    ],
    [
      'the host network from no administrator', { metadata: { 'docker:network_mode': 'host' } }, 403,
      /network_mode=host/,
    ],
    ['an unknown Docker option', { metadata: { 'docker:nope': 'x' } }, 400, /Unknown option docker:nope/],
    [
      'a link to another project', { metadata: { 'docker:links': '99999999-0000-4000-8000-000000000001:db' } }, 400,
      /could not be found/,
    ],
  ]
  for (const [why, more, status, message, version] of refusals) {
    test(`refuses ${why}`, async (t) => {
      t.after(finish)
      const answer = await cloud.ask('POST', '/v2.1/servers', { version, body: serverBody('web', more) })
      assert.equal(answer.status, status, JSON.stringify(answer.body))
      assert.match(JSON.stringify(answer.body), message)
      assert.equal(cloud.workloads.rows.size, 0)
      assert.equal(cloud.neutron.ports.size, 0)
      assert.equal(cloud.quota.held.size, 0)
    })
  }

  test('refuses to guess between networks', async (t) => {
    t.after(finish)
    cloud.neutron.available = [...cloud.neutron.networks.keys()]
    const answer = await cloud.ask('POST', '/v2.1/servers', { body: serverBody('web') })
    assert.equal(answer.status, 409)
    assert.match(answer.body.conflictingRequest.message, /Multiple possible networks/)
  })

  test('takes an address that was asked for, once', async (t) => {
    t.after(finish)
    const networks = [{ uuid: networkId, fixed_ip: '10.0.0.77' }]
    const id = await bootServer(cloud, 'one', { networks })
    assert.equal((await show(cloud, id)).addresses.private[0].addr, '10.0.0.77')
    const again = await cloud.ask('POST', '/v2.1/servers', { body: serverBody('two', { networks }) })
    assert.equal(again.status, 400)
    assert.match(again.body.badRequest.message, /already in use/)
  })

  test('with no network gives the container none', async (t) => {
    t.after(finish)
    const id = await createServer(cloud, 'lonely', { networks: 'none' }, { version: '2.37' })
    assert.equal(cloud.workloads.rows.get(id)!.spec.networkMode, 'none')
  })

  test('lets an administrator choose the host and open the container', async (t) => {
    t.after(finish)
    const id = await createServer(
      cloud, 'root', { availability_zone: 'nova:host-1', metadata: { 'docker:privileged': 'true' } }, { as: 'admin' },
    )
    const { spec } = cloud.workloads.rows.get(id)!
    assert.deepEqual([spec.scheduling.host, spec.privileged], ['host-1', true])
  })

  test('is denied to who may only read', async (t) => {
    t.after(finish)
    assert.equal((await cloud.ask('POST', '/v2.1/servers', { as: 'reader', body: serverBody('web') })).status, 403)
  })
})

describe('orders', () => {
  const lives: [order: object, task: string, during: string, after: string, power: number, undo?: object][] = [
    [{ 'os-stop': null }, 'powering-off', 'ACTIVE', 'SHUTOFF', 4, { 'os-start': null }],
    [{ pause: null }, 'pausing', 'ACTIVE', 'PAUSED', 3, { unpause: null }],
    [{ suspend: null }, 'suspending', 'ACTIVE', 'SUSPENDED', 7, { resume: null }],
    [{ reboot: { type: 'SOFT' } }, 'rebooting', 'REBOOT', 'ACTIVE', 1],
    [{ reboot: { type: 'HARD' } }, 'rebooting_hard', 'HARD_REBOOT', 'ACTIVE', 1],
    [{ rebuild: { imageRef: otherImageId } }, 'rebuilding', 'REBUILD', 'ACTIVE', 1],
  ]
  for (const [order, task, during, afterwards, power, undo] of lives) {
    test(`${JSON.stringify(order)} shows ${during}, then ${afterwards}`, async (t) => {
      t.after(finish)
      const id = await bootServer(cloud, 'web')
      assert.equal((await act(cloud, id, order)).status, 202)
      const busy = await show(cloud, id)
      assert.deepEqual([busy.status, busy['OS-EXT-STS:task_state']], [during, task])
      cloud.workloads.finish(id)
      await cloud.follow()
      const done = await show(cloud, id)
      assert.deepEqual(
        [done.status, done['OS-EXT-STS:task_state'], done['OS-EXT-STS:power_state']], [afterwards, null, power],
      )
      if (!undo) return
      await actAndFinish(cloud, id, undo)
      assert.equal((await show(cloud, id)).status, 'ACTIVE')
    })
  }

  test('are refused in the wrong state, in upstream words', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    const answer = await act(cloud, id, { 'os-start': null })
    assert.equal(answer.status, 409)
    assert.equal(answer.body.conflictingRequest.message, `Cannot 'start' instance ${id} while it is in vm_state active`)
    await act(cloud, id, { 'os-stop': null })
    assert.match((await act(cloud, id, { pause: null })).body.conflictingRequest.message, /task_state powering-off/)
  })

  test('that fail leave the server in ERROR with the fault, and a hard reboot heals it', async (t) => {
    t.after(finish)
    const id = await createServer(cloud, 'web')
    cloud.workloads.fail(id, 'no such image on the host')
    await cloud.follow()
    const broken = await show(cloud, id)
    assert.deepEqual(
      [broken.status, broken.fault.code, broken.fault.message, broken.fault.details],
      ['ERROR', 500, 'no such image on the host', undefined],
    )
    assert.equal((await show(cloud, id, { as: 'admin' })).fault.details, 'details of no such image on the host')
    cloud.workloads.rows.set(id, { ...cloud.workloads.rows.get(id)!, fault: null })
    await actAndFinish(cloud, id, { reboot: { type: 'HARD' } })
    assert.equal((await show(cloud, id)).status, 'ACTIVE')
  })

  test('rebuild keeps what it was not told to change, and tells the new spec', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web', { metadata: { A: '1' } })
    const answer = await act(
      cloud, id, { rebuild: { imageRef: otherImageId, name: 'new', metadata: { B: '2' } } }, { version: '2.1' },
    )
    assert.equal(answer.body.server.name, 'new')
    assert.equal(typeof answer.body.server.adminPass, 'string')
    const last = cloud.workloads.orders.at(-1)!.order
    assert.ok(last.do === 'rebuild')
    assert.deepEqual([last.spec.imageId, last.spec.env, last.spec.networkMode], [otherImageId, { B: '2' }, 'tenant'])
  })

  test('resize waits for its confirmation, and quota follows', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    assert.equal((await act(cloud, id, { resize: { flavorRef: '1' } })).status, 202)
    assert.equal((await show(cloud, id)).status, 'RESIZE')
    cloud.workloads.finish(id)
    await cloud.follow()
    const waiting = await show(cloud, id)
    assert.deepEqual([waiting.status, waiting.flavor.id], ['VERIFY_RESIZE', '1'])
    assert.equal((await cloud.quota.usage('project-a')).ram!.inUse, 512)
    assert.equal((await act(cloud, id, { confirmResize: null })).status, 204)
    assert.equal((await show(cloud, id)).status, 'ACTIVE')
    await actAndFinish(cloud, id, { resize: { flavorRef: '42' } })
    await actAndFinish(cloud, id, { revertResize: null })
    const reverted = await show(cloud, id)
    assert.deepEqual([reverted.status, reverted.flavor.id], ['ACTIVE', '1'])
    assert.equal((await cloud.quota.usage('project-a')).ram!.inUse, 512)
    const migrations = (await cloud.ask('GET', '/v2.1/os-migrations', { as: 'admin', version: '2.59' })).body.migrations
    assert.deepEqual(migrations.map((one: { status: string }) => one.status), ['reverted', 'confirmed'])
    assert.match((await act(cloud, id, { resize: { flavorRef: '1' } })).body.badRequest.message, /must change flavor/)
  })

  test('lock keeps the owner out until it is lifted, with a reason from 2.73', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    await act(cloud, id, { lock: { locked_reason: 'audit' } }, { version: '2.73' })
    const locked = await show(cloud, id, { version: '2.73' })
    assert.deepEqual([locked.locked, locked.locked_reason], [true, 'audit'])
    assert.equal((await act(cloud, id, { 'os-stop': null })).status, 409)
    assert.equal((await cloud.ask('DELETE', `/v2.1/servers/${id}`)).status, 409)
    await act(cloud, id, { unlock: null })
    assert.equal((await act(cloud, id, { 'os-stop': null })).status, 202)
  })

  test('os-resetState is the administrator\'s and stands until the next order', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    assert.equal((await act(cloud, id, { 'os-resetState': { state: 'error' } })).status, 403)
    assert.equal((await act(cloud, id, { 'os-resetState': { state: 'error' } }, { as: 'admin' })).status, 202)
    await cloud.follow()
    assert.equal((await show(cloud, id)).status, 'ERROR')
    await act(cloud, id, { 'os-resetState': { state: 'active' } }, { as: 'admin' })
    await cloud.follow()
    assert.equal((await show(cloud, id)).status, 'ACTIVE')
  })

  test('createImage makes an image by and by, and only then is the server idle', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    const answer = await act(cloud, id, { createImage: { name: 'snap', metadata: { k: 'v' } } }, { version: '2.45' })
    const { image_id: made } = answer.body
    assert.equal(cloud.glance.images.get(made)!.properties.k, 'v')
    assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], 'image_snapshot_pending')
    await cloud.follow()
    assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], 'image_snapshot_pending')
    await cloud.pass('nova.snapshot')
    assert.deepEqual(cloud.workloads.snapshots, [{ id, imageId: made }])
    assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], null)
    assert.equal(await cloud.pass('nova.snapshot'), 0)
  })

  test('a backup keeps the newest of its type and leaves the others alone', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    const back = async (backup_type: string, rotation: number) => {
      const body = { createBackup: { name: `${backup_type} copy`, backup_type, rotation } }
      const answer = await act(cloud, id, body, { version: '2.45' })
      assert.equal(answer.status, 202)
      assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], 'image_backup')
      await cloud.pass('nova.snapshot')
      assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], null)
      return answer.body?.image_id as string
    }
    const weekly = await back('weekly', 1)
    const daily = [await back('daily', 2), await back('daily', 2), await back('daily', 2)]
    assert.deepEqual([weekly, ...daily].filter((one) => cloud.glance.images.has(one)), [weekly, daily[1], daily[2]])
    assert.equal(cloud.glance.images.get(weekly)!.properties.image_type, 'backup')
    assert.equal(await back('daily', 0), undefined)
    assert.deepEqual(daily.filter((one) => cloud.glance.images.has(one)), [])
  })


  test('createImage before 2.45 tells the image by its location', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    const answer = await act(cloud, id, { createImage: { name: 'snap' } })
    assert.match(String(answer.headers.location), /\/image\/v2\/images\/[0-9a-f-]{36}$/)
  })

  test('console output is the last lines asked for', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    assert.equal((await act(cloud, id, { 'os-getConsoleOutput': { length: 2 } })).body.output, `container ${id}\n`)
    assert.equal((await act(cloud, id, { 'os-getConsoleOutput': {} })).body.output, `one\ntwo\ncontainer ${id}\n`)
  })

  test('changePassword goes to chpasswd', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    assert.equal((await act(cloud, id, { changePassword: { adminPass: 's3cret' } })).status, 202)
    assert.equal(cloud.workloads.passwords.get(id), 'root:s3cret\n')
    assert.equal((await show(cloud, id)).status, 'ACTIVE')
  })

  test('that containers cannot carry out say so, and unknown ones are refused', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    assert.equal((await act(cloud, id, { rescue: {} })).status, 501)
    assert.equal((await act(cloud, id, { nonsense: null })).status, 400)
    assert.equal((await act(cloud, id, { 'os-getVNCConsole': { type: 'novnc' } }, { version: '2.6' })).status, 404)
  })
})

describe('deleting', () => {
  test('takes container, ports and quota with it, and the row stays for who asks for deleted ones', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    assert.equal((await cloud.ask('DELETE', `/v2.1/servers/${id}`)).status, 204)
    assert.equal((await show(cloud, id))['OS-EXT-STS:task_state'], 'deleting')
    assert.equal((await cloud.ask('DELETE', `/v2.1/servers/${id}`)).status, 204)
    cloud.workloads.finish(id)
    await cloud.follow()
    assert.equal((await cloud.ask('GET', `/v2.1/servers/${id}`)).status, 404)
    assert.equal(cloud.neutron.ports.size, 0)
    assert.equal(cloud.quota.held.size, 0)
    const deleted = (
      await cloud.ask('GET', '/v2.1/servers/detail?deleted=true', { as: 'admin', version: '2.1' })
    ).body.servers
    assert.equal(deleted.length, 0, 'a project of its own')
    const all = (
      await cloud.ask('GET', '/v2.1/servers/detail?deleted=true&all_tenants=1', { as: 'admin' })
    ).body.servers
    assert.deepEqual([all[0].id, all[0].status], [id, 'DELETED'])
  })

  test('finds nothing under another project or a strange id', async (t) => {
    t.after(finish)
    const id = await bootServer(cloud, 'web')
    for (const [path, as] of [[id, 'bob'], ['-1', 'alice'], ['9'.repeat(300), 'alice']] as const) {
      assert.equal((await cloud.ask('DELETE', `/v2.1/servers/${path}`, { as })).status, 404)
      assert.equal((await cloud.ask('GET', `/v2.1/servers/${path}`, { as })).status, 404)
    }
  })
})
