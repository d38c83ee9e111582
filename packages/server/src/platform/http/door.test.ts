/** The door, proven on a toy service: tokens, versions, windows, bodies, actions, faults, methods. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Readable } from 'node:stream'
import { conflict, notFound } from '#platform/errors/errors.ts'
import { silentLog } from '#platform/log/log.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute, reply, streamBody } from '#platform/api-kit/route.ts'
import { Strict, T, since, until } from '#platform/api-kit/schema.ts'
import type { ServiceManifest } from '#platform/api-kit/service.ts'
import type { TokenData } from '#platform/auth/context.ts'
import { createServer } from './server.ts'

interface Toy {
  stopped: string[]
}

const Thing = T.Object({ id: T.String(), tags: T.Array(T.String(), since('2.26')), old: T.String(until('2.5')) })
const things = [
  defineRoute<Toy>({
    id: 'versions',
    method: 'GET',
    path: '/',
    at: 'root',
    summary: 'Versions',
    policy: 'open',
    reply: { status: 200 },
    handler: (_toy, ctx) => ({ versions: [{ href: ctx.baseUrl }] }),
  }),
  defineRoute<Toy>({
    id: 'things.show',
    method: 'GET',
    path: '/things/{thing_id}',
    summary: 'Show',
    policy: 'toy:show',
    reply: { status: 200, schema: T.Object({ thing: Thing }) },
    handler: (_toy, _ctx, { params }) => {
      if (params.thing_id === 'none') throw notFound('Thing none could not be found.')
      if (params.thing_id === 'bug') throw new Error('a secret')
      return { thing: { id: params.thing_id, tags: [], old: 'x' } }
    },
  }),
  defineRoute({
    id: 'things.create',
    method: 'POST',
    path: '/things',
    summary: 'Create',
    policy: 'toy:create',
    body: Strict({ name: T.String({ minLength: 1, maxLength: 5 }), note: T.Optional(T.String(since('2.19'))) }),
    query: T.Object({ limit: T.Optional(T.Integer({ minimum: 0 })) }),
    reply: { status: 202 },
    handler: (_toy: Toy, _ctx, { body, query }) => ({ name: body.name.toUpperCase(), limit: query.limit }),
  }),
  defineRoute<Toy>({
    id: 'things.new',
    method: 'DELETE',
    path: '/things/{id}',
    summary: 'Delete',
    since: '2.10',
    policy: 'toy:show',
    reply: { status: 204 },
    handler: () => {
      throw conflict('in use')
    },
  }),
  defineRoute<Toy>({
    id: 'data.put',
    method: 'PUT',
    path: '/data/{*}',
    summary: 'Echo',
    policy: 'authenticated',
    body: streamBody() as never,
    reply: { status: 200 },
    handler: (_toy, _ctx, { params, body }) =>
      reply({ headers: { 'X-Path': params['*'] ?? '' }, body: body as unknown as Readable }),
  }),
  actionRoute<Toy>({
    id: 'things.action',
    path: '/things/{thing_id}/action',
    summary: 'Act',
    actions: [
      defineAction({
        key: 'os-stop',
        id: 'stop',
        summary: 'Stop',
        policy: 'toy:show',
        handler: (toy: Toy, _ctx, { params }) => {
          toy.stopped.push(params.thing_id!)
        },
      }),
      defineAction({
        key: 'late',
        id: 'late',
        summary: 'Late',
        policy: 'toy:show',
        since: '2.50',
        body: Strict({ a: T.Integer() }),
        handler: (_toy: Toy, _ctx, { body }) => ({ a: body.a + 1 }),
      }),
    ],
  }),
]

const manifest: ServiceManifest<Toy> = {
  name: 'toy',
  about: 'a toy',
  level: 1,
  catalog: [{ type: 'compute', name: 'toy', path: '/toy/v2.1' }],
  prefix: '/toy',
  versionPath: '/v2.1',
  projectInPath: 'optional',
  faults: 'nova',
  adminRule: 'toy:admin',
  policies: [],
  migrations: [],
  microversions: { service: 'compute', legacyHeaders: ['X-OpenStack-Nova-API-Version'], min: '2.1', max: '2.96' },
  routes: things,
  create: () => {
    throw new Error('not composed here')
  },
}

const tokenOf = (role: string): TokenData => ({
  methods: ['password'],
  auditIds: ['a'],
  issuedAt: 0,
  expiresAt: 1,
  roles: [{ id: role, name: role }],
  user: { id: 'u', name: 'u', domain: { id: 'default', name: 'Default' } },
  project: { id: 'a'.repeat(32), name: 'p', domain: { id: 'default', name: 'Default' } },
})

const start = () => {
  const toy: Toy = { stopped: [] }
  const policy = {
    check: (rule: string, _t: object, caller: TokenData) => rule === 'toy:show' || caller.roles[0]!.name === 'member',
    explain: () => '',
  }
  const server = createServer({
    services: [{ manifest, api: toy, policy }],
    pages: [],
    log: silentLog,
    observe: () => {},
    validator: { validate: (token) => (token.startsWith('role-') ? tokenOf(token.slice(5)) : undefined) },
  })
  const ask = (
    method: string,
    url: string,
    options: { version?: string; token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ) =>
    server.inject({
      method: method as 'GET',
      url,
      headers: {
        ...(options.token === '' ? {} : { 'x-auth-token': options.token ?? 'role-member' }),
        ...(options.version ? { 'openstack-api-version': `compute ${options.version}` } : {}),
        ...(options.body === undefined || typeof options.body === 'string'
          ? {}
          : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      payload:
        options.body === undefined
          ? undefined
          : typeof options.body === 'string'
            ? options.body
            : JSON.stringify(options.body),
    })
  return { toy, ask }
}

test('open routes need no token and build links from the Host header', async () => {
  const { ask } = start()
  const answer = await ask('GET', '/toy/', {
    token: '',
    headers: { host: 'cloud:5000', 'x-forwarded-proto': 'https' },
  })
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.json().versions[0].href, 'https://cloud:5000/toy/v2.1')
})

test('no token and a bad token are 401 with the way to Keystone', async () => {
  const { ask } = start()
  for (const token of ['', 'nonsense']) {
    const answer = await ask('GET', '/toy/v2.1/things/1', { token })
    assert.equal(answer.statusCode, 401)
    assert.match(String(answer.headers['www-authenticate']), /^Keystone uri="http.*\/identity"$/)
    assert.equal(answer.json().error.code, 401)
  }
})

test("a role without the rule is 403 in the service's own fault", async () => {
  const answer = await start().ask('POST', '/toy/v2.1/things', { token: 'role-reader', body: { name: 'a' } })
  assert.equal(answer.statusCode, 403)
  assert.equal(answer.json().forbidden.message, "Policy doesn't allow toy:create to be performed.")
})

test('replies are cut to the asked version', async () => {
  const { ask } = start()
  assert.deepEqual((await ask('GET', '/toy/v2.1/things/1')).json(), { thing: { id: '1', old: 'x' } })
  assert.deepEqual((await ask('GET', '/toy/v2.1/things/1', { version: '2.26' })).json(), {
    thing: { id: '1', tags: [] },
  })
  const latest = await ask('GET', '/toy/v2.1/things/1', { version: 'latest' })
  assert.equal(latest.headers['openstack-api-version'], 'compute 2.96')
  assert.equal(latest.headers['x-openstack-nova-api-version'], '2.96')
  assert.match(String(latest.headers['x-openstack-request-id']), /^req-/)
})

test('bodies are held to the schema of the asked version', async () => {
  const { ask } = start()
  assert.equal((await ask('POST', '/toy/v2.1/things', { body: { name: 'a', note: 'b' } })).statusCode, 400)
  assert.equal(
    (await ask('POST', '/toy/v2.1/things?limit=3', { body: { name: 'a', note: 'b' }, version: '2.19' })).json().limit,
    3,
  )
  const long = await ask('POST', '/toy/v2.1/things', { body: { name: 'abcdefg' } })
  assert.match(long.json().badRequest.message, /name.*'abcdefg' is too long/)
  for (const body of ['{', '[]', 'null', '""', '']) {
    const answer = await ask('POST', '/toy/v2.1/things', { body, headers: { 'content-type': 'application/json' } })
    assert.equal(answer.statusCode, 400, body)
  }
})

test('versions out of range are 406, malformed ones 400, closed routes 404', async () => {
  const { ask } = start()
  assert.equal((await ask('GET', '/toy/v2.1/things/1', { version: '2.97' })).statusCode, 406)
  assert.equal((await ask('GET', '/toy/v2.1/things/1', { version: 'x' })).statusCode, 400)
  assert.equal((await ask('DELETE', '/toy/v2.1/things/1', { version: '2.9' })).statusCode, 404)
  assert.equal((await ask('DELETE', '/toy/v2.1/things/1', { version: '2.10' })).json().conflictingRequest.code, 409)
})

test('unexpected errors are 500 without their text', async () => {
  const answer = await start().ask('GET', '/toy/v2.1/things/bug')
  assert.equal(answer.statusCode, 500)
  assert.doesNotMatch(answer.body, /secret/)
})

test('unknown paths are 404 and wrong methods 405 with Allow', async () => {
  const { ask } = start()
  assert.equal((await ask('GET', '/toy/v2.1/nothing')).json().itemNotFound.code, 404)
  const answer = await ask('PATCH', '/toy/v2.1/things')
  assert.equal(answer.statusCode, 405)
  assert.equal(answer.headers.allow, 'POST')
  assert.equal((await ask('GET', `/toy/v2.1/things/${'x'.repeat(3000)}`)).statusCode, 200)
})

test('HEAD answers as GET without a body', async () => {
  const answer = await start().ask('HEAD', '/toy/v2.1/things/1')
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.body, '')
})

test("the project in the path is optional and must be the token's", async () => {
  const { ask } = start()
  assert.equal((await ask('GET', `/toy/v2.1/${'a'.repeat(32)}/things/1`)).statusCode, 200)
  assert.equal((await ask('GET', `/toy/v2.1/${'b'.repeat(32)}/things/1`)).statusCode, 400)
})

test('actions: exactly one known key, with windows and bodies of their own', async () => {
  const { ask, toy } = start()
  assert.equal((await ask('POST', '/toy/v2.1/things/7/action', { body: { 'os-stop': null } })).statusCode, 202)
  assert.deepEqual(toy.stopped, ['7'])
  assert.equal((await ask('POST', '/toy/v2.1/things/7/action', { body: {} })).statusCode, 400)
  assert.equal((await ask('POST', '/toy/v2.1/things/7/action', { body: { nope: 1 } })).statusCode, 400)
  assert.equal((await ask('POST', '/toy/v2.1/things/7/action', { body: { late: { a: 1 } } })).statusCode, 404)
  const late = (a: unknown) => ask('POST', '/toy/v2.1/things/7/action', { body: { late: { a } }, version: '2.50' })
  assert.equal((await late(1)).json().a, 2)
  assert.equal((await late('x')).statusCode, 400)
})

test('streams pass through with slashes in the path', async () => {
  const answer = await start().ask('PUT', '/toy/v2.1/data/a//b', {
    body: 'bytes',
    headers: { 'content-type': 'application/octet-stream' },
  })
  assert.equal(answer.body, 'bytes')
  assert.equal(answer.headers['x-path'], 'a//b')
})
