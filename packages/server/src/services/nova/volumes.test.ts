/** Volumes of servers: attached, detached, made with a server, and let go with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controllerSuite } from '#platform/controllers/testing.ts'
import { testDatabases } from '#platform/db/testing.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { uuid } from '#platform/ids/ids.ts'
import { NovaCloud } from './testing/nova-cloud.ts'
import { act, bootServer, createServer, serverBody, show } from './testing/steps.ts'

const hostName = 'host-1'

const pathOf = (serverId: string) => `/v2.1/servers/${serverId}/os-volume_attachments`
const attach = (cloud: NovaCloud, serverId: string, volumeId: string, more: object = {}, version = '2.96') =>
  cloud.ask('POST', pathOf(serverId), { version, body: { volumeAttachment: { volumeId, ...more } } })
const listed = async (cloud: NovaCloud, serverId: string, version = '2.96'): Promise<any[]> =>
  (await cloud.ask('GET', pathOf(serverId), { version })).body.volumeAttachments

/** Everybody does what there is to do until nothing is left. */
async function settle(cloud: NovaCloud): Promise<void> {
  for (let quiet = 0; quiet < 2;) {
    cloud.cinder.settle()
    cloud.workloads.volumes.settle()
    quiet = (await cloud.pass('nova.volumes')) === 0 ? quiet + 1 : 0
  }
}

async function withVolume(cloud: NovaCloud, change = {}): Promise<{ serverId: string; volumeId: string }> {
  const serverId = await bootServer(cloud, 'web')
  const volumeId = cloud.cinder.add(uuid(), { hostName, ...change }).id
  assert.equal((await attach(cloud, serverId, volumeId)).status, 200)
  await settle(cloud)
  return { serverId, volumeId }
}

const lastAction = async (cloud: NovaCloud, serverId: string) => {
  const path = `/v2.1/servers/${serverId}/os-instance-actions`
  const [action] = (await cloud.ask('GET', path, { version: '2.96' })).body.instanceActions
  const { events } = (await cloud.ask('GET', `${path}/${action.request_id}`, { as: 'admin', version: '2.96' })).body
    .instanceAction
  return { action: action.action, result: events[0].result, details: events[0].details }
}

const attachAndDetach = async (database: TestDatabase): Promise<void> => {
  const cloud = await NovaCloud.start(database)
  const serverId = await bootServer(cloud, 'web')
  const volumeId = cloud.cinder.add(uuid()).id
  const answer = await attach(cloud, serverId, volumeId, { tag: 'db', delete_on_termination: true })
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.body.volumeAttachment, {
    id: volumeId, volumeId, serverId, device: '/dev/vdb', tag: 'db', delete_on_termination: true,
  })
  assert.equal(cloud.cinder.statusOf(volumeId), 'reserved')
  await settle(cloud)
  assert.equal(cloud.cinder.statusOf(volumeId), 'in-use')
  assert.equal(cloud.cinder.volumes.get(volumeId)!.hostName, hostName, 'the first attachment places it')
  const bare = { volumeId, serverId, device: '/dev/vdb' }
  assert.deepEqual(await listed(cloud, serverId, '2.1'), [{ id: volumeId, ...bare }])
  assert.deepEqual(await listed(cloud, serverId, '2.70'), [{ id: volumeId, ...bare, tag: 'db' }])
  const [newest] = await listed(cloud, serverId)
  assert.deepEqual(Object.keys(newest).sort(), [
    'attachment_id', 'bdm_uuid', 'delete_on_termination', 'device', 'serverId', 'tag', 'volumeId',
  ])
  assert.equal(cloud.cinder.attachments.get(newest.attachment_id)!.device, '/dev/vdb')
  assert.deepEqual((await show(cloud, serverId))['os-extended-volumes:volumes_attached'], [{ id: volumeId }])
  assert.deepEqual((await show(cloud, serverId, { version: '2.3' }))['os-extended-volumes:volumes_attached'], [
    { id: volumeId, delete_on_termination: true },
  ])
  assert.deepEqual(await lastAction(cloud, serverId), { action: 'attach_volume', result: 'Success', details: null })

  assert.equal((await cloud.ask('DELETE', `${pathOf(serverId)}/${volumeId}`)).status, 202)
  assert.equal(cloud.cinder.statusOf(volumeId), 'detaching')
  await settle(cloud)
  assert.equal(cloud.cinder.statusOf(volumeId), 'available')
  assert.deepEqual(await listed(cloud, serverId), [])
  assert.equal((await cloud.ask('GET', `${pathOf(serverId)}/${volumeId}`)).status, 404)
  await cloud.close()
}

for (const database of testDatabases())
  test(`on ${database.name}: a volume is attached, shown at every version, and detached`, () =>
    attachAndDetach(database))

test('refusals name what is wrong', async () => {
  const cloud = await NovaCloud.start()
  const { serverId, volumeId } = await withVolume(cloud)
  const status = async (...args: [string, object?, string?]) => (await attach(cloud, serverId, ...args)).status
  assert.equal(await status(uuid()), 404)
  assert.equal(await status(volumeId), 400, 'attached already')
  const busy = cloud.cinder.add(uuid(), { status: 'in-use' })
  assert.equal(await status(busy.id), 400)
  const other = cloud.cinder.add(uuid(), { projectId: 'project-b' })
  assert.equal(await status(other.id), 404)
  const free = cloud.cinder.add(uuid())
  assert.equal(await status(free.id, { device: '/dev/vdb' }), 409)
  assert.equal(await status(free.id, { device: '/etc/passwd' }), 400)
  assert.equal(await status(free.id, { tag: 'x' }, '2.48'), 400)
  assert.equal(await status(free.id, { delete_on_termination: true }, '2.78'), 400)
  assert.equal((await cloud.ask('DELETE', `${pathOf(serverId)}/${free.id}`)).status, 404)
  assert.deepEqual((await listed(cloud, serverId)).map((one) => one.volumeId), [volumeId])
  await cloud.close()
})

test('only the settings of a volume change; a swap is refused with what to do instead', async () => {
  const cloud = await NovaCloud.start()
  const { serverId, volumeId } = await withVolume(cloud)
  const put = (as: string, wanted: object) =>
    cloud.ask('PUT', `${pathOf(serverId)}/${volumeId}`, { as, version: '2.85', body: { volumeAttachment: wanted } })
  assert.equal((await put('alice', { volumeId, delete_on_termination: true })).status, 202)
  assert.equal((await listed(cloud, serverId))[0].delete_on_termination, true)
  assert.equal((await put('alice', { volumeId: uuid() })).status, 403)
  const swap = await put('admin', { volumeId: uuid() })
  assert.equal(swap.status, 501)
  assert.match(JSON.stringify(swap.body), /Attach the other volume/)
  await cloud.close()
})

test('a volume that its container uses stays attached, and the action says why', async () => {
  const cloud = await NovaCloud.start()
  const { serverId, volumeId } = await withVolume(cloud)
  await cloud.ask('DELETE', `${pathOf(serverId)}/${volumeId}`)
  const fault = { message: 'The volume stays attached: target is busy', at: 1 }
  cloud.workloads.volumes.set({ workloadId: serverId, volumeId }, { state: 'attached', fault })
  await settle(cloud)
  assert.equal(cloud.cinder.statusOf(volumeId), 'in-use')
  assert.deepEqual(await lastAction(cloud, serverId), {
    action: 'detach_volume', result: 'Error', details: fault.message,
  })
  await cloud.close()
})

test('a volume that cannot be plugged in is let go, and the server goes on', async () => {
  const cloud = await NovaCloud.start()
  const serverId = await bootServer(cloud, 'web')
  const volumeId = cloud.cinder.add(uuid(), { hostName }).id
  await attach(cloud, serverId, volumeId)
  await cloud.pass('nova.volumes')
  const key = { workloadId: serverId, volumeId }
  cloud.workloads.volumes.set(key, { state: 'failed', fault: { message: 'rebuild it', at: 1 } })
  await settle(cloud)
  assert.equal(cloud.cinder.statusOf(volumeId), 'available')
  assert.equal(cloud.workloads.volumes.find(key), undefined)
  assert.deepEqual(await listed(cloud, serverId), [])
  const { result, details } = await lastAction(cloud, serverId)
  assert.equal(result, 'Error')
  assert.match(details, /could not be attached: rebuild it/)
  assert.equal((await show(cloud, serverId)).status, 'ACTIVE')
  await cloud.close()
})

test('a volume on another host comes to the server, or the attachment ends with the reason', async () => {
  const cloud = await NovaCloud.start()
  const { volumeId } = await withVolume(cloud, { hostName: 'host-2' })
  assert.equal(cloud.cinder.volumes.get(volumeId)!.hostName, hostName)
  cloud.cinder.immovable = 'it has snapshots'
  const serverId = await bootServer(cloud, 'other')
  const stuck = cloud.cinder.add(uuid(), { hostName: 'host-2' }).id
  await attach(cloud, serverId, stuck)
  await settle(cloud)
  assert.equal(cloud.cinder.statusOf(stuck), 'available')
  assert.match((await lastAction(cloud, serverId)).details, /it has snapshots/)
  await cloud.close()
})

const devices = (...list: object[]) => ({ block_device_mapping_v2: list })

const madeWithVolumes = async (database: TestDatabase): Promise<void> => {
  const cloud = await NovaCloud.start(database)
  const existing = cloud.cinder.add(uuid(), { hostName }).id
  const serverId = await createServer(cloud, 'db', devices(
    { source_type: 'volume', destination_type: 'volume', uuid: existing, boot_index: -1 },
    { source_type: 'blank', destination_type: 'volume', volume_size: 2, delete_on_termination: true },
  ))
  assert.equal(cloud.workloads.rows.get(serverId)!.spec.scheduling.host, hostName)
  const plugs = cloud.workloads.volumes.rows.filter(({ workloadId }) => workloadId === serverId)
  assert.deepEqual(plugs.map(({ device, state }) => `${device} ${state}`), ['/dev/vdb waiting', '/dev/vdc waiting'])
  cloud.workloads.rows.get(serverId)!.hostName = hostName
  await settle(cloud)
  const [, fresh] = await listed(cloud, serverId)
  const made = cloud.cinder.volumes.get(fresh.volumeId)!
  assert.deepEqual([made.status, made.hostName, made.sizeGiB], ['in-use', hostName, 2])
  cloud.workloads.finish(serverId)
  await cloud.follow()
  await deleteServer(cloud, serverId)
  assert.equal(cloud.cinder.statusOf(existing), 'available')
  assert.equal(cloud.cinder.statusOf(fresh.volumeId), 'gone', 'deleted with its server')
  await cloud.close()
}

for (const database of testDatabases())
  test(`on ${database.name}: a server is made with an existing and a new volume, where the first is`, () =>
    madeWithVolumes(database))

async function deleteServer(cloud: NovaCloud, serverId: string): Promise<void> {
  await cloud.ask('DELETE', `/v2.1/servers/${serverId}`)
  cloud.workloads.finish(serverId)
  await cloud.follow()
  await settle(cloud)
}

test('a server whose volume cannot be made fails with the reason', async () => {
  const cloud = await NovaCloud.start()
  const blank = { source_type: 'blank', destination_type: 'volume', volume_size: 2 }
  const serverId = await createServer(cloud, 'db', devices(blank))
  cloud.workloads.rows.get(serverId)!.hostName = hostName
  await cloud.pass('nova.volumes')
  for (const volume of cloud.cinder.volumes.values()) volume.status = 'error'
  await settle(cloud)
  assert.match(cloud.workloads.volumes.failedBuilds.get(serverId)!, /could not be made/)
  await cloud.close()
})

test('devices of a create that cannot be had are refused, each with its reason', async () => {
  const cloud = await NovaCloud.start()
  const create = async (more: object, version = '2.67') =>
    await cloud.ask('POST', '/v2.1/servers', { version, body: serverBody('x', { networks: 'none', ...more }) })
  const volume = { source_type: 'volume', destination_type: 'volume', uuid: cloud.cinder.add(uuid()).id }
  const cases: [object, RegExp][] = [
    [devices({ ...volume, boot_index: 0 }), /cannot boot from a volume/],
    [devices({ source_type: 'blank', destination_type: 'volume' }), /non-zero size/],
    [devices({ source_type: 'blank', destination_type: 'local', volume_size: 1 }), /ephemeral/],
    [devices({ ...volume, uuid: uuid() }), /failed to get volume/],
    [devices({ source_type: 'snapshot', destination_type: 'volume', uuid: uuid() }), /Snapshot .* could not be found/],
    [{ ...devices(volume), max_count: 2, min_count: 2 }, /multiple instances/],
    [{ ...devices(volume), block_device_mapping: [{ volume_id: volume.uuid }] }, /different block_device_mapping/],
    [{ block_device_mapping: [{ device_name: 'vda', volume_id: volume.uuid }] }, /cannot boot from a volume/],
  ]
  for (const [more, words] of cases) {
    const answer = await create(more)
    assert.equal(answer.status, 400, JSON.stringify(more))
    assert.match(JSON.stringify(answer.body), words)
  }
  assert.equal(cloud.cinder.attachments.size, 0)
  await cloud.close()
})

test('a locked server takes no volumes and gives none', async () => {
  const cloud = await NovaCloud.start()
  const { serverId, volumeId } = await withVolume(cloud)
  const free = cloud.cinder.add(uuid()).id
  await act(cloud, serverId, { lock: null }, { as: 'admin' })
  assert.equal((await attach(cloud, serverId, free)).status, 409)
  assert.equal((await cloud.ask('DELETE', `${pathOf(serverId)}/${volumeId}`)).status, 409)
  assert.equal(cloud.cinder.statusOf(free), 'available')
  await cloud.close()
})

const steps = ['attachmentBegin', 'attachmentComplete', 'attachmentRelease', 'volumeMove'] as const

/** What Nova does at Cinder; the process may die right after one of them, before its own row is written. */
function watched({ cinder }: NovaCloud) {
  const effects: string[] = []
  let dieAt = Infinity
  for (const name of steps) {
    const done = cinder[name].bind(cinder) as (...args: unknown[]) => Promise<unknown>
    Object.assign(cinder, {
      [name]: async (...args: unknown[]) => {
        const answer = await done(...args)
        effects.push(`${name} ${String(args[1])}`)
        if (effects.length === dieAt) throw new Error('the process died')
        return answer
      },
    })
  }
  return { effects, dieAfterEffect: (n: number) => { dieAt = n } }
}

for (const direction of ['attaching', 'detaching', 'burying'] as const) {
  controllerSuite({
    name: `nova.volumes, ${direction}`,
    async make() {
      const cloud = await NovaCloud.start()
      const made: { serverId: string; volumeId: string }[] = []
      for (let at = 0; at < 2; at++) {
        const serverId = await bootServer(cloud, `s${at}`)
        const volumeId = cloud.cinder.add(uuid(), { hostName }).id
        await attach(cloud, serverId, volumeId)
        made.push({ serverId, volumeId })
      }
      if (direction !== 'attaching') await settle(cloud)
      for (const { serverId, volumeId } of made) {
        if (direction === 'detaching') await cloud.ask('DELETE', `${pathOf(serverId)}/${volumeId}`)
        if (direction !== 'burying') continue
        await cloud.ask('DELETE', `/v2.1/servers/${serverId}`)
        cloud.workloads.finish(serverId)
      }
      if (direction === 'burying') await cloud.follow()
      const wanted = direction === 'attaching' ? 'in-use' : 'available'
      const { effects, dieAfterEffect } = watched(cloud)
      return {
        db: cloud.db,
        controller: () => {
          const fresh = cloud.freshController('nova.volumes')
          return {
            ...fresh,
            observe: async (limit) => {
              cloud.workloads.volumes.settle()
              return await fresh.observe(limit)
            },
          }
        },
        effects: () => effects,
        dieAfterEffect,
        async assertDone() {
          for (const { volumeId } of made) assert.equal(cloud.cinder.statusOf(volumeId), wanted)
        },
        close: () => cloud.close(),
      }
    },
  })
}
