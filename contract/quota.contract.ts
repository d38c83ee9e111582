/** Two tenants, sixteen containers: each keeps its own, one borrows and gives back, both share by ratio. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Api } from './support/api.ts'
import { Cloud, openstack, openstackText, type Account } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { ProgramFailed, runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const org = `org-${tag}`
const tenant = (name: string): Account => ({ username: name, password: 'Harbour-7', project: name })
const t1 = tenant(`t1-${tag}`)
const t2 = tenant(`t2-${tag}`)
const patience = { timeoutMs: 90_000, everyMs: 500 }
const graceMs = 15_000

interface Row {
  ID: string
  Name: string
  Status: string
}

let cloud: Cloud
let operator: Api
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

const hold = (project: string, ...settings: string[]): Promise<unknown> =>
  quota('set', project, 'instances', ...settings)

const enterTenant = async ({ username, password, project }: Account): Promise<void> => {
  const { id } = await admin<{ id: string }>('project', 'create', '--parent', org, project)
  await admin('user', 'create', '--password', password, username)
  await openstackText(cloud, 'quaystone-admin', 'role', 'add', '--user', username, '--project', project, 'member')
  await quota('set', project, 'cores', 'own=32')
  await quota('set', project, 'ram', 'own=16384')
  const policy = { policy: { graceMs } }
  assert.equal((await operator.ask('PUT', `/quota/v1/projects/${id}/policy`, policy)).status, 200)
}

const servers = (who: Account): Promise<Row[]> => openstack<Row[]>(cloud, who, 'server', 'list')

/** With no network, so that nothing but the servers themselves is counted: `--nic none` came with 2.37. */
const create = (who: Account, name: string, count: number): Promise<unknown> => {
  const number = ['--min', String(count), '--max', String(count)]
  const what = ['--image', imageId, '--flavor', 'm1.nano', '--nic', 'none']
  return openstack(cloud, who, '--os-compute-api-version', '2.37', 'server', 'create', ...what, ...number, name)
}

/** What the client said when it was refused. */
const refusalOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ProgramFailed, 'the command must fail')
  return error.stderr
}

/** Exactly so many servers, all of them running containers by Docker's word too. */
const untilRunning = (counts: readonly [t1: number, t2: number]): Promise<void> =>
  eventually({ ...patience, timeoutMs: 120_000 }, async () => {
    const [ofT1, ofT2] = [await servers(t1), await servers(t2)]
    assert.deepEqual([ofT1.length, ofT2.length], counts)
    assert.deepEqual([...ofT1, ...ofT2].filter(({ Status }) => Status !== 'ACTIVE'), [])
    const containers = (await cloud.leftovers()).filter((name) => name.startsWith('container '))
    assert.equal(containers.length, counts[0] + counts[1])
  })

/** Asks again until the owner's servers are granted, as the refusal tells it to. */
const createWhenGathered = (who: Account, name: string, count: number): Promise<unknown> =>
  eventually(patience, () => create(who, name, count))

const idsOf = (rows: readonly Row[]): string[] => rows.map(({ ID }) => ID).sort()

before(async () => {
  cloud = await Cloud.start()
  operator = new Api(cloud, 'quaystone-admin')
  imageId = await eventually(patience, async () => {
    const images = await admin<{ ID: string }[]>('image', 'list', '--status', 'active')
    assert.ok(images[0], 'no image yet')
    return images[0].ID
  })
  await admin('project', 'create', org)
  await hold(org, 'own=16')
  await quota('set', org, 'cores', 'own=64')
  await quota('set', org, 'ram', 'own=32768')
  for (const who of [t1, t2]) await enterTenant(who)
})

after(() => cloud?.destroy())

test('each keeps its own: eight and eight of sixteen, and a ninth is refused', async () => {
  for (const { project } of [t1, t2]) await hold(project, 'own=8')
  await create(t1, 'one', 8)
  assert.match(await refusalOf(create(t1, 'ninth', 1)), /Quota exceeded/)
  await create(t2, 'two', 8)
  await untilRunning([8, 8])
  const shown = await admin<{ instances: number }>('quota', 'show', t1.project)
  assert.equal(shown.instances, 8)
})

test('T2 borrows four that T1 does not use; T1 takes them back, and T2’s newest four end after a warning', async () => {
  await hold(t1.project, 'own=8', 'lend=unlimited')
  await hold(t2.project, 'own=8', 'borrow=4')
  const own = idsOf(await servers(t2))
  const idle = (await servers(t1)).slice(0, 4).map(({ ID }) => ID)
  await openstackText(cloud, t1, 'server', 'delete', '--wait', ...idle)
  await create(t2, 'borrowed', 4)
  await untilRunning([4, 12])
  const loans = await quota<{ resource: string; amount: number }[]>('loans', t2.project)
  assert.deepEqual(
    loans.map(({ resource, amount }) => [resource, amount]),
    [['instances', 4]],
  )

  const borrowed = idsOf(await servers(t2)).filter((id) => !own.includes(id))
  assert.match(await refusalOf(create(t1, 'back', 4)), /Quota exceeded/)
  await eventually(patience, async () => {
    const list = ['--os-compute-api-version', '2.26', 'server', 'list', '--tags', 'preemptible']
    const warned = await openstack<Row[]>(cloud, t2, ...list)
    assert.deepEqual(idsOf(warned), borrowed)
  })
  const events = await openstack<{ Action: string }[]>(cloud, t2, 'server', 'event', 'list', borrowed[0]!)
  assert.ok(events.some(({ Action }) => Action === 'reclaim'), JSON.stringify(events))
  await createWhenGathered(t1, 'back', 4)
  await untilRunning([8, 8])
  assert.deepEqual(idsOf(await servers(t2)), own, 'T2 keeps what is its own')
})

test('a pool of sixteen shared one to one: four and twelve while there is room, then eight and eight', async () => {
  for (const { project } of [t1, t2]) await hold(project, 'own=0', 'lend=0', 'borrow=unlimited', 'weight=1', '--force')
  await hold(org, 'own=16', 'pool=16')
  const idle = (await servers(t1)).slice(0, 4).map(({ ID }) => ID)
  await openstackText(cloud, t1, 'server', 'delete', '--wait', ...idle)
  await create(t2, 'more', 4)
  await untilRunning([4, 12])
  assert.match(await refusalOf(create(t1, 'share', 4)), /Quota exceeded/)
  await createWhenGathered(t1, 'share', 4)
  await untilRunning([8, 8])
  assert.match(await refusalOf(create(t2, 'beyond', 1)), /Quota exceeded/)
})
