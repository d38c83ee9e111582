/** Kilo's nested quota through the APIs that clients know: Nova's and Neutron's quota sets over one tree. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '#platform/clock/clock.ts'
import { passwordLogin, startTestCloud, type TestCloud } from '#app/testing.ts'

let cloud: TestCloud
let admin: string
/** Managers, the specification's "admins", of these projects. */
let cms: string
let it: string
let visualisation: string
const ids: Record<string, string> = {}

/** The specification's tree: parent, hard limit, used, reserved. */
const tree: Record<string, [parent: string | null, limit: number, used: number, reserved: number]> = {
  ProductionIT: [null, 1000, 100, 100],
  CMS: ['ProductionIT', 300, 25, 15],
  ATLAS: ['ProductionIT', 400, 25, 25],
  Computing: ['CMS', 100, 50, 50],
  Visualisation: ['CMS', 150, 25, 25],
  Services: ['ATLAS', 100, 25, 25],
  Operations: ['ATLAS', 200, 50, 50],
}

const ask = async (method: string, path: string, body?: unknown, token = admin) =>
  cloud.ask(method, path, { token, ...(body !== undefined && { body }) })
const made = async (path: string, body: Record<string, object>) => {
  const answer = await ask('POST', `/identity/v3/${path}`, body)
  assert.equal(answer.status, 201, answer.text)
  return answer.body[Object.keys(body)[0]!].id as string
}
const setOf = (project: string) => `/compute/v2.1/os-quota-sets/${ids[project]}`
const put = (project: string, instances: number, more: object = {}, token = admin) =>
  ask('PUT', setOf(project), { quota_set: { instances, ...more } }, token)
const numbers = async (project: string) =>
  (await ask('GET', `/quota/v1/projects/${ids[project]}`)).body.quota.instances
const take = (project: string, instances: number, isKept: boolean) =>
  cloud.db.transaction(async (tx) => {
    const subject = `test:${project}:${isKept}`
    await cloud.facades.quota.reserve(tx, { projectId: ids[project]!, deltas: { instances }, subject })
    if (isKept) await cloud.facades.quota.commit(tx, subject)
  })

const managerOf = async (project: string): Promise<string> => {
  const name = `chief of ${project}`,
    password = 'Harbour-7'
  const user = await made('users', { user: { name, password, domain_id: 'default' } })
  const { roles } = (await ask('GET', '/identity/v3/roles?name=manager')).body
  await ask('PUT', `/identity/v3/projects/${ids[project]}/users/${user}/roles/${roles[0].id}`)
  const login = await cloud.ask('POST', '/identity/v3/auth/tokens', { body: passwordLogin(name, password, project) })
  return String(login.headers['x-subject-token'])
}

before(async () => {
  cloud = await startTestCloud()
  admin = await cloud.login('admin')
  for (const [name, [parent]] of Object.entries(tree)) {
    const place = parent ? { parent_id: ids[parent] } : {}
    ids[name] = await made('projects', { project: { name, domain_id: 'default', ...place } })
  }
  for (const [name, [, limit, used, reserved]] of Object.entries(tree)) {
    assert.equal((await put(name, limit)).status, 200, name)
    await take(name, used, true)
    await take(name, reserved, false)
  }
  cms = await managerOf('CMS')
  it = await managerOf('ProductionIT')
  visualisation = await managerOf('Visualisation')
})
after(() => cloud.close())

test('the specification’s table: hard limit, used, reserved, allocated and free', async () => {
  const rows = await Promise.all(Object.keys(tree).map(numbers))
  assert.deepEqual(
    rows.map(({ limit, inUse, reserved, allocated, free }) => [limit, inUse, reserved, allocated, free]),
    [
      [1000, 100, 100, 700, 100],
      [300, 25, 15, 250, 10],
      [400, 25, 25, 300, 50],
      [100, 50, 50, 0, 0],
      [150, 25, 25, 0, 100],
      [100, 25, 25, 0, 50],
      [200, 50, 50, 0, 100],
    ],
  )
  const { body } = await ask('GET', `${setOf('CMS')}/detail`)
  assert.deepEqual(body.quota_set.instances, { limit: 300, in_use: 25, reserved: 15, allocated: 250 })
})

test('a, b: a child grows by what its parent has free, and not beyond', async () => {
  assert.equal((await put('CMS', 400)).status, 200)
  const refused = await put('CMS', 500)
  assert.equal(refused.status, 400)
  assert.equal(refused.body.badRequest.message, 'Quota limit 500 for instances must be less than or equal to 400.')
  assert.deepEqual(await numbers('ProductionIT').then(({ allocated, free }) => [allocated, free]), [800, 0])
})

test('c: what children hold is not taken from under them', async () => {
  const refused = await ask('DELETE', setOf('CMS'))
  assert.equal(refused.status, 400)
  assert.match(refused.body.badRequest.message, /still hold 250 instances/)
})

test('d, e: a child shrinks to what it uses, has promised and gave away', async () => {
  assert.equal((await put('CMS', 350)).status, 200)
  const refused = await put('CMS', 200)
  assert.equal(refused.status, 400)
  assert.equal(
    refused.body.badRequest.message,
    'Quota limit 200 for instances must be greater than or equal to already used and reserved 290.',
  )
  assert.equal((await put('CMS', 260, { force: true })).status, 200)
  assert.equal((await numbers('CMS')).free, -30)
  assert.equal((await put('CMS', 300)).status, 200)
})

test('f, g, h: nobody changes their own quota or sees their siblings’', async () => {
  assert.equal((await put('CMS', 400, {}, cms)).status, 403)
  assert.equal((await ask('PUT', `/quota/v1/projects/${ids.CMS}`, { limits: { instances: 400 } }, cms)).status, 403)
  assert.equal((await ask('GET', setOf('ATLAS'), undefined, cms)).status, 403)
  assert.equal((await ask('GET', `/quota/v1/projects/${ids.ATLAS}`, undefined, cms)).status, 404)
  assert.equal((await ask('GET', `/quota/v1/projects/${ids.ProductionIT}`, undefined, cms)).status, 404)
  const child = await ask('PUT', `/quota/v1/projects/${ids.Visualisation}`, { limits: { instances: 151 } }, cms)
  assert.equal(child.status, 200, 'a manager of the parent changes a child’s')
})

/** One limit of each service, at every door. */
const doors: Record<string, { path(id: string): string; body: object }> = {
  nova: { path: (id) => `/compute/v2.1/os-quota-sets/${id}`, body: { quota_set: { cores: 0 } } },
  neutron: { path: (id) => `/network/v2.0/quotas/${id}`, body: { quota: { network: 0 } } },
  cinder: { path: (id) => `/volume/v3/os-quota-sets/${id}`, body: { quota_set: { volumes: 0 } } },
  quota: { path: (id) => `/quota/v1/projects/${id}`, body: { limits: { cores: 0 } } },
}
const tried = (token: string, project: string) =>
  Promise.all(
    Object.values(doors).flatMap(({ path, body }) => [
      ask('GET', path(ids[project]!), undefined, token).then(({ status }) => status),
      ask('PUT', path(ids[project]!), body, token).then(({ status }) => status),
    ]),
  )
const refused = [403, 403, 403, 403, 403, 403]
/** Clients look up whose quota it is before they ask for it. */
const found = async (token: string, project: string) =>
  (await ask('GET', `/identity/v3/projects/${ids[project]}`, undefined, token)).status

test('f, h: managers share out what is below them in every service, not their own or a cousin’s', async () => {
  const seen = [200, 200, 200, 200, 200, 200, 200, 200]
  assert.deepEqual(await tried(cms, 'Visualisation'), seen)
  assert.deepEqual(await tried(it, 'CMS'), seen)
  assert.deepEqual(await tried(it, 'Visualisation'), seen, 'a root’s, of all that is below')
  const sought = await Promise.all(['Visualisation', 'CMS', 'Services', 'ProductionIT'].map((id) => found(cms, id)))
  assert.deepEqual(sought, [200, 200, 403, 403])
  assert.deepEqual(await tried(cms, 'CMS'), [200, 403, 200, 403, 200, 403, 200, 403])
  assert.deepEqual(await tried(visualisation, 'CMS'), [...refused, 404, 404])
  assert.deepEqual(await tried(cms, 'ProductionIT'), [...refused, 404, 404])
  assert.deepEqual(await tried(cms, 'Services'), [...refused, 404, 404])
})

test('a manager takes limits back below, and who only reads there neither sees nor changes', async () => {
  for (const door of ['nova', 'neutron', 'cinder']) {
    const path = doors[door]!.path(ids.Computing!)
    assert.equal((await ask('PUT', path, doors[door]!.body, cms)).status, 200, door)
    if (door !== 'nova') assert.ok((await ask('DELETE', path, undefined, cms)).status < 300, door)
    assert.equal((await ask('DELETE', doors[door]!.path(ids.CMS!), undefined, cms)).status, 403, door)
  }
  const member = await cloud.login('demo')
  assert.deepEqual(await tried(member, 'CMS'), [...refused, 404, 403])
})

test('i: a root may grow without bound', async () => {
  assert.equal((await put('ProductionIT', 2000)).status, 200)
  assert.equal((await put('ProductionIT', -1)).body.quota_set.instances, -1)
})

test('j: a deleted quota returns to the parent, and what is used is a debt', async () => {
  assert.equal((await ask('DELETE', setOf('Visualisation'))).status, 202)
  assert.deepEqual(await numbers('Visualisation').then(({ limit, free }) => [limit, free]), [0, -50])
  assert.equal((await numbers('CMS')).allocated, 100)
})

const limitedNetworks = async () =>
  (await ask('GET', '/network/v2.0/quotas')).body.quotas.map(({ project_id }: { project_id: string }) => project_id)

test('k: a deleted project gives back its quota by itself, and stands in no list any more', async () => {
  const set = { limits: { networks: 0 } }
  assert.equal((await ask('PUT', `/quota/v1/projects/${ids.Operations}`, set)).status, 200)
  assert.ok((await limitedNetworks()).includes(ids.Operations), 'whichever door its limit came in by')
  for (const isKept of [true, false]) {
    const release = { projectId: ids.Operations!, subject: `test:Operations:${isKept}` }
    await cloud.db.transaction((tx) => cloud.facades.quota.release(tx, release))
  }
  assert.equal((await ask('DELETE', `/identity/v3/projects/${ids.Operations}`)).status, 204)
  for (let round = 0; (await numbers('ATLAS')).allocated !== 100; round++) {
    assert.ok(round < 600, 'not within a minute')
    await systemClock.sleep(100)
  }
  assert.ok(!(await limitedNetworks()).includes(ids.Operations))
})

test('outside exclusive mode Nova shows what it was told to set, and what is sent back changes nothing', async () => {
  const holding = async (project: string) => {
    const { tree: rows } = (await ask('GET', `/quota/v1/tree?project_id=${ids[project]}`)).body
    const { owned, borrow, ceiling, limit } = rows.find((row: { resource: string }) => row.resource === 'instances')
    return { owned, borrow, ceiling, limit }
  }
  const lends = { limits: { instances: { own: 60, borrow: 20 } } }
  assert.equal((await ask('PUT', `/quota/v1/projects/${ids.Computing}`, { limits: { instances: 100 } })).status, 200)
  const free = await ask('PUT', `/quota/v1/projects/${ids.Visualisation}`, lends)
  assert.equal(free.status, 200, free.text)
  const { quota_set: shown } = (await ask('GET', setOf('Visualisation'))).body
  assert.equal(shown.instances, 80)
  const { id: _id, ...all } = shown
  assert.deepEqual((await ask('PUT', setOf('Visualisation'), { quota_set: all })).body.quota_set, all)
  assert.deepEqual(await holding('Visualisation'), { owned: 60, borrow: 20, ceiling: null, limit: 80 })
  assert.equal((await put('Visualisation', 70)).body.quota_set.instances, 70)
  assert.deepEqual(await holding('Visualisation'), { owned: 50, borrow: 20, ceiling: null, limit: 70 })
  const refused = await put('Visualisation', 49)
  assert.match(refused.body.badRequest.message, /limit 49 .* greater than or equal to already used and reserved 50/)
  await ask('PUT', `/quota/v1/projects/${ids.Visualisation}`, { limits: { instances: { borrow: -1 } } })
  assert.equal((await put('Visualisation', 500)).body.quota_set.instances, 500)
  assert.deepEqual(await holding('Visualisation'), { owned: 50, borrow: -1, ceiling: 500, limit: 500 })
  assert.equal((await put('Visualisation', -1)).body.quota_set.instances, -1)
})

test('each service deletes its own quotas only, and Neutron checks limits when asked', async () => {
  const path = `/network/v2.0/quotas/${ids.CMS}`
  const root = `/network/v2.0/quotas/${ids.ProductionIT}`
  assert.equal((await ask('PUT', path, { quota: { network: 5, force: true } })).body.quota.network, 5)
  await cloud.db.transaction(async (tx) => {
    const networks = { projectId: ids.CMS!, deltas: { networks: 3 }, subject: 'test:networks' }
    await cloud.facades.quota.reserve(tx, networks)
    await cloud.facades.quota.commit(tx, networks.subject)
  })
  assert.equal((await ask('DELETE', setOf('Computing'))).status, 202)
  assert.equal((await ask('GET', path)).body.quota.network, 5)
  const refused = await ask('PUT', path, { quota: { network: 2, check_limit: true } })
  assert.equal(refused.status, 400)
  assert.match(refused.body.NeutronError.message, /must be greater than or equal to already used 3/)
  assert.deepEqual((await ask('GET', `${path}/details`)).body.quota.network, { limit: 5, used: 3, reserved: 0 })
  assert.equal((await ask('PUT', path, { quota: { network: 2 } })).status, 200)
  assert.equal((await ask('PUT', path, { quota: { force: true } })).body.quota.network, 2)
  assert.equal((await ask('DELETE', path)).status, 204)
  assert.equal((await ask('GET', path)).body.quota.network, 0)
  assert.equal((await ask('GET', root)).body.quota.network, 100)
  assert.equal((await numbers('CMS')).limit, 300)
})
