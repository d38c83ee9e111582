/** `kill -9` while volumes come and go: afterwards every one is whole, at rest, and no host holds anything of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Api } from './support/api.ts'
import { Cloud } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'

/** `QUAYSTONE_KILLS=50` is the whole story. */
const kills = Math.ceil(Number(process.env.QUAYSTONE_KILLS ?? 15) / 3)
/** A machine may have eight loop devices, and others on it. */
const workers = 2
const lifeMsMax = 3_000
const settled = { timeoutMs: 240_000, everyMs: 500 }

let cloud: Cloud
let api: Api
before(async () => {
  cloud = await Cloud.start()
  api = new Api(cloud, 'quaystone')
})
after(() => cloud.destroy())

async function boot(name: string): Promise<string> {
  const images = await eventually(settled, async () => {
    const { body } = await api.ask('GET', '/image/v2/images?status=active')
    assert.ok(body.images.length > 0, 'no image yet')
    return body.images
  })
  const { flavors } = (await api.ask('GET', '/compute/v2.1/flavors')).body
  const flavorRef = flavors.find((one: any) => one.name === 'm1.nano').id
  const server = { name, imageRef: images[0].id, flavorRef, networks: 'none' }
  const { body } = await api.ask('POST', '/compute/v2.1/servers', { server })
  return await eventually(settled, async () => {
    const now = (await api.ask('GET', `/compute/v2.1/servers/${body.server.id}`)).body.server
    assert.equal(now.status, 'ACTIVE', JSON.stringify(now.fault))
    return now.id
  })
}

/** The server may vanish under any of its requests, and refuse what comes too early. */
async function churn(serverId: string, going: () => boolean): Promise<void> {
  const attachments = `/compute/v2.1/servers/${serverId}/os-volume_attachments`
  while (going()) {
    try {
      const made = await api.ask('POST', '/volume/v3/volumes', { volume: { size: 1 } })
      const volumeId = made.body?.volume?.id
      await sleep(Math.random() * 1_000)
      await api.ask('POST', attachments, { volumeAttachment: { volumeId } })
      await sleep(Math.random() * 1_500)
      await api.ask('DELETE', `${attachments}/${volumeId}`)
      await sleep(Math.random() * 1_000)
      await api.ask('DELETE', `/volume/v3/volumes/${volumeId}`)
    } catch {
      await sleep(200) // the cloud is being killed or started
    }
  }
}

const volumes = async (): Promise<any[]> => (await api.ask('GET', '/volume/v3/volumes/detail')).body.volumes
const restful = new Set(['available', 'in-use', 'error'])

test(`after ${kills} kills all volumes are at rest, can be detached and deleted, and leave nothing`, async () => {
  const servers = await Promise.all(Array.from({ length: workers }, (_, at) => boot(`churn-${at}`)))
  let isGoing = true
  const churns = servers.map((serverId) => churn(serverId, () => isGoing))
  for (let kill = 0; kill < kills; kill++) {
    await sleep(500 + Math.random() * lifeMsMax)
    await cloud.kill()
    await cloud.up()
  }
  isGoing = false
  await Promise.all(churns)
  await eventually(settled, async () => {
    for (const { id, status } of await volumes()) assert.ok(restful.has(status), `${id} is ${status}`)
  })
  for (const serverId of servers) {
    const attachments = `/compute/v2.1/servers/${serverId}/os-volume_attachments`
    await eventually(settled, async () => {
      const { volumeAttachments } = (await api.ask('GET', attachments)).body
      for (const { volumeId } of volumeAttachments) await api.ask('DELETE', `${attachments}/${volumeId}`)
      assert.deepEqual(volumeAttachments, [])
    })
  }
  await eventually(settled, async () => {
    const left = await volumes()
    for (const { id } of left) await api.ask('DELETE', `/volume/v3/volumes/${id}`)
    assert.deepEqual(left.map(({ id, status }) => `${id} ${status}`), [])
  })
  for (const serverId of servers) await api.ask('DELETE', `/compute/v2.1/servers/${serverId}`)
  await eventually(settled, async () => {
    const left = (await cloud.leftovers()).filter((name) => /^(loop|container)/.test(name))
    assert.deepEqual(left, [])
  })
  const admin = new Api(cloud, 'quaystone-admin')
  const { leaks, stuck } = (await admin.ask('GET', '/admin/doctor')).body
  assert.deepEqual({ leaks, stuck }, { leaks: [], stuck: [] })
})
