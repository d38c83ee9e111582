/** Claims over HTTP in a whole cloud: whole or not at all, once under one name, in line, and nobody else's business. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock, type Clock } from '#platform/clock/clock.ts'
import { passwordLogin, startTestCloud, type TestCloud } from '#app/testing.ts'

/** Time passes by itself, and as much more as is missing for a test. */
let skippedMs = 0
const clock: Clock = { ...systemClock, now: () => systemClock.now() + skippedMs }
/** How long a borrower has by default to give back. */
const graceMs = 30_000
/** Moments are shown without what is less. */
const secondMs = 1_000
let cloud: TestCloud
let admin: string
let demo: string
const ids: Record<string, string> = {}
const tokens: Record<string, string> = {}

const ask = (method: string, path: string, body?: unknown, token = admin) =>
  cloud.ask(method, `/quota/v1${path}`, { token, ...(body !== undefined && { body }) })

const identity = async (path: string, body?: unknown, method = body === undefined ? 'PUT' : 'POST') => {
  const answer = await cloud.ask(method, `/identity/v3${path}`, { token: admin, ...(body !== undefined && { body }) })
  assert.ok(answer.status < 300, answer.text)
  return answer.body
}

/** A token of a new user with one role on one project. */
const loginAs = async (role: string, project: string): Promise<string> => {
  const name = `${role}-of-${project}`,
    password = 'correct horse battery'
  const { user } = await identity('/users', { user: { name, password, domain_id: 'default' } })
  const found = await cloud.ask('GET', `/identity/v3/roles?name=${role}`, { token: admin })
  await identity(`/projects/${ids[project]}/users/${user.id}/roles/${found.body.roles[0].id}`)
  const login = await cloud.ask('POST', '/identity/v3/auth/tokens', { body: passwordLogin(name, password, project) })
  assert.equal(login.status, 201, login.text)
  return String(login.headers['x-subject-token'])
}

/** Ten units: `left` and `right` own three each, and borrow what the other and the four of the pool leave idle. */
before(async () => {
  cloud = await startTestCloud({ clock })
  admin = await cloud.login('admin')
  demo = await cloud.login('demo')
  for (const [name, parent] of [
    ['claims', undefined],
    ['left', 'claims'],
    ['right', 'claims'],
  ] as const) {
    const project = { name, domain_id: 'default', ...(parent && { parent_id: ids[parent] }) }
    ids[name] = (await identity('/projects', { project })).project.id
  }
  for (const [role, project] of [
    ['member', 'left'],
    ['reader', 'left'],
    ['member', 'right'],
    ['member', 'claims'],
    ['manager', 'claims'],
  ] as const)
    tokens[`${role} ${project}`] = await loginAs(role, project)
  assert.equal((await ask('PUT', `/projects/${ids.claims}`, { limits: { cores: { own: 10, pool: 4 } } })).status, 200)
  for (const name of ['left', 'right']) {
    const set = await ask('PUT', `/projects/${ids[name]}`, { limits: { cores: { own: 3, lend: -1, borrow: -1 } } })
    assert.equal(set.status, 200, set.text)
  }
})
after(() => cloud.close())

const one = (project: string, id: string) => `/projects/${ids[project]}/claims/${id}`
const claim = (project: string, cores: number, more: object = {}, token?: string) =>
  ask('POST', '/claims', { claims: [{ project_id: ids[project], amounts: { cores }, ...more }] }, token)
const holding = async (project: string): Promise<number> => {
  const { quota } = (await ask('GET', `/projects/${ids[project]}`)).body
  return quota.cores.inUse + quota.cores.reserved
}
const end = async (project: string, ...names: string[]) => {
  for (const name of names) assert.equal((await ask('DELETE', one(project, name))).status, 204)
}

test('a claim is reserved, committed, listed, given back, and then is no more', async () => {
  const made = await claim('left', 2, { id: 'job-1', priority: 7, reclaimable: 'yes', ttl_ms: 60_000 })
  assert.equal(made.status, 201, made.text)
  const [reserved] = made.body.claims
  assert.deepEqual(
    [reserved.id, reserved.project_id, reserved.state, reserved.amounts, reserved.priority, reserved.reclaimable],
    ['job-1', ids.left, 'reserved', { cores: 2 }, 7, 'yes'],
  )
  assert.ok(Date.parse(reserved.expires_at) > clock.now())
  const committed = await ask('POST', `${one('left', 'job-1')}/commit`)
  assert.deepEqual([committed.body.claim.state, committed.body.claim.expires_at], ['committed', null])
  const again = await ask('POST', '/claims/commit', { claims: [{ project_id: ids.left, id: 'job-1' }] })
  assert.equal(again.body.claims[0].state, 'committed')
  const listed = await ask('GET', `/claims?project_id=${ids.claims}&state=committed`)
  assert.deepEqual(
    listed.body.claims.map(({ id }: { id: string }) => id),
    ['job-1'],
  )
  assert.equal(await holding('left'), 2)
  await end('left', 'job-1')
  assert.equal(await holding('left'), 0)
  for (const method of ['GET', 'DELETE']) assert.equal((await ask(method, one('left', 'job-1'))).status, 404)
  assert.equal((await ask('POST', `${one('left', 'job-1')}/commit`)).status, 404)
})

const runOut = async (ms: number) => {
  skippedMs += ms
  await cloud.runner.settle(20_000)
}
const answers = async (id: string, token = admin) => {
  const asked = [ask('GET', one('left', id), undefined, token), ask('DELETE', one('left', id), undefined, token)]
  return [...(await Promise.all(asked)), await ask('POST', `${one('left', id)}/commit`, undefined, token)]
}
const statuses = async (...asked: Parameters<typeof answers>) =>
  (await answers(...asked)).map(({ status }) => status)

test('a reservation whose time passes is given back, and whoever asks for it is told so', async () => {
  assert.equal((await claim('left', 2, { id: 'late', ttl_ms: 60_000 })).status, 201)
  assert.equal(await holding('left'), 2)
  await runOut(60_000)
  assert.equal(await holding('left'), 0)
  for (const { status, body, text } of await answers('late')) {
    assert.deepEqual([status, body.error.details], [410, { code: 'EXPIRED' }], text)
    assert.match(body.error.message, /^Claim late of project .* has run out/)
  }
  assert.deepEqual(await statuses('never'), [404, 404, 404])
  for (const stranger of [tokens['member right']!, demo])
    assert.deepEqual(await statuses('late', stranger), [404, 404, 404])
  assert.equal((await claim('left', 2, { id: 'late' })).status, 201)
  await end('left', 'late')
  assert.deepEqual(await statuses('late'), [404, 404, 404], 'it was given back by whoever asked for it again')
})

test('a wait whose time passes is given up, and whoever asks for it is told so', async () => {
  await claim('right', 10, { id: 'all', started: true })
  assert.equal((await claim('left', 5, { id: 'patient', when_full: 'wait', wait_max_ms: 60_000 })).status, 202)
  await runOut(60_000)
  assert.deepEqual(await statuses('patient'), [410, 410, 410])
  assert.equal((await claim('left', 5, { id: 'patient' })).status, 403)
  assert.deepEqual(await statuses('patient'), [410, 410, 410], 'a refusal since then ends nothing')
  await end('right', 'all')
})

test('asking again under one name is asking once; other amounts under it are a conflict', async () => {
  for (let times = 0; times < 3; times++) assert.equal((await claim('left', 2, { id: 'once' })).status, 201)
  assert.equal(await holding('left'), 2)
  const other = await claim('left', 3, { id: 'once' })
  assert.deepEqual([other.status, await holding('left')], [409, 2], other.text)
  assert.equal((await claim('right', 3, { id: 'once' })).status, 201, 'a name belongs to its project')
  await end('left', 'once')
  await end('right', 'once')
})

test('several claims are made whole or not at all, across projects too', async () => {
  const batch = (left: number, right: number, more: object = {}) =>
    ask('POST', '/claims', {
      claims: [
        { project_id: ids.left, id: 'a', amounts: { cores: left }, ...more },
        { project_id: ids.right, id: 'b', amounts: { cores: right } },
      ],
    })
  const tooMuch = await batch(6, 5)
  assert.equal(tooMuch.status, 403, tooMuch.text)
  assert.deepEqual([await holding('left'), await holding('right')], [0, 0])
  assert.equal((await batch(6, 4)).status, 201)
  assert.deepEqual([await holding('left'), await holding('right')], [6, 4])
  const waits = await batch(6, 4, { when_full: 'wait' })
  assert.match(waits.body.error.message, /Only a single claim can wait/)
  const twice = { project_id: ids.left, id: 'a', amounts: { cores: 1 } }
  assert.equal((await ask('POST', '/claims', { claims: [twice, twice] })).status, 400)
  await end('left', 'a')
  await end('right', 'b')
})

test('a refusal tells programs all that is the project’s own, and nothing of those above and beside it', async () => {
  await ask('PUT', `/projects/${ids.claims}`, { limits: { volumes: 4 } })
  await ask('PUT', `/projects/${ids.left}`, { limits: { volumes: 1 } })
  const asked = (project: string, volumes: number, token: string | undefined) =>
    ask('POST', '/claims', { claims: [{ project_id: ids[project], amounts: { volumes } }] }, token)
  const own = await asked('left', 2, tokens['member left'])
  assert.equal(own.headers['x-quota-reason'], 'CEILING')
  const { remedy, ...details } = own.body.error.details
  assert.match(remedy, /^Release 1 volumes/)
  assert.deepEqual(details, {
    ...{ code: 'CEILING', resource: 'volumes', project_id: ids.left, node: ids.left, held_by: [] },
    ...{ asked: 2, limit: 1, used: 0, reserved: 0, available: 1, missing: 1 },
    exceeded: [{ resource: 'volumes', asked: 2, limit: 1, used: 0, reserved: 0 }],
  })
  await claim('right', 10, { id: 'all', started: true })
  const above = await claim('left', 1, {}, tokens['member left'])
  assert.deepEqual(above.body.error.details, {
    ...{ code: 'SHORTAGE', resource: 'cores', project_id: ids.left, asked: 1, available: 0, missing: 1 },
    remedy: 'Ask who administers it for more.',
  })
  const told = JSON.stringify([above.body, above.headers])
  for (const id of [ids.claims!, ids.right!]) assert.ok(!told.includes(id), told)
  await end('right', 'all')
})

test('a project with others below it is told which of them use more than their own', async () => {
  await claim('right', 8, { id: 'much', started: true })
  const refused = await claim('claims', 3, {}, tokens['member claims'])
  const { code, node, held_by } = refused.body.error.details
  assert.deepEqual([code, node, held_by], ['SHORTAGE', ids.claims, [{ project_id: ids.right, amount: 5 }]])
  await end('right', 'much')
})

test('what may be set is told in numbers, and codes of other refusals leave the process too', async () => {
  const set = await ask('PUT', `/projects/${ids.left}`, { limits: { cores: { own: 11 } } })
  assert.equal(set.headers['x-quota-reason'], 'ABOVE_PARENT')
  const { code, resource, asked, max } = set.body.error.details
  assert.deepEqual([code, resource, asked, max], ['ABOVE_PARENT', 'cores', 11, 3])
  await claim('left', 1, { id: 'taken' })
  const other = await claim('left', 2, { id: 'taken' })
  assert.deepEqual(other.body.error.details, { code: 'ID_TAKEN', field: 'id' })
  await end('left', 'taken')
})

test('who waits knows its place, what is kept for it and why, and starts when others end', async () => {
  await claim('right', 8, { id: 'all', started: true })
  const first = await claim('left', 5, { id: 'first', when_full: 'wait', started: true })
  assert.deepEqual([first.status, first.body.claims[0].state], [202, 'waiting'], first.text)
  assert.match(first.body.claims[0].reason, /Quota exceeded for cores: asked 5/)
  assert.equal((await claim('left', 5, { id: 'second', when_full: 'wait', wait_max_ms: 60_000 })).status, 202)
  const shown = (await ask('GET', one('left', 'first'))).body.claim
  assert.deepEqual([shown.state, shown.position, shown.gathered], ['waiting', 1, { cores: 2 }])
  const behind = (await ask('GET', one('left', 'second'))).body.claim
  assert.deepEqual([behind.position, behind.gathered], [2, {}])
  assert.match(behind.reason, /asked 5/)
  assert.ok(Date.parse(behind.expires_at) > clock.now())
  const line = (await ask('GET', `/claims?project_id=${ids.left}&state=waiting`)).body.claims
  assert.deepEqual(
    line.map(({ id, position }: { id: string; position: number }) => [id, position]),
    [
      ['first', 1],
      ['second', 2],
    ],
  )
  assert.equal((await ask('POST', `${one('left', 'second')}/commit`)).status, 409)
  await end('right', 'all')
  const granted = (await ask('GET', one('left', 'first'))).body.claim
  assert.deepEqual([granted.state, granted.expires_at, await holding('left')], ['committed', null, 10])
  assert.equal((await ask('GET', one('left', 'second'))).body.claim.state, 'reserved')
  await end('left', 'first', 'second')
})

test('a claim that its owner wants back says so, with its deadline', async () => {
  await claim('right', 10, { id: 'lent', reclaimable: 'yes', started: true })
  const askedMs = clock.now(),
    refused = await claim('left', 3, { id: 'mine' })
  const { code, retry_after } = refused.body.error.details
  assert.deepEqual([code, refused.headers['x-quota-reason']], ['RECLAIMING', 'RECLAIMING'], refused.text)
  assert.ok(retry_after >= 1)
  assert.equal(refused.headers['retry-after'], String(retry_after))
  for (let looks = 0; (await ask('GET', one('right', 'lent'))).body.claim.state !== 'recalled'; looks++) {
    assert.ok(looks < 2000, 'the notice must come')
    await new Promise(setImmediate)
  }
  const [recalled] = (await ask('GET', '/claims?state=recalled')).body.claims
  assert.equal(recalled.id, 'lent')
  const noticedMs = Date.parse(recalled.deadline_at) - graceMs
  assert.ok(askedMs - secondMs < noticedMs && noticedMs <= clock.now(), `${recalled.deadline_at} of ${askedMs}`)
  await end('right', 'lent')
  assert.equal((await claim('left', 3, { id: 'mine' })).status, 201)
  await end('left', 'mine')
})

test('the recount of rows leaves what no row of ours stands for', async () => {
  await claim('left', 2, { id: 'kept', started: true })
  const { owners } = cloud.facades.quota as unknown as { owners: { drifts(limit: number): Promise<unknown[]> } }
  for (let pass = 0; pass < 3; pass++) assert.deepEqual(await owners.drifts(1000), [])
  assert.equal((await ask('GET', one('left', 'kept'))).body.claim.state, 'committed')
  await end('left', 'kept')
})

test('members claim for their project, managers for those below; of others there is nothing to see', async () => {
  const mine = await ask('POST', '/claims', { claims: [{ id: 'own', amounts: { cores: 1 } }] }, tokens['member left'])
  assert.deepEqual([mine.status, mine.body.claims[0]?.project_id], [201, ids.left], mine.text)
  assert.equal((await claim('left', 1, {}, tokens['reader left'])).status, 403)
  assert.equal((await ask('GET', one('left', 'own'), undefined, tokens['reader left'])).status, 200)
  for (const stranger of [tokens['member right']!, demo]) {
    assert.equal((await claim('left', 1, {}, stranger)).status, 404)
    assert.equal((await ask('GET', `/claims?project_id=${ids.left}`, undefined, stranger)).status, 404)
    for (const method of ['GET', 'DELETE'])
      assert.equal((await ask(method, one('left', 'own'), undefined, stranger)).status, 404)
    assert.deepEqual((await ask('GET', '/claims', undefined, stranger)).body.claims, [])
  }
  assert.equal((await claim('left', 1, {}, tokens['member claims'])).status, 403)
  assert.equal((await ask('GET', one('left', 'own'), undefined, tokens['member claims'])).status, 200)
  assert.equal((await claim('left', 1, { id: 'given' }, tokens['manager claims'])).status, 201)
  const below = await ask('GET', '/claims', undefined, tokens['manager claims'])
  assert.deepEqual(below.body.claims.map(({ id }: { id: string }) => id).sort(), ['given', 'own'])
  await end('left', 'own', 'given')
})

test('long lists come in pages', async () => {
  const claims = ['p1', 'p2', 'p3'].map((id) => ({ project_id: ids.left, id, amounts: { cores: 1 } }))
  await ask('POST', '/claims', { claims })
  const page = async (marker = '') =>
    (await ask('GET', `/claims?project_id=${ids.left}&limit=2${marker && `&marker=${marker}`}`)).body.claims.map(
      ({ id }: { id: string }) => id,
    )
  assert.deepEqual(await page(), ['p1', 'p2'])
  assert.deepEqual(await page(`${ids.left}:p2`), ['p3'])
  await end('left', 'p1', 'p2', 'p3')
})
