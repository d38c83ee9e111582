/** Glance through its door: records, data, patches, sharing, imports, and who may not. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createHash } from 'node:crypto'
import { startTestCloud, type TestCloud } from '../../app/testing.ts'

let cloud: TestCloud
let admin: string
let demo: string
before(async () => {
  cloud = await startTestCloud()
  admin = await cloud.login('admin')
  demo = await cloud.login('demo')
})
after(() => cloud.close())

const v2 = '/image/v2'
const create = async (token: string, body: object) => (await cloud.ask('POST', `${v2}/images`, { token, body })).body
const upload = (token: string, id: string, data: string, what = 'file') =>
  cloud.ask('PUT', `${v2}/images/${id}/${what}`, {
    token,
    body: data,
    headers: { 'content-type': 'application/octet-stream' },
  })
const patch = (token: string, id: string, operations: object[]) =>
  cloud.ask('PATCH', `${v2}/images/${id}`, {
    token,
    body: JSON.stringify(operations),
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
  })
const plain = { name: 'plain', container_format: 'bare', disk_format: 'raw' }

test('the versions are listed without a token, 300 at the root', async () => {
  const answer = await cloud.ask('GET', '/image/')
  assert.equal(answer.status, 300)
  assert.equal(answer.body.versions[0].status, 'CURRENT')
})

test('an image goes from queued to active with its bytes and hashes', async () => {
  const image = await create(demo, { ...plain, os_distro: 'debian', tags: ['a'] })
  assert.equal(image.status, 'queued')
  assert.equal(image.os_distro, 'debian')
  assert.equal((await upload(demo, image.id, 'some bytes')).status, 204)
  const shown = (await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).body
  assert.equal(shown.status, 'active')
  assert.equal(shown.size, 10)
  assert.equal(shown.checksum, createHash('md5').update('some bytes').digest('hex'))
  const data = await cloud.ask('GET', `${v2}/images/${image.id}/file`, { token: demo })
  assert.equal(data.text, 'some bytes')
  assert.equal(data.headers['content-md5'], shown.checksum)
  const part = await cloud.ask('GET', `${v2}/images/${image.id}/file`, {
    token: demo,
    headers: { range: 'bytes=5-8' },
  })
  assert.deepEqual([part.status, part.text], [206, 'byte'])
  assert.equal((await upload(demo, image.id, 'again')).status, 409)
})

test('a docker image that is no image is refused and stays queued', async () => {
  const image = await create(demo, { name: 'broken', container_format: 'docker', disk_format: 'raw' })
  const answer = await upload(demo, image.id, 'this is no tar')
  assert.equal(answer.status, 400)
  assert.equal((await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).body.status, 'queued')
})

test('another project sees a private image as absent, and a shared one once it is a member', async () => {
  const image = await create(admin, { ...plain, visibility: 'shared' })
  const project = (await cloud.ask('GET', '/identity/v3/auth/projects', { token: demo })).body.projects[0].id
  assert.equal((await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).status, 404)
  assert.equal(
    (await cloud.ask('POST', `${v2}/images/${image.id}/members`, { token: admin, body: { member: project } })).status,
    200,
  )
  assert.equal((await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).status, 200)
  const listed = async () =>
    (await cloud.ask('GET', `${v2}/images?visibility=shared`, { token: demo })).body.images.map((one: any) => one.id)
  assert.ok(!(await listed()).includes(image.id))
  assert.equal(
    (
      await cloud.ask('PUT', `${v2}/images/${image.id}/members/${project}`, {
        token: demo,
        body: { status: 'accepted' },
      })
    ).status,
    200,
  )
  assert.ok((await listed()).includes(image.id))
  assert.equal((await cloud.ask('DELETE', `${v2}/images/${image.id}`, { token: demo })).status, 403)
})

test('patches change what may change and refuse the rest by name', async () => {
  const image = await create(demo, plain)
  const changed = await patch(demo, image.id, [
    { op: 'replace', path: '/name', value: 'new' },
    { op: 'add', path: '/colour', value: 'red' },
  ])
  assert.deepEqual([changed.body.name, changed.body.colour], ['new', 'red'])
  assert.equal((await patch(demo, image.id, [{ op: 'replace', path: '/status', value: 'active' }])).status, 403)
  assert.equal((await patch(demo, image.id, [{ op: 'remove', path: '/nothing' }])).status, 409)
  assert.equal((await patch(demo, image.id, [{ op: 'replace', path: '/visibility', value: 'public' }])).status, 403)
  assert.equal((await patch(demo, image.id, [{ op: 'replace', path: '/min_disk', value: 'x' }])).status, 400)
})

test('a protected image is not deleted; a deleted one is gone', async () => {
  const image = await create(demo, { ...plain, protected: true })
  assert.equal((await cloud.ask('DELETE', `${v2}/images/${image.id}`, { token: demo })).status, 403)
  await patch(demo, image.id, [{ op: 'replace', path: '/protected', value: false }])
  assert.equal((await cloud.ask('DELETE', `${v2}/images/${image.id}`, { token: demo })).status, 204)
  assert.equal((await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).status, 404)
})

test('lists page by marker without losing or repeating an image', async () => {
  const made = new Set<string>()
  for (let at = 0; at < 5; at++) made.add((await create(demo, { ...plain, name: 'page', colour: 'paged' })).id)
  const seen: string[] = []
  let url: string | undefined = '/v2/images?colour=paged&limit=2&sort=name:asc'
  while (url) {
    const { body }: { body: any } = await cloud.ask('GET', `/image${url}`, { token: demo })
    seen.push(...body.images.map((one: any) => one.id))
    url = body.next
  }
  assert.deepEqual(new Set(seen), made)
  assert.equal(seen.length, 5)
})

test('glance-direct: staged bytes become the image', async () => {
  const image = await create(demo, plain)
  assert.equal((await upload(demo, image.id, 'staged', 'stage')).status, 204)
  const answer = await cloud.ask('POST', `${v2}/images/${image.id}/import`, {
    token: demo,
    body: { method: { name: 'glance-direct' } },
  })
  assert.equal(answer.status, 202)
  await cloud.runner.settle(5000)
  const shown = (await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).body
  assert.deepEqual([shown.status, shown.size], ['active', 6])
})

test('a failed import says why on its task and gives the image back', async () => {
  const image = await create(demo, plain)
  await cloud.ask('POST', `${v2}/images/${image.id}/import`, {
    token: demo,
    body: { method: { name: 'web-download', uri: 'http://127.0.0.1:9/none' } },
  })
  await cloud.runner.settle(5000)
  const [task] = (await cloud.ask('GET', `${v2}/images/${image.id}/tasks`, { token: demo })).body.tasks
  assert.equal(task.status, 'failure')
  assert.match(task.message, /could not be fetched/)
  assert.equal((await cloud.ask('GET', `${v2}/images/${image.id}`, { token: demo })).body.status, 'queued')
})
