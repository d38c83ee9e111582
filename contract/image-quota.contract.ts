/** Image quota as unmodified clients meet it: too many, too large, and snapshots and backups of running servers. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Api } from './support/api.ts'
import { Cloud, openstack, openstackText, type Account } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { ProgramFailed } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const patience = { timeoutMs: 120_000, everyMs: 500 }
const mib = 1_048_576
const who: Account = { username: `painter-${tag}`, password: 'Harbour-7', project: `gallery-${tag}` }

let cloud: Cloud
let api: Api
let projectId: string
let serverId: string

const admin = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone-admin', ...args)
const mine = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, who, ...args)

/** As an operator does it: registered once, then a limit of the project's own, in force once quota has seen it. */
async function limit(name: string, value: number): Promise<void> {
  const service = ['--service', 'glance', '--region', 'RegionOne']
  const registered = await admin<{ 'Resource Name': string }[]>('registered', 'limit', 'list')
  if (!registered.some((one) => one['Resource Name'] === name))
    await admin('registered', 'limit', 'create', ...service, '--default-limit', '1000', name)
  const set = await admin<{ ID: string; 'Resource Name': string }[]>('limit', 'list', '--project', projectId)
  const old = set.find((one) => one['Resource Name'] === name)
  if (old) await admin('limit', 'set', '--resource-limit', String(value), old.ID)
  else await admin('limit', 'create', '--project', projectId, ...service, '--resource-limit', String(value), name)
  await eventually(patience, async () => assert.equal((await usage())[name].limit, value))
}

const usage = async (): Promise<any> => {
  const { status, body } = await api.ask('GET', '/image/v2/info/usage')
  assert.equal(status, 200)
  return body.usage
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ProgramFailed, 'the command must fail')
  return error.stderr
}

const upload = async (mibs: number): Promise<{ id: string }> => {
  const file = join(cloud.directory, `${mibs}.raw`)
  writeFileSync(file, Buffer.alloc(mibs * mib, 1))
  return mine('image', 'create', '--file', file, '--disk-format', 'raw', `raw-${mibs}`)
}

const server = async (): Promise<any> => (await api.ask('GET', `/compute/v2.1/servers/${serverId}`)).body.server
const isIdle = (): Promise<void> =>
  eventually(patience, async () => {
    const { status, 'OS-EXT-STS:task_state': task } = await server()
    assert.deepEqual([status, task], ['ACTIVE', null])
  })

before(async () => {
  cloud = await Cloud.start()
  const image = await eventually(patience, async () => {
    const [one] = await admin<{ ID: string }[]>('image', 'list', '--status', 'active')
    assert.ok(one, 'no image yet')
    return one.ID
  })
  projectId = (await admin<{ id: string }>('project', 'create', who.project)).id
  await admin('user', 'create', '--password', who.password, who.username)
  await openstackText(cloud, 'quaystone-admin', 'role', 'add', '--user', who.username, '--project', projectId, 'member')
  api = new Api(cloud, who)
  const what = ['--image', image, '--flavor', 'm1.nano', '--nic', 'none', '--wait']
  serverId = (await mine<{ id: string }>('--os-compute-api-version', '2.37', 'server', 'create', ...what, 'sitter')).id
})
after(() => cloud?.destroy())

test('an image beyond the count is refused with 413, and fits once another is gone', async () => {
  await limit('image_count_total', 1)
  const { id } = await mine<{ id: string }>('image', 'create', 'first')
  assert.match(await refusalOf(mine('image', 'create', 'second')), /413[^]*image_count_total/)
  await openstackText(cloud, who, 'image', 'delete', id)
  await openstackText(cloud, who, 'image', 'delete', (await mine<{ id: string }>('image', 'create', 'second')).id)
})

test('a snapshot of a project that may have no more images is refused, and the server does not notice', async () => {
  await limit('image_count_total', 0)
  const refused = await refusalOf(mine('server', 'image', 'create', '--name', 'portrait', serverId))
  assert.match(refused, /403[^]*Quota exceeded[^]*image_count_total/)
  const { status, 'OS-EXT-STS:task_state': task } = await server()
  assert.deepEqual([status, task], ['ACTIVE', null])
  assert.deepEqual(await mine<unknown[]>('image', 'list', '--private'), [])
  await limit('image_count_total', 10)
})

test('data beyond the size is refused with 413 and leaves nothing counted', async () => {
  await limit('image_size_total', 3)
  assert.match(await refusalOf(upload(4)), /413[^]*image_size_total/)
  assert.equal((await usage()).image_size_total.usage, 0)
  const { id } = await upload(3)
  assert.deepEqual((await usage()).image_size_total, { usage: 3, limit: 3 })
  await openstackText(cloud, who, 'image', 'delete', id)
  assert.equal((await usage()).image_size_total.usage, 0)
})

test('a snapshot or a backup that is too large goes as it came, says why, and the server goes on', async () => {
  await limit('image_size_total', 1)
  const before = (await usage()).image_count_total.usage
  await mine('server', 'image', 'create', '--name', 'portrait', serverId)
  await isIdle()
  await mine('server', 'backup', 'create', '--name', 'copy', '--type', 'daily', '--rotate', '1', serverId)
  await isIdle()
  const { body } = await api.ask('GET', `/compute/v2.1/servers/${serverId}/os-instance-actions`)
  const failed = body.instanceActions.filter(({ message }: any) => message === 'Error')
  assert.deepEqual(failed.map(({ action }: any) => action).toSorted(), ['createBackup', 'createImage'])
  const names = (await mine<{ Name: string }[]>('image', 'list', '--private')).map(({ Name }) => Name)
  assert.ok(!names.includes('portrait') && !names.includes('copy'))
  const { image_count_total, image_size_total } = await usage()
  assert.deepEqual([image_count_total.usage, image_size_total.usage], [before, 0])
})

test('with room for it the snapshot is made, and counts what it is large', async () => {
  await limit('image_size_total', 1000)
  await mine('server', 'image', 'create', '--name', 'portrait', '--wait', serverId)
  const { size } = await mine<{ size: number }>('image', 'show', 'portrait')
  assert.equal((await usage()).image_size_total.usage, Math.ceil(size / mib))
})
