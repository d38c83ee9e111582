/** Another project's ids answer as if they did not exist: every route of every tenant's resource, as a stranger. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Route } from '#platform/api-kit/route.ts'
import { services } from './services.ts'
import { passwordLogin, startTestCloud, type TestCloud } from './testing.ts'

let cloud: TestCloud
let owner: string
let stranger: string

const newest = { 'openstack-api-version': 'compute 2.96' }
const ask = (method: string, url: string, token: string, body?: unknown) =>
  cloud.ask(method, url, { token, body, headers: newest })

const made = async (url: string, body: unknown, status: number): Promise<any> => {
  const answer = await ask('POST', url, owner, body)
  assert.equal(answer.status, status, `${url}: ${answer.text}`)
  return Object.values(answer.body)[0]
}

/** A member of a project of its own, with no role anywhere else. */
const enrol = async (admin: string, name: string): Promise<string> => {
  const post = async (url: string, body: unknown) =>
    Object.values((await ask('POST', url, admin, body)).body)[0] as { id: string }
  const project = await post('/identity/v3/projects', { project: { name, domain_id: 'default' } })
  const user = await post('/identity/v3/users', { user: { name, password: name, domain_id: 'default' } })
  const [role] = (await ask('GET', '/identity/v3/roles?name=member', admin)).body.roles
  assert.equal(
    (await ask('PUT', `/identity/v3/projects/${project.id}/users/${user.id}/roles/${role.id}`, admin)).status,
    204,
  )
  const answer = await cloud.ask('POST', '/identity/v3/auth/tokens', { body: passwordLogin(name, name, name) })
  assert.equal(answer.status, 201)
  return String(answer.headers['x-subject-token'])
}

before(async () => {
  cloud = await startTestCloud()
  owner = await enrol(await cloud.login('admin'), 'owner')
  stranger = await enrol(await cloud.login('admin'), 'stranger')
})
after(() => cloud.close())

/** The routes of `service` whose path begins with `/collection/{id}`. */
const routesOn = (service: string, collection: string): Route[] =>
  services
    .find(({ name }) => name === service)!
    .routes.filter(({ path }) => new RegExp(`^/${collection}/\\{\\w+\\}`).test(path))

/** The body is wrong or right; either way the resource must not be there. 403 is for routes of administrators only. */
const assertAbsent = async (service: string, collection: string, id: string): Promise<void> => {
  const manifest = services.find(({ name }) => name === service)!
  const routes = routesOn(service, collection)
  assert.ok(routes.length > 1, `${service} has no routes on ${collection}`)
  const wrong: string[] = []
  for (const { method, path } of routes) {
    const url = manifest.prefix + manifest.versionPath + path.replace(/\{\w+\}/, id).replace(/\{[\w*]+\}/g, 'x')
    const answer = await ask(method, url, stranger, ['GET', 'DELETE', 'HEAD'].includes(method) ? undefined : {})
    const refused =
      answer.status === 404 || answer.status === 403 || (method !== 'GET' && [400, 415].includes(answer.status))
    if (!refused || answer.text.includes('secret-name'))
      wrong.push(`${method} ${url}: ${answer.status} ${answer.text.slice(0, 160)}`)
  }
  assert.deepEqual(wrong, [])
  const shown = await ask('GET', `${manifest.prefix}${manifest.versionPath}/${collection}/${id}`, stranger)
  assert.equal(shown.status, 404)
  const unknown = await ask(
    'GET',
    `${manifest.prefix}${manifest.versionPath}/${collection}/${crypto.randomUUID()}`,
    stranger,
  )
  assert.deepEqual([shown.status, Object.keys(shown.body)], [unknown.status, Object.keys(unknown.body)])
}

test('images', async () => {
  const answer = await ask('POST', '/image/v2/images', owner, {
    name: 'secret-name',
    visibility: 'private',
    container_format: 'bare',
    disk_format: 'raw',
  })
  await assertAbsent('glance', 'images', answer.body.id)
  const { images } = (await ask('GET', '/image/v2/images?visibility=all', stranger)).body
  assert.ok(!images.some((image: any) => image.name === 'secret-name'))
})

test('networks, subnets, ports, routers, security groups', async () => {
  const network = await made('/network/v2.0/networks', { network: { name: 'secret-name' } }, 201)
  const subnet = await made(
    '/network/v2.0/subnets',
    { subnet: { name: 'secret-name', network_id: network.id, ip_version: 4, cidr: '10.9.0.0/24' } },
    201,
  )
  const port = await made('/network/v2.0/ports', { port: { name: 'secret-name', network_id: network.id } }, 201)
  const router = await made('/network/v2.0/routers', { router: { name: 'secret-name' } }, 201)
  const group = await made('/network/v2.0/security-groups', { security_group: { name: 'secret-name' } }, 201)
  const all = { networks: network, subnets: subnet, ports: port, routers: router, 'security-groups': group }
  for (const [collection, { id }] of Object.entries(all)) {
    await assertAbsent('neutron', collection, id)
    assert.doesNotMatch((await ask('GET', `/network/v2.0/${collection}`, stranger)).text, /secret-name/)
  }
})

test('servers and their groups', async () => {
  const network = await made('/network/v2.0/networks', { network: { name: 'secret-name-2' } }, 201)
  await made('/network/v2.0/subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.8.0.0/24' } }, 201)
  const image = (
    await ask('POST', '/image/v2/images', owner, { name: 'boot', container_format: 'bare', disk_format: 'raw' })
  ).body
  await cloud.ask('PUT', `/image/v2/images/${image.id}/file`, {
    token: owner,
    body: 'bytes',
    headers: { 'content-type': 'application/octet-stream' },
  })
  const server = await made(
    '/compute/v2.1/servers',
    { server: { name: 'secret-name', imageRef: image.id, flavorRef: '42', networks: [{ uuid: network.id }] } },
    202,
  )
  await assertAbsent('nova', 'servers', server.id)
  for (const action of ['os-stop', 'pause', 'lock', 'os-getConsoleOutput']) {
    const answer = await ask('POST', `/compute/v2.1/servers/${server.id}/action`, stranger, {
      [action]: action === 'os-getConsoleOutput' ? {} : null,
    })
    assert.equal(answer.status, 404, action)
  }
  assert.doesNotMatch((await ask('GET', '/compute/v2.1/servers/detail?all_tenants=1', stranger)).text, /secret-name/)
  const group = await made(
    '/compute/v2.1/os-server-groups',
    { server_group: { name: 'secret-name', policy: 'affinity' } },
    200,
  )
  await assertAbsent('nova', 'os-server-groups', group.id)
})
