/** Servers that wait for quota, as the official client sees them: real containers of two tenants in fair order. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cloud, openstack, openstackText, type Account } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const org = `org-${tag}`
const tenant = (name: string): Account => ({ username: name, password: 'Harbour-7', project: name })
const [greedy, modest] = [tenant(`greedy-${tag}`), tenant(`modest-${tag}`)]
const patience = { timeoutMs: 120_000, everyMs: 500 }
const places = 3

interface Shown {
  status: string
  'OS-EXT-STS:task_state': string | null
  addresses: Record<string, string[]> | string
  tags: string[]
  fault?: { code: number; message: string }
}

let cloud: Cloud
let imageId: string

const admin = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone-admin', ...args)

/** `quaystone quota …` as the operator types it; its JSON. */
const quota = async <T>(...args: string[]): Promise<T> =>
  JSON.parse(
    await runProgram({
      command: join(import.meta.dirname, '../quaystone'),
      args: ['quota', ...args, '--data-dir', cloud.dataDir, '-f', 'json'],
      env: { ...process.env },
    }),
  ) as T

const counted = [
  'instances',
  'cores',
  'ram',
  'networks',
  'subnets',
  'ports',
  'security_groups',
  'security_group_rules',
]

/** Owns nothing and may have all that its organisation leaves idle. */
const enter = async ({ username, password, project }: Account): Promise<void> => {
  await admin('project', 'create', '--parent', org, project)
  await admin('user', 'create', '--password', password, username)
  await openstackText(cloud, 'quaystone-admin', 'role', 'add', '--user', username, '--project', project, 'member')
  for (const resource of counted) await quota('set', project, resource, 'own=0', 'borrow=unlimited')
}

const create = async (who: Account, name: string, ...more: string[]): Promise<string> => {
  const what = ['--image', imageId, '--flavor', 'm1.nano', ...more]
  const made = await openstack<{ id: string }>(
    cloud,
    who,
    '--os-compute-api-version',
    '2.37',
    'server',
    'create',
    ...what,
    name,
  )
  return made.id
}
const alone = ['--nic', 'none']

const show = (who: Account, id: string): Promise<Shown> =>
  openstack(cloud, who, '--os-compute-api-version', '2.26', 'server', 'show', id)

const remove = (who: Account, ...ids: string[]): Promise<string> =>
  openstackText(cloud, who, 'server', 'delete', '--wait', ...ids)

const untilActive = (who: Account, id: string): Promise<Shown> =>
  eventually(patience, async () => {
    const shown = await show(who, id)
    assert.equal(shown.status, 'ACTIVE', JSON.stringify(shown))
    return shown
  })

const assertWaits = async (who: Account, id: string): Promise<void> => {
  const { status, tags, 'OS-EXT-STS:task_state': task } = await show(who, id)
  assert.deepEqual([status, task, tags], ['BUILD', 'scheduling', ['waiting-for-quota']])
}

/** Who is in the organisation's line, the next one first. */
const line = async (): Promise<string[]> =>
  (await quota<{ subject: string }[]>('waiting', org)).map(({ subject }) => subject.replace('nova:server:', ''))

const containers = async (): Promise<number> =>
  (await cloud.leftovers()).filter((name) => name.startsWith('container ')).length

let running: string[] = []

before(async () => {
  cloud = await Cloud.start()
  imageId = await eventually(patience, async () => {
    const [image] = await admin<{ ID: string }[]>('image', 'list', '--status', 'active')
    assert.ok(image, 'no image yet')
    return image.ID
  })
  await admin('project', 'create', org)
  for (const resource of counted) {
    const amount = resource === 'instances' ? places : 10_000
    await quota('set', org, resource, `own=${amount}`, `pool=${amount}`)
  }
  await quota('policy', org, 'whenFull=wait')
  for (const who of [greedy, modest]) await enter(who)
  for (let place = 1; place <= places; place++) running.push(await create(greedy, `greedy-${place}`, ...alone))
  for (const id of running) await untilActive(greedy, id)
})

after(() => cloud?.destroy())

test('where all is taken a server waits in BUILD, without a port, and says for what and behind whom', async () => {
  const network = await openstack<{ id: string }>(cloud, modest, 'network', 'create', 'quay')
  const range = ['--network', network.id, '--subnet-range', '10.77.0.0/24']
  await openstack(cloud, modest, 'subnet', 'create', ...range, 'quay')
  const [more] = [await create(greedy, 'greedy-more', ...alone)]
  const first = await create(modest, 'modest-first', '--network', network.id)
  for (const [who, id] of [
    [greedy, more],
    [modest, first],
  ] as const)
    await assertWaits(who, id)
  assert.deepEqual(await openstack(cloud, modest, 'port', 'list', '--server', first), [])
  const events = ['server', 'event', 'list', '--long', more]
  const [event] = await openstack<Record<string, string>[]>(cloud, greedy, ...events)
  assert.equal(event!.Action, 'create')
  assert.match(
    event!.Message!,
    /^Waiting for quota since .*, now number 2 in line\. Quota exceeded for instances: asked 1/,
  )
  assert.deepEqual(await line(), [first, more], 'who has nothing comes before who has all, though it came later')
  assert.equal(await containers(), places)
})

test('a kill of the cloud takes nobody out of the line, and a place that is free goes to who is next', async () => {
  const [first, more] = await line()
  await cloud.kill()
  await cloud.up()
  assert.deepEqual(await line(), [first, more])
  await remove(greedy, running.shift()!)
  const { addresses, tags } = await untilActive(modest, first!)
  assert.match(JSON.stringify(addresses), /10\.77\.0\./)
  assert.deepEqual(tags, [])
  await assertWaits(greedy, more!)
  await remove(greedy, running.shift()!)
  await untilActive(greedy, more!)
  running = [...running, more!]
  assert.deepEqual([await line(), await containers()], [[], places])
})

test('who waits and is deleted is gone at once, and the one behind has the next place', async () => {
  const [gone, stays] = [await create(modest, 'gone', ...alone), await create(modest, 'stays', ...alone)]
  assert.deepEqual(await line(), [gone, stays])
  await remove(modest, gone)
  assert.deepEqual(await line(), [stays])
  await remove(greedy, running.shift()!)
  await untilActive(modest, stays)
  running.push(stays)
  assert.equal(await containers(), places)
})

test('a batch waits as one, and starts when there is room for all of it', async () => {
  await create(greedy, 'pair', ...alone, '--min', '2', '--max', '2')
  const pair = (await openstack<{ ID: string }[]>(cloud, greedy, 'server', 'list', '--status', 'BUILD')).map(
    ({ ID }) => ID,
  )
  assert.equal(pair.length, 2)
  const [stays, first] = (await openstack<{ ID: string }[]>(cloud, modest, 'server', 'list')).map(({ ID }) => ID)
  await remove(modest, first!)
  for (const id of pair) await assertWaits(greedy, id)
  await remove(modest, stays!)
  for (const id of pair) await untilActive(greedy, id)
  assert.equal(await containers(), places)
})

test('out of time it is in ERROR and says why; a request that will not wait is refused', async () => {
  const hint = (key: string, value: string): string[] => ['--hint', `quaystone:${key}=${value}`]
  const id = await create(modest, 'late', ...alone, ...hint('wait_max', '2'))
  await eventually(patience, async () => {
    const { status, fault } = await show(modest, id)
    assert.deepEqual([status, fault?.code], ['ERROR', 403])
    assert.match(fault!.message, /^Quota exceeded: the server waited from .* in vain\. Quota exceeded for instances/)
  })
  assert.deepEqual(await line(), [])
  await assert.rejects(
    create(modest, 'hurry', ...alone, ...hint('when_full', 'refuse')),
    /Quota exceeded for instances/,
  )
  await remove(modest, id)
})

test('usage counts who was granted, and nothing is left of who waited', async () => {
  const detail = ['quota', 'list', '--detail', '--compute', '--project', greedy.project]
  const rows = await admin<Record<string, unknown>[]>(...detail)
  assert.equal(rows.find(({ Resource }) => Resource === 'instances')!['In Use'], places)
  for (const who of [greedy, modest]) {
    const ids = (await openstack<{ ID: string }[]>(cloud, who, 'server', 'list')).map(({ ID }) => ID)
    if (ids.length > 0) await remove(who, ...ids)
  }
  await eventually(patience, async () => assert.equal(await containers(), 0))
  assert.deepEqual(await openstack(cloud, modest, 'port', 'list', '--device-owner', 'compute:nova'), [])
})
