/** Cinder's quotas: what is admitted, what clients read and set, and who may in a tree of projects. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CinderCloud } from './testing/cinder-cloud.ts'
import { passwordLogin } from '../../app/testing.ts'

type Json = Record<string, any>

describe('quota sets', () => {
  let cloud: CinderCloud
  before(async () => (cloud = await CinderCloud.start()))
  after(() => cloud.close())

  const sets = (id: string, tail = '') => `/v3/os-quota-sets/${id}${tail}`
  const set = (id: string, limits: Json) => cloud.ask('PUT', sets(id), { as: 'admin', body: { quota_set: limits } })
  const limits = async (id: string): Promise<Json> =>
    (await cloud.ask('GET', sets(id), { as: 'admin' })).body.quota_set

  test('a project has the defaults, and those of each type are without limit', async () => {
    const defaults = (await cloud.ask('GET', sets(cloud.projectId, '/defaults'))).body.quota_set
    assert.equal(defaults.id, cloud.projectId)
    const { volumes, snapshots, gigabytes, per_volume_gigabytes, backups, backup_gigabytes, groups } = defaults
    assert.deepEqual(
      { volumes, snapshots, gigabytes, per_volume_gigabytes, backups, backup_gigabytes, groups },
      {
        volumes: 10,
        snapshots: 10,
        gigabytes: 1000,
        per_volume_gigabytes: -1,
        backups: 10,
        backup_gigabytes: 1000,
        groups: 10,
      },
    )
    assert.equal(defaults.volumes___DEFAULT__, -1)
    assert.equal((await cloud.ask('GET', sets(cloud.adminProjectId))).status, 403)
  })

  test('each volume and snapshot is counted, with its type, and given back', async () => {
    const volume = await cloud.made({ size: 3 })
    const taken = await cloud.ask('POST', '/v3/snapshots', { body: { snapshot: { volume_id: volume.id } } })
    await cloud.settledSnapshot(taken.body.snapshot.id)
    const { quota_set } = (await cloud.ask('GET', sets(cloud.projectId, '?usage=true'))).body
    assert.deepEqual(quota_set.volumes, { limit: 10, in_use: 1, reserved: 0, allocated: 0 })
    assert.equal(quota_set.gigabytes.in_use, 6)
    assert.equal(quota_set.gigabytes___DEFAULT__.in_use, 6)
    assert.equal(quota_set.snapshots.in_use, 1)
    const { absolute } = (await cloud.ask('GET', '/v3/limits')).body.limits
    assert.deepEqual([absolute.maxTotalVolumes, absolute.totalVolumesUsed, absolute.totalGigabytesUsed], [10, 1, 6])
    await cloud.ask('DELETE', `/v3/volumes/${volume.id}?cascade=true`)
    await cloud.gone(`/v3/volumes/${volume.id}`)
    assert.deepEqual(
      [await cloud.used('volumes'), await cloud.used('gigabytes'), await cloud.used('snapshots')],
      [0, 0, 0],
    )
  })

  test('too much is 413 in the words that clients look for, and nothing is made', async () => {
    await set(cloud.projectId, { gigabytes: 2, volumes: 1 })
    const large = await cloud.ask('POST', '/v3/volumes', { body: { volume: { size: 3 } } })
    assert.equal(large.status, 413)
    assert.match(
      large.body.overLimit.message,
      /^Requested volume or snapshot exceeds allowed gigabytes quota\. Requested 3G, quota is 2G and 0G has been/,
    )
    const { id } = await cloud.made({ size: 1 })
    const many = await cloud.ask('POST', '/v3/volumes', { body: { volume: { size: 1 } } })
    assert.equal(many.status, 413)
    assert.match(
      many.body.overLimit.message,
      /^Maximum number of volumes allowed \(1\) exceeded for quota 'volumes'\./,
    )
    const grown = await cloud.ask('POST', `/v3/volumes/${id}/action`, { body: { 'os-extend': { new_size: 5 } } })
    assert.equal(grown.status, 413)
    assert.equal((await cloud.settled(id)).status, 'available', 'a refused order leaves the volume as it is')
    assert.equal((await cloud.ask('GET', '/v3/volumes')).body.volumes.length, 1)
    await set(cloud.projectId, { per_volume_gigabytes: 1 })
    const single = await cloud.ask('POST', '/v3/volumes', { body: { volume: { size: 2 } } })
    assert.equal(single.body.overLimit.message, 'Requested volume size 2G is larger than maximum allowed limit 1G.')
    await cloud.deleted(id)
    assert.equal((await cloud.ask('DELETE', sets(cloud.projectId), { as: 'admin' })).status, 200)
    assert.equal((await limits(cloud.projectId)).per_volume_gigabytes, -1)
    assert.equal((await limits(cloud.projectId)).volumes, 10)
  })

  test('a type has limits of its own, which follow a volume that is retyped', async () => {
    const made = await cloud.ask('POST', '/v3/types', { as: 'admin', body: { volume_type: { name: 'fast' } } })
    await set(cloud.projectId, { volumes_fast: 1 })
    const first = await cloud.made({ volume_type: 'fast' })
    const second = await cloud.ask('POST', '/v3/volumes', { body: { volume: { size: 1, volume_type: 'fast' } } })
    assert.equal(second.status, 413)
    assert.match(second.body.overLimit.message, /for quota 'volumes_fast'/)
    await cloud.act(first.id, { 'os-retype': { new_type: '__DEFAULT__', migration_policy: 'never' } })
    assert.deepEqual([await cloud.used('volumes_fast'), await cloud.used('volumes___DEFAULT__')], [0, 1])
    await cloud.act(first.id, { 'os-retype': { new_type: 'fast' } })
    assert.deepEqual([await cloud.used('volumes_fast'), await cloud.used('volumes___DEFAULT__')], [1, 0])
    await cloud.deleted(first.id)
    assert.equal(await cloud.used('volumes_fast'), 0)
    const typeId = made.body.volume_type.id
    assert.equal((await cloud.ask('DELETE', `/v3/types/${typeId}`, { as: 'admin' })).status, 202)
    assert.equal((await limits(cloud.projectId)).volumes_fast, undefined)
  })

  test('bad keys and bad numbers are named, and a limit below what is used is refused', async () => {
    const badKey = await set(cloud.projectId, { colours: 3 })
    assert.equal(badKey.status, 400)
    assert.equal(badKey.body.badRequest.message, 'Bad key(s) in quota set: colours')
    for (const value of [-2, 2 ** 31, 'many', 1.5, null]) {
      const refused = await set(cloud.projectId, { volumes: value })
      assert.equal(refused.status, 400, String(value))
      assert.match(refused.body.badRequest.message, /volumes/)
    }
    const volume = await cloud.made({ size: 2 })
    const below = await set(cloud.projectId, { gigabytes: 1 })
    assert.equal(below.status, 400)
    assert.match(
      below.body.badRequest.message,
      /^Quota gigabytes limit must be equal or greater than existing resources\./,
    )
    assert.equal((await set(cloud.projectId, { gigabytes: -1, tenant_id: 'ignored' })).status, 200)
    await cloud.deleted(volume.id)
    assert.equal((await cloud.ask('PUT', sets(cloud.projectId), { body: { quota_set: { volumes: 3 } } })).status, 403)
  })

  test("Keystone's registered limits are the defaults while there are any, and no other hand moves them", async () => {
    const token = cloud.token('admin')
    const identity = (method: string, path: string, body?: object) =>
      cloud.whole.ask(method, `/identity/v3${path}`, { token, body })
    const [service] = (await identity('GET', '/services?type=block-storage')).body.services
    const limit = { service_id: service.id, resource_name: 'snapshots', default_limit: 3 }
    const made = await identity('POST', '/registered_limits', { registered_limits: [limit] })
    assert.equal(made.status, 201, made.text)
    await cloud.until(async () => ((await limits(cloud.projectId)).snapshots === 3 ? true : undefined), 'the limit')
    await identity('DELETE', `/registered_limits/${made.body.registered_limits[0].id}`)
    await cloud.until(
      async () => ((await limits(cloud.projectId)).snapshots === 10 ? true : undefined),
      'the default',
    )
  })

  test('a class holds the defaults of everybody', async () => {
    const path = '/v3/os-quota-class-sets/default'
    const body = { quota_class_set: { snapshots: 4 } }
    assert.equal((await cloud.ask('PUT', path, { as: 'admin', body })).body.quota_class_set.snapshots, 4)
    assert.equal((await limits(cloud.projectId)).snapshots, 4)
    await cloud.ask('PUT', path, { as: 'admin', body: { quota_class_set: { snapshots: 10 } } })
    assert.equal((await cloud.ask('GET', path)).status, 403)
  })

  test('another class is kept and shown with what it leaves open, and is nobody’s', async () => {
    const path = '/v3/os-quota-class-sets/gold'
    const body = { quota_class_set: { snapshots: 4 } }
    assert.equal((await cloud.ask('PUT', path, { as: 'admin', body })).body.quota_class_set.snapshots, 4)
    const { id, snapshots, volumes } = (await cloud.ask('GET', path, { as: 'admin' })).body.quota_class_set
    assert.deepEqual([id, snapshots, volumes], ['gold', 4, 10])
    assert.equal((await limits(cloud.projectId)).snapshots, 10)
    const start = await cloud.ask('GET', '/v3/os-quota-class-sets/default', { as: 'admin' })
    assert.equal(start.body.quota_class_set.snapshots, 10)
  })
})

describe('quota in a tree of projects', () => {
  let cloud: CinderCloud
  const projects: Record<string, string> = {}
  const tokens: Record<string, string> = {}

  const identity = async (method: string, path: string, body?: object): Promise<Json> =>
    (await cloud.whole.ask(method, `/identity/v3${path}`, { token: cloud.token('admin'), body })).body

  const project = async (name: string, parent?: string) => {
    const asked = { name, domain_id: 'default', ...(parent && { parent_id: projects[parent] }) }
    projects[name] = (await identity('POST', '/projects', { project: asked })).project.id
    const user = { name: `${name}-admin`, password: 'secret', domain_id: 'default' }
    const { id: userId } = (await identity('POST', '/users', { user })).user
    const role = (await identity('GET', '/roles?name=admin')).roles[0].id
    await identity('PUT', `/projects/${projects[name]}/users/${userId}/roles/${role}`)
    const login = passwordLogin(user.name, user.password, name)
    const answer = await cloud.whole.ask('POST', '/identity/v3/auth/tokens', { body: login })
    tokens[name] = String(answer.headers['x-subject-token'])
  }

  /** By who administers the project `as`. */
  const ask = (as: string, method: string, target: string, tail = '', body?: object) =>
    cloud.whole.ask(method, `/volume/v3/os-quota-sets/${projects[target]}${tail}`, { token: tokens[as], body })
  const set = (as: string, target: string, volumes: number) => ask(as, 'PUT', target, '', { quota_set: { volumes } })

  before(async () => {
    cloud = await CinderCloud.start()
    await project('it')
    await project('cms', 'it')
    await project('atlas', 'it')
    await project('visual', 'cms')
  })
  after(() => cloud.close())

  test('a child has nothing until its parent gives it a part of its own', async () => {
    assert.equal((await ask('it', 'GET', 'cms', '/defaults')).body.quota_set.volumes, 0)
    assert.equal((await ask('cms', 'GET', 'cms', '/defaults')).body.quota_set.volumes___DEFAULT__, -1)
    assert.equal((await set('it', 'cms', 6)).body.quota_set.volumes, 6)
    const { volumes } = (await ask('it', 'GET', 'it', '?usage=true')).body.quota_set
    assert.deepEqual(volumes, { limit: 10, in_use: 0, reserved: 0, allocated: 6 })
    const tooMuch = await set('it', 'atlas', 5)
    assert.equal(tooMuch.status, 400)
    assert.equal(
      tooMuch.body.badRequest.message,
      "Quota exceeded for resources: ['volumes']. Quota limit 5 for volumes must be less than or equal to 4.",
    )
    assert.equal(tooMuch.headers['x-quota-reason'], 'ABOVE_PARENT')
    assert.equal((await set('it', 'atlas', 4)).status, 200)
    assert.equal((await set('cms', 'visual', 2)).status, 200)
  })

  test('only the immediate parent, or the cloud, changes a limit; nobody below a root their own', async () => {
    const byParent = /by an admin of immediate parent or by the CLOUD admin/
    for (const [as, target] of [
      ['cms', 'cms'],
      ['cms', 'it'],
      ['visual', 'cms'],
      ['cms', 'atlas'],
    ] as const) {
      const refused = await set(as, target, 1)
      assert.deepEqual([as, target, refused.status], [as, target, 403])
      assert.match(refused.body.forbidden.message, byParent)
    }
    const outside = await set('it', 'it', 20)
    assert.equal(outside.status, 403)
    assert.equal((await set('it', 'visual', 3)).status, 200, 'a root changes all that is below it')
    const stranger = await cloud.ask('PUT', `/v3/os-quota-sets/${projects.cms}`, {
      as: 'admin',
      body: { quota_set: { volumes: 6 } },
    })
    assert.equal(stranger.status, 200, 'the cloud')
    const demo = await ask('it', 'PUT', 'it')
    assert.equal(demo.status, 400, 'without a body there is nothing to set')
  })

  test('each refusal to show has its own reason', async () => {
    const refused = async (as: string, target: string): Promise<string> => {
      const answer = await ask(as, 'GET', target)
      assert.equal(answer.status, 403, answer.text)
      return answer.body.forbidden.message
    }
    assert.match(await refused('cms', 'atlas'), /in the same hierarchy/)
    assert.match(await refused('cms', 'it'), /not allowed to see the quota of its parents/)
    await project('deep', 'visual')
    assert.match(await refused('cms', 'deep'), /immediate parents or root projects/)
    for (const [as, target] of [
      ['cms', 'cms'],
      ['cms', 'visual'],
      ['it', 'visual'],
      ['it', 'it'],
    ] as const)
      assert.equal((await ask(as, 'GET', target)).status, 200, `${as} sees ${target}`)
  })

  test('a limit that children hold a part of is not deleted, and then it is', async () => {
    const refused = await ask('it', 'DELETE', 'cms')
    assert.equal(refused.status, 400)
    assert.match(refused.body.badRequest.message, /^About to delete child projects having non-zero quota/)
    const below = await set('it', 'cms', 2)
    assert.match(below.body.badRequest.message, /must be equal or greater than existing resources/)
    assert.equal((await ask('cms', 'DELETE', 'visual')).status, 200)
    assert.equal((await ask('it', 'DELETE', 'cms')).status, 200)
    assert.equal((await ask('it', 'GET', 'it', '?usage=true')).body.quota_set.volumes.allocated, 4)
  })

  test('what is made below draws on what was given', async () => {
    await set('it', 'cms', 1)
    await ask('it', 'PUT', 'cms', '', { quota_set: { gigabytes: 5 } })
    const make = () =>
      cloud.whole.ask('POST', '/volume/v3/volumes', { token: tokens.cms, body: { volume: { size: 1 } } })
    assert.equal((await make()).status, 202)
    const second = await make()
    assert.equal(second.status, 413)
    assert.match(second.body.overLimit.message, /Maximum number of volumes allowed \(1\) exceeded/)
    const inUse = await ask('it', 'DELETE', 'cms')
    assert.equal(inUse.status, 400, 'the default of a child is 0, and one is in use')
  })

  test('the setup is valid, and only who may change quotas asks', async () => {
    const path = '/v3/os-quota-sets/validate_setup_for_nested_quota_use'
    assert.equal((await cloud.ask('GET', path, { as: 'admin' })).status, 200)
    assert.equal((await cloud.ask('GET', path)).status, 403)
  })
})
