/** Every route with odd bodies, ids and queries: an answer below 500, and 403 where only administrators may. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Route } from '#platform/api-kit/route.ts'
import type { Database } from '#platform/db/database.ts'
import { testDatabases } from '#platform/db/testing.ts'
import { adminToken, demoToken, startKeystone, type TestKeystone } from '../testing.ts'
import { routes } from './routes.ts'

/** Values of every JSON type, and texts that are hard for parsers, databases and URLs. */
const oddValues: unknown[] = [
  null, true, 0, -1, 1e308, '', ' ', 'x'.repeat(70_000), '\u0000', '\ud800', '../..', '%00', '💥', '__proto__', [],
  [null], {}, { id: 1 }, [[]],
]
const oddIds = ['nowhere', 'x'.repeat(300), '%00', '%F0%9F%92%A5', '-1', '0', '__proto__', 'default', '%2e%2e%2f']

type Json = Record<string, any>

/** A value that fits a schema well enough to get past the door: what managers and stores must then cope with. */
const sampleOf = (schema: Json): unknown => {
  const first = (schema.anyOf ?? schema.oneOf)?.[0]
  if (first && !schema.properties) return sampleOf(first)
  return schema.const ?? (samples[String(schema.type)] ?? textOf)(schema)
}

const samples: Record<string, (schema: Json) => unknown> = {
  object: ({ properties = {} }) =>
    Object.fromEntries(Object.entries<Json>(properties).map(([key, field]) => [key, sampleOf(field)])),
  array: ({ items }) => (items ? [sampleOf(items)] : []),
  integer: ({ minimum = 1 }) => Math.max(minimum, 1),
  number: ({ minimum = 1 }) => Math.max(minimum, 1),
  boolean: () => true,
  null: () => null,
}

const textOf = (schema: Json): string =>
  ['sample', 'GET', '/v3/x', 'http://h', '2099-01-01T00:00:00Z'].find(
    (text) => !schema.pattern || new RegExp(schema.pattern).test(text)
  ) ?? 'sample'

/** The sample with one field at a time replaced by each odd value. */
const spoiled = (sample: unknown): unknown[] => {
  if (typeof sample !== 'object' || sample === null) return []
  return Object.keys(sample).flatMap((key) => [
    ...oddValues.map((odd) => ({ ...sample, [key]: odd })),
    ...spoiled((sample as Json)[key]).map((inner) => ({ ...sample, [key]: inner })),
  ])
}

const bodiesOf = (route: Route): unknown[] => {
  if (!route.body) return [undefined]
  const sample = sampleOf(route.body as Json)
  return [sample, ...oddValues, ...spoiled(sample)]
}

const pathsOf = (route: Route): string[] => {
  const base = route.at === 'root' ? '' : '/v3'
  return oddIds.map(
    (id) => base + route.path.replace(/\{\w+\}/g, id)
  ).filter((path, at, all) => all.indexOf(path) === at)
}

for (const database of testDatabases()) describe(`whatever is asked, nothing breaks on ${database.name}`, () => {
  let db: Database
  let cloud: TestKeystone
  before(async () => { db = await database.open(); cloud = await startKeystone({ db }) })
  after(async () => { await cloud.close(); await db.close() })

  for (const route of routes) {
    test(`${route.method} ${route.path} answers odd input with a status below 500`, async () => {
      const token = await adminToken(cloud)
      const [path = ''] = pathsOf(route)
      for (const body of bodiesOf(route)) {
        const answer = await cloud.ask(route.method, path, { token, body })
        assert.ok(answer.status < 500, `${answer.status} for ${JSON.stringify(body)?.slice(0, 300)}`)
      }
      for (const odd of pathsOf(route)) {
        const answer = await cloud.ask(route.method, odd, { token, body: route.body && sampleOf(route.body as Json) })
        assert.ok(answer.status < 500, `${answer.status} for ${odd}`)
      }
    })
  }

  test('odd queries break no list', async () => {
    const token = await adminToken(cloud)
    for (const route of routes.filter((one) => one.method === 'GET' && !one.path.includes('{') && one.at !== 'root')) {
      for (const query of [
        'name=%00', 'name=a&name=b', 'enabled=maybe', 'limit=-1', 'limit=1&marker=', 'domain_id=%F0%9F%92%A5',
        'user.id=', 'scope.project.id=x&effective', 'sort_key=x', 'password_expires_at=lt:x', 'tags=', 'is_domain',
      ]) {
        const answer = await cloud.ask('GET', `/v3${route.path}?${query}`, { token })
        assert.ok(answer.status < 500, `${answer.status} for ${route.path}?${query}`)
      }
    }
  })

  test('what only administrators may do answers 403 to others, and 401 without a token', async () => {
    const demo = await demoToken(cloud)
    const guardedRoutes = routes.filter(
      (route) => route.policy.startsWith('identity:') && /create|update|delete|add|remove/.test(route.policy)
    )
    assert.ok(guardedRoutes.length > 30, String(guardedRoutes.length))
    for (const route of guardedRoutes) {
      const [path = ''] = pathsOf(route)
      const body = route.body && sampleOf(route.body as Json)
      assert.equal(
        (await cloud.ask(route.method, path, { token: demo, body })).status, 403, `${route.method} ${route.path}`,
      )
      assert.equal((await cloud.ask(route.method, path, { body })).status, 401, `${route.method} ${route.path}`)
    }
  })
})
