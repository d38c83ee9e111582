/** Image quota through Glance's door, over a real connection: what is refused when, and what the client then reads. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { startTestCloud, type TestCloud } from '../../app/testing.ts'

const mib = 1_048_576
const v2 = '/image/v2'
let cloud: TestCloud
let demo: string
let projectId: string
let port: number

before(async () => {
  cloud = await startTestCloud()
  demo = await cloud.login('demo')
  projectId = (await cloud.ask('GET', '/identity/v3/auth/projects', { token: demo })).body.projects[0].id
  await cloud.server.listen({ host: '127.0.0.1', port: 0 })
  port = (cloud.server.server.address() as AddressInfo).port
})
after(() => cloud.close())

const limit = (limits: Record<string, number>) => cloud.facades.quota.setLimits({ projectId, limits })
const usage = async () => (await cloud.ask('GET', `${v2}/info/usage`, { token: demo })).body.usage
const create = () =>
  cloud.ask('POST', `${v2}/images`, {
    token: demo,
    body: { name: 'one', container_format: 'bare', disk_format: 'raw' },
  })
const createId = async (): Promise<string> => (await create()).body.id
const show = async (id: string) => (await cloud.ask('GET', `${v2}/images/${id}`, { token: demo })).body
const remove = (id: string) => cloud.ask('DELETE', `${v2}/images/${id}`, { token: demo })

interface Sent {
  what?: 'file' | 'stage'
  headers?: Record<string, string>
  mibs: Buffer[]
  /** Resolves when the connection is to be cut instead of ended. */
  cut?: () => Promise<void>
}
/** Sends as a client does that does not wait for the answer; resolves with its status and message. */
const send = (id: string, { what = 'file', headers, mibs, cut }: Sent): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const fixed = { 'x-auth-token': demo, 'content-type': 'application/octet-stream' }
    const path = `${v2}/images/${id}/${what}`
    const sending = request({ port, path, method: 'PUT', headers: { ...fixed, ...headers } }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => (text += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode!, text }))
    })
    sending.on('error', reject)
    for (const chunk of mibs) sending.write(chunk)
    if (cut) void cut().then(() => sending.destroy(new Error('cut')), reject)
    else sending.end()
  })
const full = (count: number): Buffer[] => Array.from({ length: count }, () => Buffer.alloc(mib, 1))

test('everybody is told its use and limits, which are none until somebody sets them', async () => {
  const names = ['image_count_total', 'image_size_total', 'image_stage_total', 'image_count_uploading']
  assert.deepEqual(await usage(), Object.fromEntries(names.map((name) => [name, { usage: 0, limit: -1 }])))
})

test('one image more than may be is refused with 413 and the numbers, until one is deleted', async () => {
  await limit({ image_count_total: 1 })
  const id = await createId()
  const refused = await create()
  assert.equal(refused.status, 413)
  assert.match(refused.text, /image_count_total/)
  assert.deepEqual((await usage()).image_count_total, { usage: 1, limit: 1 })
  await remove(id)
  await remove(await createId())
  await limit({ image_count_total: -1 })
})

test('data that is too large is refused with 413: before it comes by its length, else where quota ends', async () => {
  await limit({ image_size_total: 3 })
  const id = await createId()
  const said = await send(id, { mibs: [], headers: { 'content-length': String(4 * mib) } }).catch(() => undefined)
  assert.ok(said === undefined || said.status === 413)
  const header = await send(id, { mibs: full(1), headers: { 'x-openstack-image-size': String(4 * mib) } })
  assert.equal(header.status, 413)
  const streamed = await send(id, { mibs: full(20) })
  assert.equal(streamed.status, 413, streamed.text)
  assert.match(streamed.text, /image_size_total/)
  assert.equal((await send(id, { mibs: full(1), headers: { 'x-openstack-image-size': 'much' } })).status, 400)
  assert.equal((await show(id)).status, 'queued')
  assert.deepEqual((await usage()).image_size_total, { usage: 0, limit: 3 })
  assert.equal((await send(id, { mibs: full(3) })).status, 204)
  assert.deepEqual((await usage()).image_size_total, { usage: 3, limit: 3 })
  await remove(id)
})

test('a client that goes away leaves a queued image and nothing counted', async () => {
  const id = await createId()
  const comes = async () => {
    while ((await usage()).image_size_total.usage === 0) await new Promise(setImmediate)
  }
  await assert.rejects(send(id, { mibs: full(2), cut: comes }), /cut/)
  while ((await show(id)).status !== 'queued') await new Promise(setImmediate)
  assert.deepEqual((await usage()).image_size_total, { usage: 0, limit: 3 })
  await remove(id)
})

test('staged data is counted aside, and becomes the image in the place of it', async () => {
  await limit({ image_stage_total: 1, image_size_total: 1 })
  const [first, second] = [await createId(), await createId()]
  assert.equal((await send(first, { what: 'stage', mibs: full(1) })).status, 204)
  assert.equal((await send(second, { what: 'stage', mibs: full(1) })).status, 413)
  const count = { usage: 1, limit: 1 }
  assert.deepEqual([(await usage()).image_stage_total, (await usage()).image_count_uploading.usage], [count, 1])
  const bringIn = (id: string) =>
    cloud.ask('POST', `${v2}/images/${id}/import`, { token: demo, body: { method: { name: 'glance-direct' } } })
  assert.equal((await bringIn(first)).status, 202)
  await cloud.runner.settle(5000)
  assert.deepEqual([(await show(first)).status, (await usage()).image_size_total], ['active', count])
  assert.equal((await send(second, { what: 'stage', mibs: full(1) })).status, 204)
  const refused = await bringIn(second)
  assert.equal(refused.status, 413)
  assert.equal((await show(second)).status, 'uploading', 'it can be imported once there is room')
  await remove(first)
  assert.equal((await bringIn(second)).status, 202)
  await cloud.runner.settle(5000)
  assert.equal((await show(second)).status, 'active')
  assert.deepEqual((await usage()).image_stage_total, { usage: 0, limit: 1 })
  await remove(second)
})
