/** Quota's API in a whole cloud: who may see and set what, and what the answers say. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
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
  assert.deepEqual(explanation.victims, [{ claim: 'test:twelve', project: children.t2, right: 'owner' }])
  assert.deepEqual(
    explanation.levels.map((level: { project: string; used: number }) => [level.project, level.used]),
    [
      [children.t1, 0],
      [org, 12],
    ],
  )
})

test('loans name lender, borrower and amount', async () => {
  const { loans } = (await ask('GET', `/projects/${org}/loans`)).body
  assert.deepEqual(loans, [
    { resource: 'instances', lender: children.t1, fromPool: false, borrower: children.t2, amount: 4 },
  ])
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

test('another project’s quota does not exist for a member, and nobody sets their own', async () => {
  assert.equal((await ask('GET', `/projects/${org}`, undefined, demo)).status, 404)
  assert.equal((await ask('PUT', `/projects/${org}`, { limits: { instances: 1 } }, demo)).status, 403)
  const mine = (await ask('GET', '/tree', undefined, demo)).body.tree as { project: string }[]
  assert.equal(new Set(mine.map((row) => row.project)).size, 1)
  assert.equal((await ask('DELETE', `/projects/${mine[0]!.project}`, undefined, demo)).status, 403)
})

test('reset returns what was granted, unless children still hold a part of it', async () => {
  assert.equal((await ask('DELETE', `/projects/${org}`)).status, 400)
  assert.equal((await ask('DELETE', `/projects/${children.t1}`)).status, 204)
  assert.equal((await ask('GET', `/projects/${children.t1}`)).body.quota.instances.owned, 0)
})
