/** Volumes through the door, on a whole cloud of fakes: made, seen, changed, grown, copied, transferred and deleted. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { uuid } from '#platform/ids/ids.ts'
import { CinderCloud } from './testing/cinder-cloud.ts'

describe('volumes', () => {
  let cloud: CinderCloud
  before(async () => (cloud = await CinderCloud.start()))
  after(() => cloud.close())

  test('the version documents are a choice at the root and a list below it', async () => {
    const root = await cloud.ask('GET', '/')
    assert.equal(root.status, 300)
    const { id, status, version, min_version } = root.body.versions[0]
    assert.deepEqual(
      { id, status, version, min_version },
      { id: 'v3.0', status: 'CURRENT', version: '3.71', min_version: '3.0' },
    )
    assert.equal((await cloud.ask('GET', '/v3/')).status, 200)
  })

  test('a volume is made on a host and is then available; both forms of the path find it', async () => {
    const volume = await cloud.made({ name: ' data ', size: 2, metadata: { tier: 'gold' } })
    assert.equal(volume.name, 'data')
    assert.deepEqual(volume.metadata, { tier: 'gold' })
    assert.equal(cloud.store.kept.get(volume.id)?.sizeBytes, 2 * 2 ** 30)
    const withProject = await cloud.ask('GET', `/v3/${cloud.projectId}/volumes/${volume.id}`)
    assert.equal(withProject.body.volume.id, volume.id)
    assert.equal(withProject.body.volume['os-vol-host-attr:host'], undefined, 'where it is concerns the operator')
    const seen = await cloud.ask('GET', `/v3/volumes/${volume.id}`, { as: 'admin' })
    assert.equal(seen.body.volume['os-vol-host-attr:host'], 'fake-host@quaystone#quaystone')
  })

  test('fields come with their versions', async () => {
    const { id } = await cloud.made({})
    const fieldsAt = async (version: string) =>
      Object.keys((await cloud.ask('GET', `/v3/volumes/${id}`, { version })).body.volume)
    const old = await fieldsAt('3.0')
    for (const field of ['group_id', 'shared_targets', 'volume_type_id', 'consumes_quota'])
      assert.ok(!old.includes(field))
    const newest = await fieldsAt('3.71')
    for (const field of ['group_id', 'shared_targets', 'volume_type_id', 'consumes_quota'])
      assert.ok(newest.includes(field), field)
  })

  test('lists have filters, order and pages, and those of others are not in them', async () => {
    const names = ['page-a', 'page-b', 'page-c']
    for (const name of names) await cloud.made({ name, metadata: { set: 'pages' } })
    const query = `metadata=${encodeURIComponent("{'set': 'pages'}")}&sort=name:asc`
    const first = await cloud.ask('GET', `/v3/volumes/detail?${query}&limit=2`)
    assert.deepEqual(
      first.body.volumes.map((one: any) => one.name),
      ['page-a', 'page-b'],
    )
    const next = new URL(first.body.volumes_links[0].href)
    const second = await cloud.ask('GET', `${next.pathname.replace('/volume', '')}${next.search}`)
    assert.deepEqual(
      second.body.volumes.map((one: any) => one.name),
      ['page-c'],
    )
    const like = await cloud.ask('GET', `/v3/volumes?name~=page-&status=available`, { version: '3.34' })
    assert.equal(like.body.volumes.length, 3)
    const counted = await cloud.ask('GET', `/v3/volumes?name=page-a&with_count=true`, { version: '3.45' })
    assert.deepEqual([counted.body.count, counted.body.volumes.length], [1, 1])
    const refused = await cloud.ask('GET', '/v3/volumes?colour=red', { version: '3.31' })
    assert.equal(refused.status, 400)
    const others = await cloud.ask('GET', '/v3/volumes', { as: 'admin' })
    assert.ok(!others.body.volumes.some((one: any) => names.includes(one.name)))
    const everybody = await cloud.ask('GET', '/v3/volumes?all_tenants=1', { as: 'admin' })
    assert.ok(everybody.body.volumes.some((one: any) => one.name === 'page-a'))
  })

  test('a volume grows, its growth is counted, and too small or too busy is refused', async () => {
    const { id } = await cloud.made({ size: 1 })
    const before = await cloud.used('gigabytes')
    const grow = (size: unknown, version = '3.0') =>
      cloud.ask('POST', `/v3/volumes/${id}/action`, { version, body: { 'os-extend': { new_size: size } } })
    assert.equal((await grow(1)).status, 400)
    assert.equal((await grow('many')).status, 400)
    assert.equal((await grow(3)).status, 202)
    assert.equal((await cloud.settled(id)).size, 3)
    assert.equal(cloud.store.kept.get(id)?.sizeBytes, 3 * 2 ** 30)
    assert.equal(await cloud.used('gigabytes'), before + 2)
    await cloud.act(id, { 'os-attach': { instance_uuid: uuid(), mountpoint: '/dev/vdb' } })
    assert.equal((await grow(4)).status, 400, 'in use, before 3.42')
    assert.equal((await grow(4, '3.42')).status, 202)
    assert.equal((await cloud.settled(id)).status, 'in-use')
    await cloud.act(id, { 'os-detach': {} })
    await cloud.deleted(id)
    assert.equal(await cloud.used('gigabytes'), before - 1)
  })

  test('snapshots are taken, copied from, and deleted with their volume when asked to', async () => {
    const { id } = await cloud.made({ size: 1 })
    const taken = await cloud.ask('POST', '/v3/snapshots', { body: { snapshot: { volume_id: id, name: 'then' } } })
    assert.equal(taken.status, 202)
    const snapshot = await cloud.settledSnapshot(taken.body.snapshot.id)
    assert.equal(snapshot['os-extended-snapshot-attributes:progress'], '100%')
    const copy = await cloud.made({ snapshot_id: snapshot.id })
    assert.deepEqual([copy.size, copy.snapshot_id], [1, snapshot.id])
    const small = await cloud.ask('POST', '/v3/volumes', { body: { volume: { source_volid: copy.id, size: 0 } } })
    assert.equal(small.status, 400)
    const refused = await cloud.ask('DELETE', `/v3/volumes/${id}`)
    assert.equal(refused.status, 400)
    assert.match(refused.body.badRequest.message, /have snapshots/)
    assert.equal((await cloud.ask('DELETE', `/v3/volumes/${id}?cascade=true`)).status, 202)
    await cloud.gone(`/v3/volumes/${id}`)
    await cloud.gone(`/v3/snapshots/${snapshot.id}`)
    assert.ok(!cloud.store.kept.has(snapshot.id))
  })

  test('a volume goes back to its latest snapshot', async () => {
    const { id } = await cloud.made({ size: 1 })
    cloud.store.kept.get(id)!.data = Buffer.from('then')
    const taken = await cloud.ask('POST', '/v3/snapshots', { body: { snapshot: { volume_id: id } } })
    const snapshot = await cloud.settledSnapshot(taken.body.snapshot.id)
    cloud.store.kept.get(id)!.data = Buffer.from('now')
    const revert = (snapshotId: string) =>
      cloud.ask('POST', `/v3/volumes/${id}/action`, {
        version: '3.40',
        body: { revert: { snapshot_id: snapshotId } },
      })
    assert.equal((await revert(uuid())).status, 400)
    assert.equal((await revert(snapshot.id)).status, 202)
    await cloud.settled(id)
    assert.equal(cloud.store.kept.get(id)!.data.toString(), 'then')
    assert.equal((await cloud.settledSnapshot(snapshot.id)).status, 'available')
  })

  test('a volume is filled from an image, and says which; the image must fit', async () => {
    const image = await cloud.image('bytes of the image')
    const volume = await cloud.made({ size: 1, imageRef: image })
    assert.equal(volume.bootable, 'true')
    assert.equal(volume.volume_image_metadata.image_id, image)
    assert.equal(cloud.store.kept.get(volume.id)!.data.toString(), 'bytes of the image')
    const unknown = await cloud.ask('POST', '/v3/volumes', { body: { volume: { size: 1, imageRef: uuid() } } })
    assert.equal(unknown.status, 400)
  })

  test('what a host cannot do ends in error, is told to the owner, and can be deleted', async () => {
    cloud.store.totalBytes = 2 ** 30
    const answer = await cloud.ask('POST', '/v3/volumes', { body: { volume: { size: 2 } } })
    const { id } = answer.body.volume
    const volume = await cloud.settled(id)
    cloud.store.totalBytes = 100 * 2 ** 30
    assert.equal(volume.status, 'error')
    const { messages } = (await cloud.ask('GET', `/v3/messages?resource_uuid=${id}`, { version: '3.5' })).body
    assert.equal(messages[0].event_id, 'VOLUME_VOLUME_001_003')
    assert.match(messages[0].user_message, /none has room for 2 GiB/)
    await cloud.deleted(id)
  })

  test('a volume changes hands by a key, with its quota', async () => {
    const { id } = await cloud.made({ size: 1 })
    const [mine, theirs] = [await cloud.used('volumes'), await cloud.used('volumes', 'admin')]
    const offered = await cloud.ask('POST', '/v3/os-volume-transfer', { body: { transfer: { volume_id: id } } })
    assert.equal(offered.status, 202)
    const { id: transferId, auth_key: key } = offered.body.transfer
    const accept = (auth_key: string) =>
      cloud.ask('POST', `/v3/os-volume-transfer/${transferId}/accept`, {
        as: 'admin',
        body: { accept: { auth_key } },
      })
    assert.equal((await accept('wrong')).status, 400)
    assert.equal((await accept(key)).status, 202)
    assert.equal((await cloud.ask('GET', `/v3/volumes/${id}`)).status, 404)
    assert.equal(await cloud.used('volumes'), mine - 1)
    assert.equal(await cloud.used('volumes', 'admin'), theirs + 1)
    assert.equal((await accept(key)).status, 404)
  })

  test('a backup is kept apart from its volume, counted, and made a volume again', async () => {
    const volume = await cloud.made({ name: 'precious', size: 1, metadata: { tier: 'gold' } })
    cloud.store.kept.get(volume.id)!.data = Buffer.from('content')
    // What was written, without a gibibyte of zeros after it.
    cloud.store.read = async (of) => Readable.from([cloud.store.kept.get(of)!.data])
    const asked = { backup: { volume_id: volume.id, name: 'nightly' } }
    const { id } = (await cloud.ask('POST', '/v3/backups', { body: asked })).body.backup
    await cloud.settled(volume.id)
    const backup = (await cloud.ask('GET', `/v3/backups/${id}`)).body.backup
    assert.deepEqual([backup.status, backup.size, backup.is_incremental], ['available', 1, false])
    assert.deepEqual([await cloud.used('backups'), await cloud.used('backup_gigabytes')], [1, 1])
    assert.ok(!cloud.store.kept.has(id), 'nothing of it stays on the host')
    await cloud.deleted(volume.id)
    const restore = await cloud.ask('POST', `/v3/backups/${id}/restore`, { body: { restore: {} } })
    assert.equal(restore.status, 202)
    const again = await cloud.settled(restore.body.restore.volume_id)
    assert.deepEqual([again.name, again.status, again.metadata], ['precious', 'available', { tier: 'gold' }])
    assert.equal(cloud.store.kept.get(again.id)!.data.toString(), 'content')
    assert.equal((await cloud.ask('DELETE', `/v3/backups/${id}`)).status, 202)
    await cloud.gone(`/v3/backups/${id}`)
    assert.equal(await cloud.used('backups'), 0)
    const small = { restore: { volume_id: again.id } }
    assert.equal((await cloud.ask('POST', `/v3/backups/${id}/restore`, { body: small })).status, 404)
    await cloud.deleted(again.id)
  })

  test("another's volume, a strange id and an absent feature are told apart", async () => {
    const { id } = (await cloud.ask('POST', '/v3/volumes', { as: 'admin', body: { volume: { size: 1 } } })).body
      .volume
    assert.equal((await cloud.ask('GET', `/v3/volumes/${id}`)).status, 404)
    assert.equal((await cloud.ask('DELETE', '/v3/volumes/nothing')).status, 404)
    const grouped = await cloud.ask('POST', '/v3/volumes', {
      version: '3.13',
      body: { volume: { size: 1, group_id: uuid() } },
    })
    assert.equal(grouped.status, 400)
    assert.match(grouped.body.badRequest.message, /Groups of volumes are not kept here/)
  })
})
