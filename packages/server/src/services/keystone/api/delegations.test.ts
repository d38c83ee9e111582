/** Acting for others: application credentials, trusts, EC2 keys, passcodes. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import {
  adminPassword, adminToken, demoPassword, demoToken, login, projectScope, startKeystone, type TestKeystone,
} from '../testing.ts'

for (
  const database of testDatabases()
) describe(`${database.name}: application credentials, trusts and credentials`, () => {
  let db: Database
  let cloud: TestKeystone
  let admin: string
  let demo: { id: string; token: string; project: string }
  const roles: Record<string, string> = {}
  before(async () => {
    db = await database.open(); cloud = await startKeystone({ db })
    admin = await adminToken(cloud)
    for (const role of (await ask('GET', '/roles')).body.roles) roles[role.name] = role.id
    const token = await demoToken(cloud)
    const shown = (await cloud.ask('GET', '/v3/auth/tokens', {
      token, headers: { 'x-subject-token': token },
    })).body.token
    demo = { id: shown.user.id, token, project: shown.project.id }
  })
  after(async () => { await cloud.close(); await db.close() })

  const ask = (method: string, path: string, body?: unknown, token = admin) => cloud.ask(
    method, `/v3${path}`, { token, body },
  )
  const authenticate = (identity: object, scope?: object) => cloud.ask(
    'POST', '/v3/auth/tokens', { body: { auth: { identity, ...(scope && { scope }) } } },
  )
  const tokenOf = (answer: { headers: Record<string, unknown> }) => String(answer.headers['x-subject-token'])
  const credentialsPath = () => `/users/${demo.id}/application_credentials`
  const makeCredential = async (body: object, token = demo.token) => ask(
    'POST', credentialsPath(), { application_credential: body }, token,
  )
  const byCredential = (credential: object, scope?: object) => authenticate(
    { methods: ['application_credential'], application_credential: credential }, scope,
  )

  test('an application credential logs in to its project with its roles, by id or by name', async () => {
    const made = (await makeCredential({ name: 'robot', roles: [{ name: 'reader' }] })).body.application_credential
    assert.ok(made.secret.length >= 64)
    const byId = await byCredential({ id: made.id, secret: made.secret })
    assert.equal(byId.status, 201)
    assert.equal(byId.body.token.project.id, demo.project)
    assert.deepEqual(byId.body.token.roles.map((role: any) => role.name), ['reader'])
    assert.deepEqual(byId.body.token.application_credential, { id: made.id, name: 'robot', restricted: true })
    const byName = await byCredential({
      name: 'robot', secret: made.secret, user: { name: 'demo', domain: { id: 'default' } },
    })
    assert.equal(byName.status, 201)
    assert.equal((await byCredential({ id: made.id, secret: 'wrong' })).status, 401)
    assert.equal((await byCredential({ id: made.id, secret: made.secret }, projectScope('demo'))).status, 401)
    assert.equal(
      (await ask('GET', `${credentialsPath()}/${made.id}`, undefined, demo.token)).body.application_credential.secret,
      undefined,
    )
    assert.equal((await makeCredential({ name: 'robot' })).status, 409)
  })

  test('its token makes no further credentials unless it may, and never leaves its project', async () => {
    const made = (await makeCredential({ name: 'restricted' })).body.application_credential
    const token = tokenOf(await byCredential({ id: made.id, secret: made.secret }))
    assert.equal((await makeCredential({ name: 'child' }, token)).status, 403)
    const free = (await makeCredential({ name: 'free', unrestricted: true })).body.application_credential
    const freeToken = tokenOf(await byCredential({ id: free.id, secret: free.secret }))
    assert.equal((await makeCredential({ name: 'child' }, freeToken)).status, 201)
    const again = await authenticate({ methods: ['token'], token: { id: token } })
    assert.equal(again.body.token.application_credential.id, made.id)
    assert.equal((await authenticate({ methods: ['token'], token: { id: token } }, { unscoped: {} })).status, 401)
  })

  test('roles that the maker lacks cannot be handed on, and a lost role ends the credential', async () => {
    assert.equal((await makeCredential({ name: 'too much', roles: [{ name: 'admin' }] })).status, 400)
    const project = (await ask('POST', '/projects', { project: { name: 'for a while' } })).body.project
    const grant = `/projects/${project.id}/users/${demo.id}/roles/${roles.member}`
    await ask('PUT', grant)
    const there = await login(cloud, { user: 'demo', password: demoPassword, scope: projectScope('for a while') })
    const made = (await makeCredential({ name: 'for a while' }, there)).body.application_credential
    const token = tokenOf(await byCredential({ id: made.id, secret: made.secret }))
    assert.equal((await ask('GET', '/auth/catalog', undefined, token)).status, 200)
    await ask('DELETE', grant)
    assert.equal((await ask('GET', '/auth/catalog', undefined, token)).status, 401)
    assert.equal((await byCredential({ id: made.id, secret: made.secret })).status, 401)
  })

  test('a deleted or expired credential takes its tokens along', async () => {
    const made = (await makeCredential({
      name: 'brief', expires_at: '2099-01-01T00:00:00.123456',
    })).body.application_credential
    assert.equal(made.expires_at, '2099-01-01T00:00:00.123456')
    const token = tokenOf(await byCredential({ id: made.id, secret: made.secret }))
    assert.equal((await ask('DELETE', `${credentialsPath()}/${made.id}`, undefined, demo.token)).status, 204)
    assert.equal((await ask('GET', '/auth/catalog', undefined, token)).status, 401)
    assert.equal((await makeCredential({ name: 'late', expires_at: '2001-01-01T00:00:00Z' })).status, 400)
    assert.equal((await makeCredential({ name: 'odd', expires_at: 'tomorrow evening' })).status, 400)
  })

  test('access rules are shared by those that name the same, and admit nothing else', async () => {
    const rule = { service: 'identity', method: 'GET', path: '/v3/auth/catalog' }
    const made = (await makeCredential({ name: 'narrow', access_rules: [rule] })).body.application_credential
    const twin = (await makeCredential({ name: 'narrow too', access_rules: [rule] })).body.application_credential
    assert.equal(made.access_rules[0].id, twin.access_rules[0].id)
    const token = tokenOf(await byCredential({ id: made.id, secret: made.secret }))
    assert.equal((await ask('GET', '/auth/catalog', undefined, token)).status, 200)
    assert.equal((await ask('GET', '/auth/projects', undefined, token)).status, 403)
    const path = `/users/${demo.id}/access_rules/${made.access_rules[0].id}`
    assert.equal((await ask('DELETE', path, undefined, demo.token)).status, 403)
    for (const one of [made, twin]) await ask('DELETE', `${credentialsPath()}/${one.id}`, undefined, demo.token)
    assert.equal((await ask('DELETE', path, undefined, demo.token)).status, 204)
  })

  test('another user\'s credentials are not for the caller', async () => {
    const made = (await makeCredential({ name: 'mine' })).body.application_credential
    const user = (await ask('POST', '/users', { user: { name: 'nosy', password: 'x' } })).body.user
    await ask('PUT', `/projects/${demo.project}/users/${user.id}/roles/${roles.member}`)
    const nosy = await login(cloud, { user: 'nosy', password: 'x', scope: projectScope('demo') })
    assert.equal(
      (await ask('GET', `/users/${user.id}/application_credentials/${made.id}`, undefined, nosy)).status, 403,
    )
    assert.equal((await ask('GET', credentialsPath(), undefined, nosy)).status, 403)
  })

  const trust = (extra: object = {}) => {
    const body = {
      trustor_user_id: demo.id, trustee_user_id: '', project_id: demo.project, impersonation: true,
      roles: [{ name: 'member' }], ...extra,
    }
    return ask('POST', '/OS-TRUST/trusts', { trust: body }, demo.token)
  }
  const adminId = async () => (await ask('GET', '/users?name=admin')).body.users[0].id as string
  const byTrust = (id: string) => authenticate(
    {
      methods: ['password'], password: { user: { name: 'admin', domain: { id: 'default' }, password: adminPassword } },
    },
    { 'OS-TRUST:trust': { id } },
  )

  test('a trustee acts with the trustor\'s roles, in the trustor\'s name if so wished', async () => {
    const trustee = await adminId()
    const made = (await trust({ trustee_user_id: trustee })).body.trust
    const answer = await byTrust(made.id)
    assert.equal(answer.status, 201)
    assert.equal(answer.body.token.user.id, demo.id)
    assert.deepEqual(answer.body.token.roles.map((role: any) => role.name).sort(), ['member', 'reader'])
    assert.deepEqual(answer.body.token['OS-TRUST:trust'], {
      id: made.id, trustor_user: { id: demo.id }, trustee_user: { id: trustee }, impersonation: true,
    })
    const plain = (await trust({ trustee_user_id: trustee, impersonation: false })).body.trust
    assert.equal((await byTrust(plain.id)).body.token.user.id, trustee)
    assert.equal((await ask('DELETE', `/OS-TRUST/trusts/${made.id}`, undefined, demo.token)).status, 204)
    assert.equal((await ask('GET', '/auth/catalog', undefined, tokenOf(answer))).status, 401)
    assert.equal((await byTrust(made.id)).status, 401)
    assert.equal((await ask('GET', `/OS-TRUST/trusts/${made.id}`, undefined, demo.token)).status, 404)
  })

  test('a counted trust works so many times', async () => {
    const made = (await trust({ trustee_user_id: await adminId(), remaining_uses: 2 })).body.trust
    assert.equal((await byTrust(made.id)).status, 201)
    assert.equal((await ask('GET', `/OS-TRUST/trusts/${made.id}`)).body.trust.remaining_uses, 1)
    assert.equal((await byTrust(made.id)).status, 201)
    assert.equal((await byTrust(made.id)).status, 401)
  })

  test('a trust gives no role the trustor lacks, and is made by the trustor only', async () => {
    const trustee = await adminId()
    assert.equal((await trust({ trustee_user_id: trustee, roles: [{ name: 'admin' }] })).status, 404)
    assert.equal((await trust({ trustee_user_id: trustee, roles: [] })).status, 403)
    assert.equal((await trust({ trustee_user_id: trustee, trustor_user_id: trustee })).status, 403)
    assert.equal((await trust({ trustee_user_id: 'nobody' })).status, 404)
    assert.equal((await trust({ trustee_user_id: trustee, expires_at: '2001-01-01T00:00:00Z' })).status, 400)
    assert.equal((await trust({ trustee_user_id: trustee, allow_redelegation: true, remaining_uses: 1 })).status, 400)
  })

  test('a trust is handed on within its bounds, and takes what was made from it along', async () => {
    const trustee = await adminId()
    const first = (await trust({
      trustee_user_id: trustee, allow_redelegation: true, redelegation_count: 1,
    })).body.trust
    const token = tokenOf(await byTrust(first.id))
    const wanted = {
      trustor_user_id: demo.id, trustee_user_id: trustee, project_id: demo.project, impersonation: true,
      roles: [{ name: 'member' }],
    }
    const second = await ask('POST', '/OS-TRUST/trusts', { trust: wanted }, token)
    assert.equal(second.status, 201, JSON.stringify(second.body))
    assert.equal(second.body.trust.redelegated_trust_id, first.id)
    assert.equal(
      (await ask(
        'POST', '/OS-TRUST/trusts', { trust: { ...wanted, allow_redelegation: true, redelegation_count: 1 } }, token,
      )).status,
      403,
    )
    await ask('DELETE', `/OS-TRUST/trusts/${first.id}`, undefined, demo.token)
    assert.equal((await byTrust(second.body.trust.id)).status, 401)
  })

  test('an EC2 key pair is made, shown and deleted, and sealed in the database', async () => {
    const path = `/users/${demo.id}/credentials/OS-EC2`
    const made = (await ask('POST', path, { tenant_id: demo.project }, demo.token)).body.credential
    assert.deepEqual((await ask('GET', `${path}/${made.access}`, undefined, demo.token)).body.credential, made)
    assert.deepEqual(
      (await ask('GET', path, undefined, demo.token)).body.credentials.map((one: any) => one.access), [made.access],
    )
    const rows = JSON.stringify(await cloud.db.kysely.selectFrom('identity_credential').selectAll().execute())
    assert.ok(!rows.includes(made.secret))
    assert.equal((await ask('DELETE', `${path}/${made.access}`, undefined, demo.token)).status, 204)
    assert.equal((await ask('GET', `${path}/${made.access}`, undefined, demo.token)).status, 404)
  })

  test('credentials are listed for their owner, and for administrators all', async () => {
    const mine = (await ask(
      'POST', '/credentials', { credential: { type: 'cert', blob: 'mine' } }, demo.token,
    )).body.credential
    const other = (await ask('POST', '/credentials', { credential: { type: 'cert', blob: 'other' } })).body.credential
    const ids = async (token: string) => (await ask(
      'GET', '/credentials?type=cert', undefined, token,
    )).body.credentials.map((one: any) => one.id)
    assert.deepEqual(await ids(demo.token), [mine.id])
    assert.deepEqual((await ids(admin)).sort(), [mine.id, other.id].sort())
    assert.equal((await ask('GET', `/credentials/${other.id}`, undefined, demo.token)).status, 403)
    assert.equal(
      (await ask(
        'POST', '/credentials', { credential: { type: 'ec2', blob: 'no json', project_id: demo.project } },
      )).status,
      400,
    )
    assert.equal(
      (await ask('PATCH', `/credentials/${mine.id}`, { credential: { blob: 'new' } }, demo.token)).body.credential.blob,
      'new',
    )
  })

  test('a passcode logs in when it fits, and only with a password where rules want both', async () => {
    const user = (await ask('POST', '/users', { user: { name: 'careful', password: 'x' } })).body.user
    // RFC 6238's own secret: its code at 59 s is 94287082, of which six digits are used.
    await ask(
      'POST', '/credentials',
      { credential: { user_id: user.id, type: 'totp', blob: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ' } },
    )
    const { passcodesAt } = await import('../manager/totp.ts')
    assert.equal(passcodesAt('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 59_000)[0], '287082')
    const passcode = passcodesAt('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', cloud.clock.now())[0]
    const totp = { user: { id: user.id, passcode } }
    assert.equal((await authenticate({ methods: ['totp'], totp })).status, 201)
    assert.equal(
      (await authenticate({ methods: ['totp'], totp: { user: { id: user.id, passcode: '000000' } } })).status, 401,
    )
    await ask(
      'PATCH', `/users/${user.id}`,
      { user: { options: { multi_factor_auth_enabled: true, multi_factor_auth_rules: [['password', 'totp']] } } },
    )
    assert.equal((await authenticate({ methods: ['totp'], totp })).status, 401)
    assert.equal(
      (await authenticate({
        methods: ['password', 'totp'], totp, password: { user: { id: user.id, password: 'x' } },
      })).status,
      201,
    )
  })
})
