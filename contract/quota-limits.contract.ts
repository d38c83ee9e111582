/** Limits as unmodified clients set them, refused servers as they see them, and a borrower that is only stopped. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Api } from './support/api.ts'
import { Cloud, openstack, openstackText, type Account } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { ProgramFailed, runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const patience = { timeoutMs: 90_000, everyMs: 500 }
const account = (name: string): Account => ({ username: name, password: 'Harbour-7', project: name })
const [alone, lender, borrower] = [account(`alone-${tag}`), account(`lender-${tag}`), account(`borrower-${tag}`)]
const org = `org-${tag}`

interface Server {
  ID: string
  Status: string
}

let cloud: Cloud
let imageId: string

const admin = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone-admin', ...args)
const adminText = (...args: string[]): Promise<string> => openstackText(cloud, 'quaystone-admin', ...args)

/** `quaystone quota …` as the operator types it. */
const quotaText = (...args: string[]): Promise<string> =>
  runProgram({
    command: join(import.meta.dirname, '../quaystone'),
    args: ['quota', ...args, '--data-dir', cloud.dataDir],
    env: { ...process.env },
  })
const quota = async <T>(...args: string[]): Promise<T> => JSON.parse(await quotaText(...args, '-f', 'json')) as T

const enter = async ({ username, password, project }: Account, ...place: string[]): Promise<void> => {
  await admin('project', 'create', ...place, project)
  await admin('user', 'create', '--password', password, username)
  await adminText('role', 'add', '--user', username, '--project', project, 'member')
}

const servers = (who: Account): Promise<Server[]> => openstack<Server[]>(cloud, who, 'server', 'list')
const create = (who: Account, name: string): Promise<{ id: string }> => {
  const what = ['--image', imageId, '--flavor', 'm1.nano', '--nic', 'none', '--wait']
  return openstack(cloud, who, '--os-compute-api-version', '2.37', 'server', 'create', ...what, name)
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

const limitOf = async (project: string): Promise<number> =>
  (await admin<{ instances: number }>('quota', 'show', project)).instances

before(async () => {
  cloud = await Cloud.start()
  imageId = await eventually(patience, async () => {
    const [image] = await admin<{ ID: string }[]>('image', 'list', '--status', 'active')
    assert.ok(image, 'no image yet')
    return image.ID
  })
  await enter(alone)
  await admin('project', 'create', org)
  for (const who of [lender, borrower]) await enter(who, '--parent', org)
})

after(() => cloud?.destroy())

test('a registered limit refuses what is beyond it, a limit changes that for its project, at once', async () => {
  const model = await admin<{ model: { name: string } }[] | object>('limit', 'list')
  assert.deepEqual(model, [])
  const service = ['--service', 'nova']
  const registered = await admin<{ id: string }>(
    'registered',
    'limit',
    'create',
    ...service,
    '--default-limit',
    '1',
    'servers',
  )
  await eventually(patience, async () => assert.equal(await limitOf(alone.project), 1))
  await create(alone, 'first')
  const refused = await refusalOf(create(alone, 'second'))
  assert.match(refused, /Quota exceeded for instances/)
  const ofProject = ['--project', alone.project, ...service, '--resource-limit', '2']
  const limit = await admin<{ id: string }>('limit', 'create', ...ofProject, 'servers')
  await eventually(patience, async () => assert.equal(await limitOf(alone.project), 2))
  await create(alone, 'second')
  await refusalOf(create(alone, 'third'))
  await adminText('limit', 'set', '--resource-limit', '3', limit.id)
  await eventually(patience, async () => assert.equal(await limitOf(alone.project), 3))
  const [listed] = await admin<Record<string, unknown>[]>('limit', 'list', '--project', alone.project)
  assert.deepEqual([listed!['Resource Name'], listed!['Resource Limit']], ['servers', 3])
  assert.match(await refusalOf(adminText('quota', 'set', '--instances', '9', alone.project)), /openstack limit set/)
  await adminText('limit', 'delete', limit.id)
  await eventually(patience, async () => assert.equal(await limitOf(alone.project), 1))
  await adminText('registered', 'limit', 'delete', registered.id)
  await eventually(patience, async () => assert.equal(await limitOf(alone.project), 10))
})

test('quotas are set, forced, listed with their use and deleted, by service', async () => {
  await adminText('quota', 'set', '--instances', '4', '--networks', '3', alone.project)
  const shown = await admin<Record<string, number>>('quota', 'show', alone.project)
  assert.deepEqual([shown.instances, shown.networks], [4, 3])
  assert.match(
    await refusalOf(adminText('quota', 'set', '--instances', '1', alone.project)),
    /already used and reserved 2/,
  )
  await adminText('quota', 'set', '--instances', '1', '--force', alone.project)
  const detail = ['quota', 'list', '--detail', '--project', alone.project]
  const compute = await admin<Record<string, unknown>[]>(...detail, '--compute')
  const instances = compute.find((row) => row.Resource === 'instances')!
  assert.deepEqual([instances['In Use'], instances.Reserved, instances.Limit], [2, 0, 1])
  const network = await admin<Record<string, unknown>[]>(...detail, '--network')
  assert.equal(network.find((row) => row.Resource === 'networks')!.Limit, 3)
  // What `openstack quota delete` of later clients asks for.
  const operator = new Api(cloud, 'quaystone-admin')
  const { id } = await admin<{ id: string }>('project', 'show', alone.project)
  assert.equal((await operator.ask('DELETE', `/compute/v2.1/os-quota-sets/${id}`)).status, 202)
  const after = await admin<Record<string, number>>('quota', 'show', alone.project)
  assert.deepEqual([after.instances, after.networks], [10, 3])
  assert.equal((await operator.ask('DELETE', `/network/v2.0/quotas/${id}`)).status, 204)
  assert.equal((await admin<Record<string, number>>('quota', 'show', alone.project)).networks, 100)
})

test('a borrower that may be stopped is, gives back its cores, and starts again when there is room', async () => {
  for (const project of [org, lender.project, borrower.project]) {
    await quota('set', project, 'instances', project === org ? 'own=20' : 'own=8')
    await quota('set', project, 'ram', project === org ? 'own=4096' : 'own=2048')
  }
  await quota('set', org, 'cores', 'own=2')
  await quota('set', lender.project, 'cores', 'own=2', 'lend=unlimited')
  await quota('set', borrower.project, 'cores', 'own=0', 'borrow=2')
  const policy = await quota<{ effective: Record<string, unknown> }>(
    'policy',
    borrower.project,
    'grace=5s',
    'onReclaim=stop',
  )
  assert.deepEqual([policy.effective.onReclaim, policy.effective.graceMs], ['stop', 5000])
  const { id } = await create(borrower, 'guest')
  await create(lender, 'own-1')
  assert.match(await refusalOf(create(lender, 'own-2')), /Quota exceeded for cores.*RECLAIMING/s)
  await eventually(patience, () => create(lender, 'own-2'))
  const show = () =>
    openstack<{ status: string; tags: string[] }>(
      ...([cloud, borrower, '--os-compute-api-version', '2.26', 'server', 'show', id] as const),
    )
  await eventually(patience, async () => {
    const { status, tags } = await show()
    assert.deepEqual([status, tags], ['SHUTOFF', ['reclaimed']])
  })
  assert.match(await refusalOf(openstackText(cloud, borrower, 'server', 'start', id)), /Quota exceeded for cores/)
  const [own] = await servers(lender)
  await openstackText(cloud, lender, 'server', 'delete', '--wait', own!.ID)
  await openstackText(cloud, borrower, 'server', 'start', id)
  await eventually(patience, async () => assert.deepEqual((await show()).status, 'ACTIVE'))
})

test('the operator reads what happened, and why', async () => {
  const subject = `nova:server:${(await servers(borrower))[0]!.ID}`
  const rows = await quota<{ kind: string; details: Record<string, unknown> }[]>('history', '--subject', subject)
  const kinds = rows.map(({ kind }) => kind).reverse()
  for (const kind of ['granted', 'lent', 'recalled', 'released'])
    assert.ok(kinds.includes(kind), `${kind} of ${kinds}`)
  assert.ok(rows.some(({ kind, details }) => kind === 'released' && Number(details.recalledForMs) >= 5000))
  const text = await quotaText('history', borrower.project, '--kind', 'recalled')
  assert.match(text, new RegExp(`recalled +${borrower.project} .*for ${lender.project}, by owner's right`))
  const metrics = await (await fetch(`${cloud.url}/metrics`)).text()
  assert.match(metrics, /^quaystone_quota_reclaim_seconds_count 1$/m)
})
