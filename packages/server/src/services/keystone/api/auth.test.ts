/** Tokens as clients meet them: issued, shown, refused, revoked, ended. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  adminPassword, adminToken, demoPassword, demoToken, login, loginBody, projectScope, startKeystone, type TestKeystone,
} from '../testing.ts'

describe('tokens', () => {
  let cloud: TestKeystone
  before(async () => { cloud = await startKeystone() })
  after(() => cloud.close())

  const create = async (path: string, key: string, body: object) => {
    const answer = await cloud.ask('POST', `/v3/${path}`, { token: await adminToken(cloud), body: { [key]: body } })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body[key]
  }
  const isValid = async (token: string) => (await cloud.ask('GET', '/v3/auth/projects', { token })).status === 200

  test('a project-scoped token shows user, project, roles with what they imply, and the catalog', async () => {
    const answer = await cloud.ask(
      'POST', '/v3/auth/tokens',
      { body: loginBody({ user: 'admin', password: adminPassword, scope: projectScope('admin') }) },
    )
    assert.equal(answer.status, 201)
    assert.match(String(answer.headers.vary), /X-Auth-Token/)
    assert.ok(String(answer.headers['x-subject-token']).length <= 255)
    const { token } = answer.body
    assert.deepEqual(token.methods, ['password'])
    assert.equal(token.user.name, 'admin')
    assert.equal(token.project.name, 'admin')
    assert.equal(token.is_domain, false)
    assert.deepEqual(token.roles.map((role: any) => role.name).sort(), ['admin', 'manager', 'member', 'reader'])
    const compute = token.catalog.find((service: any) => service.type === 'compute')
    assert.equal(
      compute.endpoints.find((one: any) => one.interface === 'public').url, 'http://cloud.test:5000/compute/v2.1',
    )
    assert.match(token.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  })

  test('nocatalog leaves the catalog out, an unscoped token has neither catalog nor roles', async () => {
    const slim = await cloud.ask(
      'POST', '/v3/auth/tokens?nocatalog',
      { body: loginBody({ user: 'demo', password: demoPassword, scope: projectScope('demo') }) },
    )
    assert.equal(slim.body.token.catalog, undefined)
    assert.ok(slim.body.token.roles)
    const unscoped = await cloud.ask(
      'POST', '/v3/auth/tokens', { body: loginBody({ user: 'demo', password: demoPassword, scope: 'unscoped' }) },
    )
    assert.deepEqual([unscoped.body.token.catalog, unscoped.body.token.roles, unscoped.body.token.project], [
      undefined, undefined, undefined,
    ])
  })

  test('without a scope the default project is taken', async () => {
    const answer = await cloud.ask(
      'POST', '/v3/auth/tokens', { body: loginBody({ user: 'demo', password: demoPassword }) },
    )
    assert.equal(answer.body.token.project.name, 'demo')
  })

  test('a wrong password, an unknown user and a project without a role answer alike', async () => {
    const answers = await Promise.all([
      loginBody({ user: 'demo', password: 'wrong', scope: projectScope('demo') }),
      loginBody({ user: 'nobody', password: demoPassword, scope: projectScope('demo') }),
      loginBody({ user: 'demo', password: demoPassword, scope: projectScope('admin') }),
      loginBody({ user: 'demo', password: demoPassword, scope: projectScope('no such project') }),
      loginBody({ user: 'demo', password: demoPassword, scope: { system: { all: true } } }),
    ].map((body) => cloud.ask('POST', '/v3/auth/tokens', { body })))
    for (const answer of answers) assert.deepEqual([answer.status, answer.body], [401, answers[0]!.body])
    assert.equal(answers[0]!.body.error.message, 'The request you have made requires authentication.')
  })

  test('system and domain scopes need a role there', async () => {
    const system = await login(cloud, { user: 'admin', password: adminPassword, scope: { system: { all: true } } })
    const shown = await cloud.ask('GET', '/v3/auth/tokens', { token: system, headers: { 'x-subject-token': system } })
    assert.deepEqual(shown.body.token.system, { all: true })
    const domain = await cloud.ask(
      'POST', '/v3/auth/tokens',
      { body: loginBody({ user: 'admin', password: adminPassword, scope: { domain: { id: 'default' } } }) },
    )
    assert.equal(domain.status, 401)
  })

  test('a token is validated for its owner and for an administrator, and for nobody else', async () => {
    const [admin, demo] = [await adminToken(cloud), await demoToken(cloud)]
    const byAdmin = await cloud.ask('GET', '/v3/auth/tokens', { token: admin, headers: { 'x-subject-token': demo } })
    assert.equal(byAdmin.status, 200)
    assert.equal(byAdmin.headers['x-subject-token'], demo)
    assert.equal(
      (await cloud.ask('HEAD', '/v3/auth/tokens', { token: demo, headers: { 'x-subject-token': demo } })).status, 200,
    )
    assert.equal(
      (await cloud.ask('GET', '/v3/auth/tokens', { token: demo, headers: { 'x-subject-token': admin } })).status, 403,
    )
    assert.equal(
      (await cloud.ask('GET', '/v3/auth/tokens', {
        token: admin, headers: { 'x-subject-token': 'gAAAAABnonsense' },
      })).status,
      404,
    )
    assert.equal((await cloud.ask('GET', '/v3/auth/tokens', { token: admin })).status, 404)
  })

  test('a revoked token is refused at once, others of the user live on', async () => {
    const [revoked, other] = [await demoToken(cloud), await demoToken(cloud)]
    assert.ok(await isValid(revoked))
    const answer = await cloud.ask('DELETE', '/v3/auth/tokens', {
      token: revoked, headers: { 'x-subject-token': revoked },
    })
    assert.equal(answer.status, 204)
    assert.ok(!await isValid(revoked))
    assert.ok(await isValid(other))
  })

  test('a token ends at its time, and a token made from it not later', async () => {
    const first = await demoToken(cloud)
    cloud.clock.advance(50 * 60_000)
    const answer = await cloud.ask(
      'POST', '/v3/auth/tokens',
      { body: { auth: { identity: { methods: ['token'], token: { id: first } }, scope: projectScope('demo') } } },
    )
    assert.equal(answer.status, 201)
    assert.deepEqual(answer.body.token.methods.sort(), ['password', 'token'])
    const second = String(answer.headers['x-subject-token'])
    assert.ok(await isValid(second))
    cloud.clock.advance(10 * 60_000)
    assert.ok(!await isValid(first))
    assert.ok(!await isValid(second))
    const shown = await cloud.ask('GET', '/v3/auth/tokens?allow_expired=1', {
      token: await adminToken(cloud), headers: { 'x-subject-token': first },
    })
    assert.equal(shown.status, 200)
  })

  test('a user who changes the password loses all tokens, and gets new ones in the same millisecond', async () => {
    const user = await create('users', 'user', { name: 'changer', password: 'before' })
    const old = await login(cloud, { user: 'changer', password: 'before' })
    assert.equal(
      (await cloud.ask(
        'POST', `/v3/users/${user.id}/password`, { body: { user: { original_password: 'wrong', password: 'after' } } },
      )).status,
      401,
    )
    assert.equal(
      (await cloud.ask(
        'POST', `/v3/users/${user.id}/password`, { body: { user: { original_password: 'before', password: 'after' } } },
      )).status,
      204,
    )
    assert.ok(!await isValid(old))
    assert.ok(await isValid(await login(cloud, { user: 'changer', password: 'after' })))
    await assert.rejects(login(cloud, { user: 'changer', password: 'before' }), /401/)
  })

  test('a disabled user loses the tokens for good', async () => {
    const user = await create('users', 'user', { name: 'leaver', password: 'secret' })
    const token = await login(cloud, { user: 'leaver', password: 'secret' })
    const enable = async (enabled: boolean) => assert.equal(
      (await cloud.ask('PATCH', `/v3/users/${user.id}`, {
        token: await adminToken(cloud), body: { user: { enabled } },
      })).status,
      200,
    )
    await enable(false)
    assert.ok(!await isValid(token))
    await assert.rejects(login(cloud, { user: 'leaver', password: 'secret' }), /401/)
    await enable(true)
    assert.ok(!await isValid(token))
    assert.ok(await isValid(await login(cloud, { user: 'leaver', password: 'secret' })))
  })

  test('a role taken away is gone from a token that was used before', async () => {
    const admin = await adminToken(cloud)
    const project = await create('projects', 'project', { name: 'shared work' })
    const user = await create('users', 'user', { name: 'helper', password: 'secret' })
    const { roles } = (await cloud.ask('GET', '/v3/roles?name=member', { token: admin })).body
    const grant = `/v3/projects/${project.id}/users/${user.id}/roles/${roles[0].id}`
    assert.equal((await cloud.ask('PUT', grant, { token: admin })).status, 204)
    const token = await login(cloud, { user: 'helper', password: 'secret', scope: projectScope('shared work') })
    assert.ok(await isValid(token))
    assert.equal((await cloud.ask('DELETE', grant, { token: admin })).status, 204)
    assert.ok(!await isValid(token))
  })

  test('what could be scoped to is what there is a role on', async () => {
    const token = await login(cloud, { user: 'demo', password: demoPassword, scope: 'unscoped' })
    const projects = await cloud.ask('GET', '/v3/auth/projects', { token })
    assert.deepEqual(projects.body.projects.map((one: any) => one.name), ['demo'])
    assert.deepEqual((await cloud.ask('GET', '/v3/auth/system', { token })).body.system, [])
    assert.deepEqual(
      (await cloud.ask('GET', '/v3/auth/system', { token: await adminToken(cloud) })).body.system, [{ all: true }],
    )
    assert.equal((await cloud.ask('GET', '/v3/auth/catalog', { token })).status, 403)
  })
})
