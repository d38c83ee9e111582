/** What is shown of servers: the record of actions, and the fields of each microversion. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { NovaCloud } from './testing/nova-cloud.ts'
import { actAndFinish, bootServer, serverBody } from './testing/steps.ts'

let cloud: NovaCloud
before(async () => { cloud = await NovaCloud.start() })
after(() => cloud.close())

describe('the record of actions', () => {
  test('names each order by its request, and its end', async () => {
    const made = await cloud.ask('POST', '/v2.1/servers', { body: serverBody('web') })
    const { id } = made.body.server
    const request = String(made.headers['x-openstack-request-id'])
    const early = (
      await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions/${request}`, { version: '2.51' })
    ).body.instanceAction
    assert.deepEqual([early.action, early.events[0].finish_time, early.events[0].result], ['create', null, null])
    cloud.workloads.finish(id)
    await cloud.follow()
    const late = (
      await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions/${request}`, { version: '2.84' })
    ).body.instanceAction
    assert.deepEqual([late.events[0].event, late.events[0].result], ['compute__do_build_and_run_instance', 'Success'])
    await actAndFinish(cloud, id, { reboot: { type: 'HARD' } })
    const list = (await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions`)).body.instanceActions
    assert.deepEqual(list.map((one: { action: string }) => one.action), ['reboot', 'create'])
    const page = (await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions?limit=1`, { version: '2.58' })).body
    assert.equal(page.instanceActions.length, 1)
    assert.match(page.links[0].href, /marker=req-/)
    assert.equal((await cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions/req-nope`)).status, 404)
  })
})

describe('versions', () => {
  test('add their fields to a server and no earlier', async () => {
    const id = await bootServer(cloud, 'web', { key_name: undefined })
    const at = async (version: string, as = 'alice') =>
      Object.keys((await cloud.ask('GET', `/v2.1/servers/${id}`, { version, as })).body.server)
    const windows: [field: string, since: string, as?: string][] = [
      ['locked', '2.9'], ['description', '2.19'], ['tags', '2.26'], ['trusted_image_certificates', '2.63'],
      ['server_groups', '2.71'],
      ['locked_reason', '2.73'], ['OS-EXT-SRV-ATTR:hostname', '2.90'], ['pinned_availability_zone', '2.96'],
      ['host_status', '2.16', 'admin'],
      ['OS-EXT-SRV-ATTR:user_data', '2.3', 'admin'],
    ]
    for (const [field, since, as] of windows) {
      const earlier = `2.${Number(since.split('.')[1]) - 1}`
      assert.ok((await at(since, as)).includes(field), `${field} at ${since}`)
      assert.ok(!(await at(earlier, as)).includes(field), `${field} before ${since}`)
    }
    const old = (await cloud.ask('GET', `/v2.1/servers/${id}`)).body.server.flavor
    assert.deepEqual(Object.keys(old), ['id', 'links'])
    const embedded = (await cloud.ask('GET', `/v2.1/servers/${id}`, { version: '2.47' })).body.server.flavor
    assert.deepEqual(embedded, {
      vcpus: 1, ram: 128, disk: 1, ephemeral: 0, swap: 0, original_name: 'm1.nano', extra_specs: {},
    })
  })

  test('documents say what there is', async () => {
    const list = (await cloud.ask('GET', '', { as: '' })).body.versions
    assert.deepEqual(list.map((one: { id: string; version: string }) => [one.id, one.version]), [
      ['v2.0', ''], ['v2.1', '2.96'],
    ])
    for (const path of ['/v2.1', '/v2.1/']) {
      const { version } = (await cloud.ask('GET', path, { as: '' })).body
      assert.deepEqual([version.id, version.links[0].href, version.min_version], [
        'v2.1', 'http://cloud/compute/v2.1/', '2.1',
      ])
    }
  })
})
