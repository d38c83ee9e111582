/** Projects and domains as clients meet them: the tree, tags, paging, what goes with what. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import {
  adminToken, demoToken, projectScope, login, demoPassword, startKeystone, type TestKeystone,
} from '../testing.ts'

for (const database of testDatabases()) describe(`${database.name}: projects and domains`, () => {
  let db: Database
  let cloud: TestKeystone
  let admin: string
  before(async () => {
    db = await database.open()
    cloud = await startKeystone({ db })
    admin = await adminToken(cloud)
  })
  after(async () => { await cloud.close(); await db.close() })

  const ask = (method: string, path: string, body?: unknown, token = admin) => cloud.ask(
    method, `/v3${path}`, { token, body },
  )
  const made = async (name: string, extra: object = {}) => {
    const answer = await ask('POST', '/projects', { project: { name, ...extra } })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body.project
  }

  test('a project keeps what it was given, also fields that only the client knows', async () => {
    const project = await made('keeper', {
      description: 'd', tags: ['a', 'b'], cost_center: '42', options: { immutable: null },
    })
    const shown = (await ask('GET', `/projects/${project.id}`)).body.project
    assert.deepEqual(shown, project)
    assert.deepEqual([shown.cost_center, shown.tags, shown.domain_id, shown.parent_id, shown.is_domain], [
      '42', ['a', 'b'], 'default', 'default', false,
    ])
    assert.equal(shown.links.self, `http://cloud.test:5000/identity/v3/projects/${project.id}`)
  })

  test('a name is taken once in a domain, and free in another', async () => {
    await made('twin')
    assert.equal((await ask('POST', '/projects', { project: { name: 'twin' } })).status, 409)
    const domain = (await ask('POST', '/domains', { domain: { name: 'elsewhere' } })).body.domain
    assert.equal((await made('twin', { domain_id: domain.id })).domain_id, domain.id)
  })

  test('the tree is shown upwards and downwards, as ids and as those the caller may see', async () => {
    const top = await made('tree top')
    const middle = await made('tree middle', { parent_id: top.id })
    const leaf = await made('tree leaf', { parent_id: middle.id })
    const up = (await ask('GET', `/projects/${leaf.id}?parents_as_ids`)).body.project.parents
    assert.deepEqual(up, { [middle.id]: { [top.id]: { default: null } } })
    const down = (await ask('GET', `/projects/${top.id}?subtree_as_ids`)).body.project.subtree
    assert.deepEqual(down, { [middle.id]: { [leaf.id]: null } })
    const seen = (await ask('GET', `/projects/${top.id}?subtree_as_list`)).body.project.subtree
    assert.deepEqual(seen, [], 'the administrator has no role on them')
    const member = (await ask('GET', '/roles?name=member')).body.roles[0].id
    const me = (await ask('GET', '/users?name=admin')).body.users[0].id
    await ask('PUT', `/projects/${middle.id}/users/${me}/roles/${member}`)
    const now = (await ask('GET', `/projects/${top.id}?subtree_as_list`)).body.project.subtree
    assert.deepEqual(now.map((one: any) => one.project.id), [middle.id])
    assert.equal((await ask('GET', `/projects/${top.id}?subtree_as_list&subtree_as_ids`)).status, 400)
  })

  test('the tree is five levels deep at most', async () => {
    let parent = await made('level 1')
    for (const level of [2, 3, 4, 5]) parent = await made(`level ${level}`, { parent_id: parent.id })
    const answer = await ask('POST', '/projects', { project: { name: 'level 6', parent_id: parent.id } })
    assert.equal(answer.status, 403)
    assert.match(answer.body.error.message, /Max hierarchy depth.*at most 5/)
  })

  test('only leaves are deleted, unless all below is disabled and cascade is asked', async () => {
    const top = await made('to go')
    const below = await made('to go too', { parent_id: top.id })
    assert.equal((await ask('DELETE', `/projects/${top.id}`)).status, 403)
    assert.equal((await ask('PATCH', `/projects/${top.id}`, { project: { enabled: false } })).status, 403)
    assert.equal((await ask('DELETE', `/projects/${top.id}/cascade`)).status, 403)
    assert.equal((await ask('PATCH', `/projects/${top.id}/cascade`, { project: { enabled: false } })).status, 200)
    assert.equal((await ask('GET', `/projects/${below.id}`)).body.project.enabled, false)
    assert.equal((await ask('PATCH', `/projects/${below.id}`, { project: { enabled: true } })).status, 403)
    assert.equal((await ask('DELETE', `/projects/${top.id}/cascade`)).status, 204)
    assert.equal((await ask('GET', `/projects/${below.id}`)).status, 404)
  })

  test('parent and domain never change, and must fit at the start', async () => {
    const domain = (await ask('POST', '/domains', { domain: { name: 'foreign' } })).body.domain
    const project = await made('fixed')
    assert.equal((await ask('PATCH', `/projects/${project.id}`, { project: { parent_id: domain.id } })).status, 403)
    assert.equal((await ask('PATCH', `/projects/${project.id}`, { project: { domain_id: domain.id } })).status, 400)
    assert.equal(
      (await ask(
        'POST', '/projects', { project: { name: 'odd', domain_id: domain.id, parent_id: project.id } },
      )).status,
      400,
    )
    assert.equal((await ask('POST', '/projects', { project: { name: 'odd', domain_id: 'nowhere' } })).status, 400)
  })

  test('tags filter the list: all, any, not all, not any', async () => {
    const domain = (await ask('POST', '/domains', { domain: { name: 'tagged' } })).body.domain
    const [ab, a, none] = [
      await made('ab', { domain_id: domain.id, tags: ['a', 'b'] }),
      await made('a', { domain_id: domain.id, tags: ['a'] }), await made('none', { domain_id: domain.id }),
    ]
    const found = async (query: string) => (await ask(
      'GET', `/projects?domain_id=${domain.id}&${query}`,
    )).body.projects.map((one: any) => one.id).sort()
    assert.deepEqual(await found('tags=a,b'), [ab.id])
    assert.deepEqual(await found('tags-any=a,b'), [ab.id, a.id].sort())
    assert.deepEqual(await found('not-tags=a,b'), [a.id, none.id].sort())
    assert.deepEqual(await found('not-tags-any=a,b'), [none.id])
    assert.deepEqual(await found('name__startswith=a'), [ab.id, a.id].sort())
  })

  test('one tag is added, checked and removed', async () => {
    const { id } = await made('one tag')
    assert.equal((await ask('PUT', `/projects/${id}/tags/blue`)).status, 201)
    assert.equal((await ask('HEAD', `/projects/${id}/tags/blue`)).status, 204)
    assert.equal((await ask('DELETE', `/projects/${id}/tags/blue`)).status, 204)
    assert.equal((await ask('GET', `/projects/${id}/tags/blue`)).status, 404)
    assert.equal((await ask('PUT', `/projects/${id}/tags`, { tags: ['a,b'] })).status, 400)
  })

  test('an immutable project changes only in the request that ends it', async () => {
    const { id } = await made('stone', { options: { immutable: true } })
    assert.equal((await ask('PATCH', `/projects/${id}`, { project: { description: 'x' } })).status, 403)
    assert.equal((await ask('DELETE', `/projects/${id}`)).status, 403)
    assert.equal((await ask('PATCH', `/projects/${id}`, { project: { options: { immutable: false } } })).status, 200)
    assert.equal((await ask('DELETE', `/projects/${id}`)).status, 204)
  })

  test('a list comes in pages that lead from one to the next', async () => {
    const seen: string[] = []
    let path: string | null = '/projects?limit=3'
    while (path) {
      const { projects, links }: {
        projects: { id: string }[]
        links: { next: string | null }
      } = (await ask('GET', path)).body
      assert.ok(projects.length <= 3)
      seen.push(...projects.map((one) => one.id))
      path = links.next?.replace('http://cloud.test:5000/identity/v3', '') ?? null
    }
    const all = (await ask('GET', '/projects')).body.projects.map((one: any) => one.id)
    assert.deepEqual(seen, all)
    assert.equal((await ask('GET', '/projects?limit=x')).status, 400)
    assert.equal((await ask('GET', '/projects?marker=nowhere')).status, 400)
  })

  test('someone without the right cannot tell whether a project exists', async () => {
    const token = await demoToken(cloud)
    const { id } = await made('hidden')
    const [there, nowhere] = [
      await ask('GET', `/projects/${id}`, undefined, token), await ask('GET', '/projects/nowhere', undefined, token),
    ]
    assert.deepEqual([there.status, there.body], [nowhere.status, nowhere.body])
    assert.equal(there.status, 403)
    const own = (await ask('GET', '/auth/projects', undefined, token)).body.projects[0].id
    assert.equal((await ask('GET', `/projects/${own}`, undefined, token)).status, 200)
    assert.equal((await ask('GET', '/projects', undefined, token)).status, 403)
  })

  test('a domain goes with all in it, once it is disabled; its users\' tokens end', async () => {
    const domain = (await ask(
      'POST', '/domains', { domain: { name: 'passing', explicit_domain_id: '0123456789abcdef0123456789abcdef' } },
    )).body.domain
    assert.equal(domain.id, '0123456789abcdef0123456789abcdef')
    const user = (await ask(
      'POST', '/users', { user: { name: 'guest', domain_id: domain.id, password: 'x' } },
    )).body.user
    const project = await made('inside', { domain_id: domain.id })
    const body = { auth: { identity: { methods: ['password'], password: { user: { id: user.id, password: 'x' } } } } }
    const token = String((await cloud.ask('POST', '/v3/auth/tokens', { body })).headers['x-subject-token'])
    assert.equal((await ask('DELETE', `/domains/${domain.id}`)).status, 403)
    assert.equal((await ask('PATCH', `/domains/${domain.id}`, { domain: { enabled: false } })).status, 200)
    assert.equal((await ask('GET', '/auth/projects', undefined, token)).status, 401)
    assert.equal((await cloud.ask('POST', '/v3/auth/tokens', { body })).status, 401)
    assert.equal((await ask('DELETE', `/domains/${domain.id}`)).status, 204)
    assert.equal((await ask('GET', `/users/${user.id}`)).status, 404)
    assert.equal((await ask('GET', `/projects/${project.id}`)).status, 404)
  })

  test('a deleted project leaves nothing: default project, grants and tokens', async () => {
    const project = await made('short-lived')
    const demo = (await ask('GET', '/users?name=demo')).body.users[0]
    const member = (await ask('GET', '/roles?name=member')).body.roles[0].id
    await ask('PATCH', `/users/${demo.id}`, { user: { default_project_id: project.id } })
    await ask('PUT', `/projects/${project.id}/users/${demo.id}/roles/${member}`)
    const token = await login(cloud, { user: 'demo', password: demoPassword, scope: projectScope('short-lived') })
    assert.equal((await ask('DELETE', `/projects/${project.id}`)).status, 204)
    assert.equal((await ask('GET', '/auth/projects', undefined, token)).status, 401)
    assert.equal((await ask('GET', `/users/${demo.id}`)).body.user.default_project_id, undefined)
    assert.deepEqual((await ask('GET', `/role_assignments?scope.project.id=${project.id}`)).body.role_assignments, [])
  })
})
