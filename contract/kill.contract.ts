/** `kill -9` at random moments under concurrent creates and deletes: afterwards all converges, nothing is left over. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Api } from './support/api.ts'
import { Cloud } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'

/** Each costs about five seconds; `QUAYSTONE_KILLS=50` is the whole story. */
const kills = Number(process.env.QUAYSTONE_KILLS ?? 15)
const workers = 20
const lifeMsMax = 1_500
const settleMs = 180_000

let cloud: Cloud
let api: Api
before(async () => {
  cloud = await Cloud.start()
  api = new Api(cloud, 'quaystone')
})
after(() => cloud.destroy())

interface Plan {
  imageRef: string
  flavorRef: string
  network: string
}

const bootPlan = async (): Promise<Plan> => {
  const images = await eventually({ timeoutMs: 60_000 }, async () => {
    const { body } = await api.ask('GET', '/image/v2/images?status=active')
    assert.ok(body.images.length > 0, 'no image yet')
    return body.images
  })
  const flavors = (await api.ask('GET', '/compute/v2.1/flavors')).body.flavors
  const networks = (await api.ask('GET', '/network/v2.0/networks?name=private')).body.networks
  return {
    imageRef: images[0].id,
    flavorRef: flavors.find((one: any) => one.name === 'm1.nano').id,
    network: networks[0].id,
  }
}

/** One client that creates and deletes for as long as it is told; the server may vanish under any of its requests. */
const churn = async (plan: Plan, worker: number, going: () => boolean): Promise<void> => {
  for (let round = 0; going(); round++) {
    try {
      const server = {
        name: `kill-${worker}-${round}`,
        imageRef: plan.imageRef,
        flavorRef: plan.flavorRef,
        networks: [{ uuid: plan.network }],
      }
      const created = await api.ask('POST', '/compute/v2.1/servers', { server })
      if (created.status !== 202) {
        await sleep(100)
        continue
      }
      await sleep(Math.random() * 1_500)
      await api.ask('DELETE', `/compute/v2.1/servers/${created.body.server.id}`)
    } catch {
      await sleep(200) // the server is down: that is what this story is about
    }
  }
}

const servers = async (): Promise<any[]> =>
  (await api.ask('GET', '/compute/v2.1/servers/detail?limit=1000')).body.servers

test(`${kills} kills under ${workers} clients leave nothing half-made`, { timeout: 900_000 }, async () => {
  const plan = await bootPlan()
  let going = true
  const clients = Array.from({ length: workers }, (_, worker) => churn(plan, worker, () => going))
  try {
    for (let round = 0; round < kills; round++) {
      await sleep(Math.random() * lifeMsMax)
      await cloud.kill()
      await cloud.up()
    }
  } finally {
    going = false
    await Promise.all(clients)
  }
  await eventually({ timeoutMs: settleMs, everyMs: 500 }, async () => {
    const moving = (await servers()).filter(({ status }) => status !== 'ACTIVE' && status !== 'ERROR')
    assert.deepEqual(
      moving.map(({ name, status }) => `${name} ${status}`),
      [],
      'every server comes to rest',
    )
  })
  for (const { id, status, fault } of await servers()) {
    assert.equal(status, 'ACTIVE', JSON.stringify(fault))
    assert.equal((await api.ask('DELETE', `/compute/v2.1/servers/${id}`)).status, 204)
  }
  await eventually({ timeoutMs: settleMs, everyMs: 500 }, async () => assert.deepEqual(await servers(), []))
  await nothingIsLeft()
})

/** No container, no container's link, no address, no claim, no quota in use. */
const nothingIsLeft = async (): Promise<void> => {
  const admin = new Api(cloud, 'quaystone-admin')
  await eventually({ timeoutMs: 60_000, everyMs: 500 }, async () => {
    assert.deepEqual(
      (await cloud.leftovers()).filter((name) => name.startsWith('container ')),
      [],
    )
    const ports = (await admin.ask('GET', '/network/v2.0/ports')).body.ports.filter((port: any) =>
      port.device_owner.startsWith('compute:'),
    )
    assert.deepEqual(
      ports.map((port: any) => port.id),
      [],
    )
    const { limits } = (await api.ask('GET', '/compute/v2.1/limits')).body
    assert.deepEqual(
      [limits.absolute.totalInstancesUsed, limits.absolute.totalCoresUsed, limits.absolute.totalRAMUsed],
      [0, 0, 0],
    )
    for (const provider of (await admin.ask('GET', '/placement/resource_providers')).body.resource_providers) {
      const { usages } = (await admin.ask('GET', `/placement/resource_providers/${provider.uuid}/usages`)).body
      assert.deepEqual(
        Object.values(usages).filter((used) => used !== 0),
        [],
        `claims on ${provider.name}`,
      )
    }
  })
}
