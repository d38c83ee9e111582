/** Who has which role where: by group, by inheritance, by implication, and who may say so. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { adminToken, startKeystone, type TestKeystone } from '../testing.ts'

for (const database of testDatabases()) describe(`${database.name}: roles and who has them`, () => {
  let db: Database
  let cloud: TestKeystone
  let admin: string
  const roles: Record<string, string> = {}
  before(async () => {
    db = await database.open(); cloud = await startKeystone({ db })
    admin = await adminToken(cloud)
    for (const role of (await ask('GET', '/roles')).body.roles) roles[role.name] = role.id
  })
  after(async () => { await cloud.close(); await db.close() })

  const ask = (method: string, path: string, body?: unknown, token = admin) => cloud.ask(
    method, `/v3${path}`, { token, body },
  )
  const made = async (path: string, key: string, body: object) => {
    const answer = await ask('POST', `/${path}`, { [key]: body })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body[key]
  }
  const user = (name: string, extra: object = {}) => made('users', 'user', { name, password: 'x', ...extra })
  const project = (name: string, extra: object = {}) => made('projects', 'project', { name, ...extra })
  const tokenRoles = async (userId: string, scope: object): Promise<string[] | number> => {
    const answer = await cloud.ask(
      'POST', '/v3/auth/tokens',
      { body: { auth: {
        identity: { methods: ['password'], password: { user: { id: userId, password: 'x' } } }, scope,
      } } },
    )
    return answer.status === 201 ? answer.body.token.roles.map((role: any) => role.name).sort() : answer.status
  }

  test('a group\'s role is its members\', until they leave', async () => {
    const [someone, group, place] = [
      await user('in group'), await made('groups', 'group', { name: 'crew' }), await project('crew work'),
    ]
    await ask('PUT', `/projects/${place.id}/groups/${group.id}/roles/${roles.member}`)
    assert.equal(await tokenRoles(someone.id, { project: { id: place.id } }), 401)
    assert.equal((await ask('PUT', `/groups/${group.id}/users/${someone.id}`)).status, 204)
    assert.deepEqual(await tokenRoles(someone.id, { project: { id: place.id } }), ['member', 'reader'])
    assert.equal((await ask('HEAD', `/groups/${group.id}/users/${someone.id}`)).status, 204)
    assert.equal((await ask('DELETE', `/groups/${group.id}/users/${someone.id}`)).status, 204)
    assert.equal(await tokenRoles(someone.id, { project: { id: place.id } }), 401)
  })

  test('an inherited role holds below its place and not there', async () => {
    const someone = await user('heir')
    const top = await project('estate')
    const below = await project('field', { parent_id: top.id })
    assert.equal(
      (await ask(
        'PUT', `/OS-INHERIT/projects/${top.id}/users/${someone.id}/roles/${roles.reader}/inherited_to_projects`,
      )).status,
      204,
    )
    assert.equal(await tokenRoles(someone.id, { project: { id: top.id } }), 401)
    assert.deepEqual(await tokenRoles(someone.id, { project: { id: below.id } }), ['reader'])
    await ask('PUT', `/OS-INHERIT/domains/default/users/${someone.id}/roles/${roles.member}/inherited_to_projects`)
    assert.deepEqual(await tokenRoles(someone.id, { project: { id: top.id } }), ['member', 'reader'])
    assert.equal(await tokenRoles(someone.id, { domain: { id: 'default' } }), 401)
  })

  test('assignments are listed as given and as they work out, with names and with links that lead back', async () => {
    const [someone, group] = [await user('listed'), await made('groups', 'group', { name: 'listed crew' })]
    const top = await project('listed top')
    const below = await project('listed below', { parent_id: top.id })
    await ask('PUT', `/groups/${group.id}/users/${someone.id}`)
    await ask('PUT', `/OS-INHERIT/projects/${top.id}/groups/${group.id}/roles/${roles.member}/inherited_to_projects`)
    const given = (await ask('GET', `/role_assignments?group.id=${group.id}`)).body.role_assignments
    assert.deepEqual(given.map((one: any) => [one.group.id, one.role.id, one.scope]),
      [[group.id, roles.member, { project: { id: top.id }, 'OS-INHERIT:inherited_to': 'projects' }]])
    const effective = (await ask(
      'GET', `/role_assignments?user.id=${someone.id}&effective&include_names=1`,
    )).body.role_assignments
    assert.deepEqual(effective.map((one: any) => [one.user.name, one.role.name, one.scope.project.name]),
      [['listed', 'member', 'listed below'], ['listed', 'reader', 'listed below']])
    assert.equal(effective[0].scope.project.domain.id, 'default')
    assert.match(
      effective[0].links.assignment,
      new RegExp(`/OS-INHERIT/projects/${top.id}/groups/${group.id}/roles/${roles.member}/inherited_to_projects$`),
    )
    assert.match(effective[0].links.membership, new RegExp(`/groups/${group.id}/users/${someone.id}$`))
    const at = (await ask('GET', `/role_assignments?scope.project.id=${below.id}&effective`)).body.role_assignments
    assert.deepEqual(new Set(at.map((one: any) => one.role.id)), new Set([roles.member, roles.reader]))
    const tree = (await ask(
      'GET', `/role_assignments?scope.project.id=${top.id}&include_subtree`,
    )).body.role_assignments
    assert.equal(tree.length, 1)
  })

  for (const query of [
    'user.id=a&group.id=b', 'scope.domain.id=a&scope.project.id=b', 'scope.system=all&scope.project.id=b',
    'effective&group.id=a', 'include_subtree',
  ]) {
    test(`the filters ${query} contradict each other`, async () => {
      assert.equal((await ask('GET', `/role_assignments?${query}`)).status, 400)
    })
  }

  test('a domain\'s own role only implies others, and is given in its domain only', async () => {
    const domain = await made('domains', 'domain', { name: 'own roles' })
    const special = await made('roles', 'role', { name: 'special', domain_id: domain.id })
    const [inside, someone] = [await project('inside', { domain_id: domain.id }), await user('specialist')]
    assert.equal((await ask('PUT', `/roles/${special.id}/implies/${roles.reader}`)).status, 201)
    const outside = await project('outside')
    assert.equal((await ask('PUT', `/projects/${outside.id}/users/${someone.id}/roles/${special.id}`)).status, 403)
    assert.equal((await ask('PUT', `/projects/${inside.id}/users/${someone.id}/roles/${special.id}`)).status, 204)
    assert.deepEqual(await tokenRoles(someone.id, { project: { id: inside.id } }), ['reader'])
    assert.deepEqual(
      (await ask('GET', `/roles?domain_id=${domain.id}`)).body.roles.map((role: any) => role.name), ['special'],
    )
  })

  test('roles never imply in a circle, and nothing implies admin', async () => {
    assert.equal((await ask('PUT', `/roles/${roles.reader}/implies/${roles.member}`)).status, 400)
    assert.equal((await ask('PUT', `/roles/${roles.service}/implies/${roles.admin}`)).status, 403)
    assert.equal((await ask('HEAD', `/roles/${roles.admin}/implies/${roles.manager}`)).status, 204)
    assert.equal((await ask('GET', `/roles/${roles.admin}/implies/${roles.reader}`)).status, 404)
  })

  test('the first roles are immutable', async () => {
    assert.equal((await ask('DELETE', `/roles/${roles.member}`)).status, 403)
    assert.equal((await ask('PATCH', `/roles/${roles.member}`, { role: { name: 'x' } })).status, 403)
  })

  test('a domain manager gives small roles within the domain, and no others', async () => {
    const domain = await made('domains', 'domain', { name: 'managed' })
    const [manager, someone] = [
      await user('boss', { domain_id: domain.id }), await user('staff', { domain_id: domain.id }),
    ]
    const place = await project('managed work', { domain_id: domain.id })
    await ask('PUT', `/domains/${domain.id}/users/${manager.id}/roles/${roles.manager}`)
    const body = { auth: {
      identity: { methods: ['password'], password: { user: { id: manager.id, password: 'x' } } },
      scope: { domain: { id: domain.id } },
    } }
    const token = String((await cloud.ask('POST', '/v3/auth/tokens', { body })).headers['x-subject-token'])
    const give = async (role: string, where: string) => (await ask(
      'PUT', `/projects/${where}/users/${someone.id}/roles/${roles[role]}`, undefined, token,
    )).status
    assert.equal(await give('member', place.id), 204)
    assert.equal(await give('admin', place.id), 403)
    assert.equal(await give('member', (await project('other domain')).id), 403)
    const users = (await ask('GET', '/users', undefined, token)).body.users.map((one: any) => one.name).sort()
    assert.deepEqual(users, ['boss', 'staff'])
    assert.equal(
      (await ask('POST', '/projects', { project: { name: 'new', domain_id: domain.id } }, token)).status, 201,
    )
    assert.equal(
      (await ask('POST', '/projects', { project: { name: 'new', domain_id: 'default' } }, token)).status, 403,
    )
  })
})
