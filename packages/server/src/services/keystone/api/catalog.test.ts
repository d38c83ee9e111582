/** Version documents, regions, services, endpoints, filters, policies and limits as clients meet them. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { adminToken, demoToken, startKeystone, type TestKeystone } from '../testing.ts'

describe('catalog and limits', () => {
  let cloud: TestKeystone
  let admin: string
  before(async () => { cloud = await startKeystone(); admin = await adminToken(cloud) })
  after(() => cloud.close())

  const ask = (method: string, path: string, body?: unknown, token = admin) => cloud.ask(
    method, `/v3${path}`, { token, body },
  )
  const made = async (path: string, key: string, body: object) => {
    const answer = await ask('POST', `/${path}`, { [key]: body })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body[key]
  }

  test('version documents are for everybody, at the root with 300 and at the version with 200', async () => {
    const root = await cloud.ask('GET', '')
    assert.equal(root.status, 300)
    assert.equal(root.headers.location, 'http://cloud.test:5000/identity/v3/')
    const version = (await cloud.ask('GET', '/v3')).body.version
    assert.deepEqual(root.body, { versions: { values: [version] } })
    assert.deepEqual([version.id, version.status, version.links[0].href], [
      'v3.14', 'stable', 'http://cloud.test:5000/identity/v3/',
    ])
    assert.equal((await cloud.ask('GET', '/v3/')).status, 200)
  })

  test('a new service with its endpoint is in the next catalog, with the project in its URL', async () => {
    const service = await made('services', 'service', { type: 'object-store', name: 'swift' })
    await made('regions', 'region', { id: 'North' })
    await made('endpoints', 'endpoint', {
      service_id: service.id, interface: 'public', url: 'http://store/v1/AUTH_$(project_id)s', region: 'South',
    })
    const catalog = (await ask('GET', '/auth/catalog')).body.catalog
    const [endpoint] = catalog.find((one: any) => one.type === 'object-store').endpoints
    const project = (await ask('GET', '/auth/projects')).body.projects.find((one: any) => one.name === 'admin')
    assert.deepEqual([endpoint.url, endpoint.region], [`http://store/v1/AUTH_${project.id}`, 'South'])
    assert.equal((await ask('GET', '/regions/South')).status, 200)
    await ask('PATCH', `/services/${service.id}`, { service: { enabled: false } })
    assert.ok(!(await ask('GET', '/auth/catalog')).body.catalog.some((one: any) => one.type === 'object-store'))
  })

  test('an endpoint of this cloud follows the host that the client asks', async () => {
    const { body } = await cloud.ask('GET', '/v3/auth/catalog', { token: admin, headers: { host: 'other.test:81' } })
    assert.ok(body.catalog.every((service: any) => service.endpoints.every(
      (one: any) => !one.url.includes('cloud.test')
    )))
    assert.equal(
      body.catalog.find((one: any) => one.type === 'identity').endpoints[0].url, 'http://other.test:81/identity',
    )
  })

  for (const [what, body] of [
    ['an unknown interface', { interface: 'secret', url: 'http://h' }], ['no URL', { interface: 'public' }],
    ['an unknown substitution', { interface: 'public', url: 'http://h/$(password)s' }],
    ['half a substitution', { interface: 'public', url: 'http://h/$(project_id' }],
    ['an unknown service', { interface: 'public', url: 'http://h', service_id: 'nowhere' }],
    ['an unknown region', { interface: 'public', url: 'http://h', region_id: 'nowhere' }],
  ] as const) {
    test(`an endpoint with ${what} is refused`, async () => {
      const [service] = (await ask('GET', '/services')).body.services
      assert.equal((await ask('POST', '/endpoints', { endpoint: { service_id: service.id, ...body } })).status, 400)
    })
  }

  test('a region with endpoints below it stays, and regions never form a circle', async () => {
    await made('regions', 'region', { id: 'Top' })
    await made('regions', 'region', { id: 'Below', parent_region_id: 'Top' })
    assert.equal((await ask('PATCH', '/regions/Top', { region: { parent_region_id: 'Below' } })).status, 400)
    const [service] = (await ask('GET', '/services')).body.services
    const endpoint = await made('endpoints', 'endpoint', {
      service_id: service.id, interface: 'public', url: 'http://h', region_id: 'Below',
    })
    assert.equal((await ask('DELETE', '/regions/Top')).status, 403)
    await ask('DELETE', `/endpoints/${endpoint.id}`)
    assert.equal((await ask('DELETE', '/regions/Top')).status, 204)
    assert.equal((await ask('GET', '/regions/Below')).status, 404)
  })

  test('limits need a registered one, and it cannot go while they are', async () => {
    const [service] = (await ask('GET', '/services?type=compute')).body.services
    const [project] = (await ask('GET', '/projects?name=demo')).body.projects
    const limit = { service_id: service.id, resource_name: 'cores', resource_limit: 5, project_id: project.id }
    assert.equal((await ask('POST', '/limits', { limits: [limit] })).status, 403)
    const registered = await ask(
      'POST', '/registered_limits',
      { registered_limits: [{ service_id: service.id, resource_name: 'cores', default_limit: 10 }] },
    )
    assert.equal(registered.status, 201)
    const [own] = (await ask('POST', '/limits', { limits: [limit] })).body.limits
    assert.equal((await ask('POST', '/limits', { limits: [limit] })).status, 409)
    assert.deepEqual([own.domain_id, own.project_id, own.resource_limit], [null, project.id, 5])
    const seen = (await ask('GET', '/limits', undefined, await demoToken(cloud))).body.limits
    assert.deepEqual(seen.map((one: any) => one.id), [own.id])
    const id = registered.body.registered_limits[0].id
    assert.equal((await ask('DELETE', `/registered_limits/${id}`)).status, 403)
    assert.equal(
      (await ask('PATCH', `/limits/${own.id}`, { limit: { resource_limit: 7 } })).body.limit.resource_limit, 7,
    )
    assert.equal((await ask('DELETE', `/limits/${own.id}`)).status, 204)
    assert.equal((await ask('DELETE', `/registered_limits/${id}`)).status, 204)
    assert.equal((await ask('GET', '/limits/model')).body.model.name, 'flat')
  })

  test('a policy is found for an endpoint by the closest thing it is for', async () => {
    const [endpoint] = (await ask('GET', '/endpoints')).body.endpoints
    const [wide, close] = [
      await made('policies', 'policy', { type: 'text', blob: '{}' }),
      await made('policies', 'policy', { type: 'text', blob: '{}' }),
    ]
    await ask('PUT', `/policies/${wide.id}/OS-ENDPOINT-POLICY/services/${endpoint.service_id}`)
    const shown = async () => (await ask('GET', `/endpoints/${endpoint.id}/OS-ENDPOINT-POLICY/policy`)).body.policy.id
    assert.equal(await shown(), wide.id)
    await ask('PUT', `/policies/${close.id}/OS-ENDPOINT-POLICY/endpoints/${endpoint.id}`)
    assert.equal(await shown(), close.id)
  })

  test('a project with an endpoint filter sees only those endpoints', async () => {
    const project = await made('projects', 'project', { name: 'filtered' })
    const [compute] = (await ask('GET', '/services?type=compute')).body.services
    const [endpoint] = (await ask('GET', `/endpoints?interface=public&service_id=${compute.id}`)).body.endpoints
    const path = `/OS-EP-FILTER/projects/${project.id}/endpoints`
    assert.deepEqual((await ask('GET', path)).body.endpoints, [])
    assert.equal((await ask('PUT', `${path}/${endpoint.id}`)).status, 204)
    assert.deepEqual((await ask('GET', path)).body.endpoints.map((one: any) => one.id), [endpoint.id])
    const [admins, roles] = [
      (await ask('GET', '/users?name=admin')).body.users, (await ask('GET', '/roles?name=admin')).body.roles,
    ]
    await ask('PUT', `/projects/${project.id}/users/${admins[0].id}/roles/${roles[0].id}`)
    const token = await cloud.ask(
      'POST', '/v3/auth/tokens',
      { body: { auth: {
        identity: { methods: ['token'], token: { id: admin } }, scope: { project: { id: project.id } },
      } } },
    )
    assert.deepEqual(
      token.body.token.catalog.flatMap((one: any) => one.endpoints.map((each: any) => each.id)), [endpoint.id],
    )
  })
})

describe('limits of the strict two-level model', () => {
  test('a project\'s limit stays within its domain\'s, both ways, also when both come together', async () => {
    const cloud = await startKeystone({ config: { limitModel: 'strict_two_level' } })
    try {
      const token = await adminToken(cloud)
      const ask = (method: string, path: string, body?: unknown) => cloud.ask(method, `/v3${path}`, { token, body })
      const [service] = (await ask('GET', '/services?type=compute')).body.services
      const [project] = (await ask('GET', '/projects?name=demo')).body.projects
      await ask(
        'POST', '/registered_limits',
        { registered_limits: [{ service_id: service.id, resource_name: 'cores', default_limit: 10 }] },
      )
      const limit = (amount: number, where: object) => ({
        service_id: service.id, resource_name: 'cores', resource_limit: amount, ...where,
      })
      assert.equal((await ask('POST', '/limits', { limits: [limit(11, { project_id: project.id })] })).status, 403)
      const both = await ask(
        'POST', '/limits', { limits: [limit(20, { project_id: project.id }), limit(30, { domain_id: 'default' })] },
      )
      assert.equal(both.status, 201, JSON.stringify(both.body))
      const domainLimit = both.body.limits.find((one: any) => one.domain_id)
      assert.equal((await ask('PATCH', `/limits/${domainLimit.id}`, { limit: { resource_limit: 19 } })).status, 403)
      assert.equal((await ask('PATCH', `/limits/${domainLimit.id}`, { limit: { resource_limit: 20 } })).status, 200)
      const child = await ask('POST', '/projects', { project: { name: 'too deep', parent_id: project.id } })
      assert.equal(child.status, 403)
    } finally {
      await cloud.close()
    }
  })
})
