/** An image is imported from a registry by its reference and boots; a bad reference ends in words, not in a mystery. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { buildSeedImage, findImagePrograms } from '../packages/server/src/app/seed-image/build.ts'
import { Api } from './support/api.ts'
import { Cloud, openstack } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { Registry } from './support/registry.ts'

const patience = { timeoutMs: 90_000, everyMs: 500 }
let cloud: Cloud
let registry: Registry
let api: Api

before(async () => {
  registry = await Registry.start()
  cloud = await Cloud.start()
  api = new Api(cloud, 'quaystone')
})
after(async () => {
  await cloud?.destroy()
  await registry?.stop()
})

/** A queued image whose data is asked of the registry. */
async function importFrom(reference: string, name: string): Promise<string> {
  const record = { name, container_format: 'docker', disk_format: 'raw' }
  const { body: image } = await api.ask('POST', '/image/v2/images', record)
  const answer = await api.ask('POST', `/image/v2/images/${image.id}/import`, {
    method: { name: 'docker-registry', reference },
  })
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  return image.id
}

const imageOf = async (id: string) => (await api.ask('GET', `/image/v2/images/${id}`)).body

test('the method is offered', async () => {
  const { body } = await api.ask('GET', '/image/v2/info/import')
  assert.ok(body['import-methods'].value.includes('docker-registry'))
})

test('an image of the registry becomes active, with its size and hash, and a server boots from it', async () => {
  const seed = await buildSeedImage(findImagePrograms())
  const id = await importFrom(registry.push(seed.tar, 'team/web:1.2'), 'from-registry')
  await eventually(patience, async () => assert.equal((await imageOf(id)).status, 'active'))
  const image = await imageOf(id)
  assert.ok(image.size > 1_000_000, String(image.size))
  assert.match(image.os_hash_value, /^[0-9a-f]{128}$/)
  const options = ['--flavor', 'm1.nano', '--network', 'private', '--wait', 'registry-web']
  const server = await openstack<{ status: string }>(cloud, 'quaystone', 'server', 'create', '--image', id, ...options)
  assert.equal(server.status, 'ACTIVE')
})

test('a reference that the registry does not have leaves the image queued, with the registry’s own words', async () => {
  const id = await importFrom(`${registry.host}/team/absent:1`, 'absent')
  const tasks = await eventually(patience, async () => {
    const { body } = await api.ask('GET', `/image/v2/images/${id}/tasks`)
    assert.equal(body.tasks[0]?.status, 'failure', JSON.stringify(body))
    return body.tasks
  })
  assert.match(tasks[0].message, /absent|manifest unknown|name unknown/)
  assert.equal((await imageOf(id)).status, 'queued')
})

test('what is no reference is refused at once', async () => {
  const { body: image } = await api.ask('POST', '/image/v2/images', { name: 'bad' })
  const answer = await api.ask('POST', `/image/v2/images/${image.id}/import`, {
    method: { name: 'docker-registry', reference: '' },
  })
  assert.equal(answer.status, 400)
})
