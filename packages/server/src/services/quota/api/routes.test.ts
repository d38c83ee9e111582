/** Quota's API in a whole cloud: who may see and set what, and what the answers say. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isoSeconds, systemClock } from '#platform/clock/clock.ts'
import { startTestCloud, type TestCloud } from '#app/testing.ts'

let cloud: TestCloud
let admin: string
let demo: string
let org: string
const children: Record<string, string> = {}

const ask = (method: string, path: string, body?: unknown, token = admin) =>
  cloud.ask(method, `/quota/v1${path}`, { token, ...(body !== undefined && { body }) })

const projectCreate = async (name: string, parent?: string): Promise<string> => {
  const body = { project: { name, domain_id: 'default', ...(parent && { parent_id: parent }) } }
  const answer = await cloud.ask('POST', '/identity/v3/projects', { token: admin, body })
  assert.equal(answer.status, 201, answer.text)
  return answer.body.project.id
}

before(async () => {
  cloud = await startTestCloud()
  admin = await cloud.login('admin')
  demo = await cloud.login('demo')
  org = await projectCreate('org')
  for (const name of ['t1', 't2']) children[name] = await projectCreate(name, org)
})
after(() => cloud.close())

test('limits are set with all that a resource knows, shown in parts, and refused with their range', async () => {
  await ask('PUT', `/projects/${org}`, { limits: { instances: 16 } })
  for (const [name, borrow] of [
    ['t1', 0],
    ['t2', 4],
  ] as const) {
    const instances = { own: 8, lend: -1, borrow }
    const set = await ask('PUT', `/projects/${children[name]}`, { limits: { instances } })
    assert.equal(set.status, 200, set.text)
  }
  const shown = (await ask('GET', `/projects/${children.t2}`)).body.quota.instances
  assert.deepEqual([shown.limit, shown.owned, shown.available, shown.borrowed], [12, 8, 12, 0])
  const refused = await ask('PUT', `/projects/${children.t1}`, { limits: { instances: 9 } })
  assert.equal(refused.status, 400)
  assert.match(refused.body.error.message, /less than or equal to 8/)
  assert.equal((await ask('PUT', `/projects/${org}`, { limits: { cakes: 1 } })).status, 404)
})

test('an explanation names every level and whom it would cost', async () => {
  const { facades, db } = cloud
  await db.transaction((tx) =>
    facades.quota.reserve(tx, {
      projectId: children.t2!,
      deltas: { instances: 12 },
      subject: 'test:twelve',
      reclaimable: 'yes',
    }),
  )
  const { explanation } = (await ask('POST', `/projects/${children.t1}/explain`, { amounts: { instances: 5 } })).body
  assert.equal(explanation.verdict, 'reclaims')
  assert.deepEqual(explanation.victims, [
    { claim: 'test:twelve', project: children.t2, right: 'owner', order: ['preferred', 'priority', 'newest'] },
  ])
  assert.deepEqual(
    explanation.levels.map((level: { project: string; used: number }) => [level.project, level.used]),
    [
      [children.t1, 0],
      [org, 12],
    ],
  )
})

test('an explanation says that what is no server is never taken back', async () => {
  const { facades, db } = cloud
  await ask('PUT', `/projects/${org}`, { limits: { networks: 4 } })
  await ask('PUT', `/projects/${children.t1}`, { limits: { networks: { own: 4, lend: -1 } } })
  await ask('PUT', `/projects/${children.t2}`, { limits: { networks: { borrow: 4 } } })
  const borrowed = { projectId: children.t2!, deltas: { networks: 4 }, subject: 'test:networks' }
  await db.transaction((tx) => facades.quota.reserve(tx, borrowed))
  const { explanation } = (await ask('POST', `/projects/${children.t1}/explain`, { amounts: { networks: 1 } })).body
  assert.equal(explanation.verdict, 'refused')
  assert.match(explanation.notes[0], /networks is never taken back/)
  await db.transaction((tx) => facades.quota.release(tx, borrowed))
  for (const name of ['t1', 't2']) {
    await ask('PUT', `/projects/${children[name]}`, { limits: { networks: { own: 0, lend: 0, borrow: 0 } } })
  }
})

test('loans name lender, borrower and amount', async () => {
  const { loans } = (await ask('GET', `/projects/${org}/loans`)).body
  const loan = { resource: 'instances', lender: children.t1, fromPool: false, borrower: children.t2, amount: 4 }
  const [granted] = await history('kind=granted&subject=test:twelve')
  assert.deepEqual(loans, [{ ...loan, state: 'lent', calledBack: 0, sinceMs: loans[0]!.sinceMs }])
  assert.equal(isoSeconds(loans[0]!.sinceMs), granted!.at)
})

test('a simulation answers and changes nothing', async () => {
  const before = (await ask('GET', `/tree?project_id=${org}`)).body
  const steps = [
    { claim: { project_id: children.t1, amounts: { instances: 9 } } },
    { set: { project_id: children.t1, resource: 'instances', holding: { borrow: 1 } } },
    { release: { subject: 'test:twelve' } },
    { claim: { project_id: children.t1, amounts: { instances: 9 } } },
  ]
  const answer = await ask('POST', `/projects/${org}/simulate`, { steps })
  assert.deepEqual(
    answer.body.results.map((result: { state: string }) => result.state),
    ['refused', 'done', 'done', 'reserved'],
  )
  assert.deepEqual((await ask('GET', `/tree?project_id=${org}`)).body, before)
})

test('what is claimed in a simulation may be taken back, as a server may, unless it says never', async () => {
  const played = async (terms: object): Promise<{ state: string; notices?: unknown[] }> => {
    const borrower = { claim: { project_id: children.t2, amounts: { instances: 1 }, ...terms } }
    const owner = { claim: { project_id: children.t1, amounts: { instances: 6 } } }
    const steps = [{ release: { subject: 'test:twelve' } }, ...Array(12).fill(borrower), owner]
    return (await ask('POST', `/projects/${org}/simulate`, { steps })).body.results.at(-1)
  }
  const taken = await played({})
  assert.deepEqual([taken.state, taken.notices?.length], ['reclaiming', 2])
  assert.equal((await played({ reclaimable: 'never' })).state, 'refused')
})

test('another project’s quota does not exist for a member, and nobody sets their own', async () => {
  assert.equal((await ask('GET', `/projects/${org}`, undefined, demo)).status, 404)
  assert.equal((await ask('PUT', `/projects/${org}`, { limits: { instances: 1 } }, demo)).status, 403)
  const mine = (await ask('GET', '/tree', undefined, demo)).body.tree as { project: string }[]
  assert.equal(new Set(mine.map((row) => row.project)).size, 1)
  assert.equal((await ask('DELETE', `/projects/${mine[0]!.project}`, undefined, demo)).status, 403)
})

test('a project’s own containers have terms of their own beside its children', async () => {
  const volumes = { own: 10, pool: 10, weight: 2 }
  await ask('PUT', `/projects/${org}`, { limits: { volumes } })
  await ask('PUT', `/projects/${children.t1}`, { limits: { volumes: { borrow: -1 } } })
  const self = { weight: 3, ceiling: 4 }
  assert.equal((await ask('PUT', `/projects/${org}`, { limits: { volumes: { self } } })).status, 200)
  const row = (await ask('GET', `/tree?project_id=${org}`)).body.tree.find(
    ({ resource }: { resource: string }) => resource === 'volumes',
  )
  assert.deepEqual([row.weight, row.self], [2, { lend: -1, borrow: -1, ceiling: 4, weight: 3, tier: 1 }])
  const answer = await ask('POST', `/projects/${org}/explain`, { amounts: { volumes: 5 } })
  assert.deepEqual(answer.body.explanation.available, { volumes: 4 })
  const [set] = await history(`kind=settings&project_id=${org}&limit=1`)
  assert.deepEqual(set!.details, { volumes: { 'self.ceiling': [null, 4], 'self.weight': [1, 3] } })
  assert.equal((await ask('PUT', `/projects/${org}`, { limits: { volumes: { self: { own: 1 } } } })).status, 400)
  for (const id of [children.t1, org])
    assert.equal((await ask('DELETE', `/projects/${id}?resource=volumes`)).status, 204)
  const { quota } = (await ask('GET', `/projects/${org}`)).body
  assert.deepEqual([quota.volumes.pool, quota.instances.owned], [0, 16], 'of other resources nothing is reset')
  assert.equal((await ask('DELETE', `/projects/${org}?resource=cakes`)).status, 404)
})

test('reset returns what was granted, unless children still hold a part of it', async () => {
  assert.equal((await ask('DELETE', `/projects/${org}`)).status, 400)
  assert.equal((await ask('DELETE', `/projects/${children.t1}`)).status, 204)
  assert.equal((await ask('GET', `/projects/${children.t1}`)).body.quota.instances.owned, 0)
})

interface Row {
  at: string
  kind: string
  project_id: string
  subject: string | null
  amounts: Record<string, number>
  times: number
  details: Record<string, unknown>
}
/** Asks until there is an answer, for a minute at most. */
const until = async <A>(look: () => Promise<A | undefined>): Promise<A> => {
  for (let round = 0; round < 600; round++) {
    const answer = await look()
    if (answer !== undefined) return answer
    await systemClock.sleep(100)
  }
  return assert.fail('it did not happen within a minute')
}
const history = async (query: string, token = admin): Promise<Row[]> => {
  const answer = await ask('GET', `/history?${query}`, undefined, token)
  assert.equal(answer.status, 200, answer.text)
  return answer.body.history
}

test('what happened is told, the newest first, and found by project, kind, resource and subject', async () => {
  const twelve = await history('subject=test:twelve')
  assert.deepEqual(
    twelve.map(({ kind, amounts }) => [kind, amounts]),
    [
      ['lent', { instances: 4 }],
      ['granted', { instances: 12 }],
    ],
  )
  const [reset] = await history(`kind=settings&project_id=${children.t1}&limit=1`)
  assert.deepEqual((reset!.details.instances as Record<string, unknown>).own, [8, 0])
  assert.deepEqual(await history('resource=cakes'), [])
  assert.deepEqual(await history(`kind=lent&since=2100-01-01T00:00:00Z`), [])
  assert.equal((await ask('GET', '/history?kind=sold')).status, 400)
  assert.equal((await ask('GET', '/history?since=yesterday')).status, 400)
})

test('a refusal is told once however often it is made, and others see nothing of it', async () => {
  const { facades, db } = cloud
  const beyond = () =>
    db.transaction((tx) =>
      facades.quota.reserve(tx, { projectId: children.t1!, deltas: { instances: 99 }, subject: 'test:beyond' }),
    )
  for (let times = 0; times < 3; times++) await assert.rejects(beyond())
  const refused = await until(async () => {
    const rows = await history(`kind=refused&project_id=${children.t1}`)
    const times = rows.reduce((sum, row) => sum + row.times, 0)
    return times === 3 ? rows : undefined
  })
  assert.equal(refused[0]!.details.resource, 'instances')
  assert.deepEqual(await history('kind=refused', demo), [])
  assert.equal((await ask('GET', `/history?project_id=${org}`, undefined, demo)).status, 404)
})

test('a policy is set by field and shown with what it inherits', async () => {
  const policy = { graceMs: 5000, onReclaim: 'stop' }
  assert.equal((await ask('PUT', `/projects/${org}/policy`, { policy })).status, 200)
  const shown = (await ask('GET', `/projects/${children.t2}/policy`)).body.policy
  assert.deepEqual(shown.own, {})
  assert.deepEqual(
    [shown.effective.graceMs, shown.effective.onReclaim, shown.effective.reclaim],
    [5000, 'stop', 'onDemand'],
  )
  assert.equal((await ask('PUT', `/projects/${org}/policy`, { policy: { onReclaim: 'explode' } })).status, 400)
  const again = await ask('PUT', `/projects/${org}/policy`, { policy: { graceMs: null } })
  assert.deepEqual(again.body.policy, { onReclaim: 'stop' })
  const inherited = (await ask('GET', `/projects/${children.t2}/policy`)).body.policy.effective
  assert.deepEqual([inherited.graceMs, inherited.onReclaim], [30_000, 'stop'])
})

test('after how long a debt is called in is inherited, and switched off below by −1', async () => {
  const set = async (project: string, shrinkAfterMs: unknown) =>
    (await ask('PUT', `/projects/${project}/policy`, { policy: { shrinkAfterMs } })).status
  const effective = async () =>
    (await ask('GET', `/projects/${children.t2}/policy`)).body.policy.effective.shrinkAfterMs
  assert.equal(await effective(), -1)
  assert.deepEqual([await set(org, 60_000), await effective()], [200, 60_000])
  assert.deepEqual([await set(children.t2!, -1), await effective()], [200, -1])
  assert.deepEqual([await set(children.t2!, null), await effective()], [200, 60_000])
  assert.deepEqual([await set(org, 'never'), await set(org, -2)], [400, 400])
})

test('Keystone’s limits are listed with what they limit, and limit it', async () => {
  const services = (await cloud.ask('GET', '/identity/v3/services?type=compute', { token: admin })).body.services
  const made = await cloud.ask('POST', '/identity/v3/registered_limits', {
    token: admin,
    body: {
      registered_limits: ['servers', 'class:CUSTOM_GPU'].map((resource_name) => ({
        service_id: services[0].id,
        resource_name,
        default_limit: 7,
      })),
    },
  })
  assert.equal(made.status, 201, made.text)
  await until(async () => {
    const { quota } = (await ask('GET', `/projects/${children.t1}`)).body
    return quota.instances.limit === 7 ? quota : undefined
  })
  const { unified_limits: listed } = (await ask('GET', '/unified-limits')).body
  const byName = Object.fromEntries(
    listed.map((one: { resource_name: string; resource: string | null }) => [one.resource_name, one.resource]),
  )
  assert.deepEqual(byName, { servers: 'instances', 'class:CUSTOM_GPU': null })
  assert.equal((await ask('GET', '/unified-limits', undefined, demo)).status, 403)
})

test('Nova’s defaults are quota’s: Keystone’s before the class’s, and the class’s at the top only', async () => {
  const ask = (method: string, path: string, body?: object) =>
    cloud.ask(method, `/compute/v2.1${path}`, { token: admin, body })
  const body = { quota_class_set: { instances: 10, cores: 20 } }
  assert.equal((await ask('PUT', '/os-quota-class-sets/default', body)).status, 200)
  const defaults = async (id: string): Promise<number[]> => {
    const { instances, cores, key_pairs } = (await ask('GET', `/os-quota-sets/${id}/defaults`)).body.quota_set
    return [instances, cores, key_pairs]
  }
  assert.deepEqual(await defaults(org), [7, 20, 100])
  assert.deepEqual(await defaults(children.t1!), [7, 0, 100], 'a registered limit is everybody’s')
})

test('the metrics count decisions and say what trees may use and use', async () => {
  const { text } = await cloud.ask('GET', '/metrics', {})
  const samples = text.split('\n')
  for (const sample of [
    'quaystone_quota_decisions_total{decision="lent"} 2',
    'quaystone_quota_refusals_total{reason="CEILING",resource="instances"} 3',
    `quaystone_quota_limit{tree="${org}",resource="instances"} 16`,
    `quaystone_quota_used{tree="${org}",resource="instances"} 0`,
    `quaystone_quota_reserved{tree="${org}",resource="instances"} 12`,
    'quaystone_quota_waiting{who="owner"} 0',
  ])
    assert.ok(samples.includes(sample), sample)
})
