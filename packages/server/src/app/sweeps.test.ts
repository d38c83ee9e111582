/** The derived sweeps over every route: no token, wrong method, version, body, id, query. Never a 500. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  malformedBodies,
  strangeIds,
  strangeQueries,
  unauthenticated,
  wrongMethods,
  wrongVersions,
  type SweepRequest,
} from '#platform/api-kit/sweeps.ts'
import { services } from './services.ts'
import { startTestCloud, type TestCloud } from './testing.ts'

let cloud: TestCloud
const tokens: Record<string, string> = {}

before(async () => {
  cloud = await startTestCloud()
  for (const user of ['admin', 'demo'] as const) tokens[user] = await cloud.login(user)
})
after(() => cloud.close())

const sweep = async (requests: SweepRequest[], token?: string): Promise<void> => {
  const wrong: string[] = []
  for (const { method, url, headers, body, expect, route, why } of requests) {
    const answer = await cloud.server.inject({
      method: method as 'GET',
      url,
      payload: body,
      headers: { ...(token && { 'x-auth-token': token }), ...headers },
    })
    if (!expect.includes(answer.statusCode))
      wrong.push(`${route}: ${method} ${url} (${why}) answered ${answer.statusCode}: ${answer.body.slice(0, 200)}`)
  }
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} of ${requests.length} answers were wrong`)
}

for (const service of services.filter(({ routes }) => routes.length)) {
  test(`${service.name}: nothing but open routes answers without a token`, () => sweep(unauthenticated(service)))
  test(`${service.name}: a method the path lacks is 405`, () => sweep(wrongMethods(service)))
  test(`${service.name}: versions out of range are refused`, () => sweep(wrongVersions(service), tokens.admin))
  for (const user of ['admin', 'demo']) {
    test(`${service.name}: malformed bodies never fail the server (${user})`, () =>
      sweep(malformedBodies(service), tokens[user]))
    test(`${service.name}: strange ids never fail the server (${user})`, async () => {
      const harmless = strangeIds(service).filter(
        ({ method, url }) => !(method === 'DELETE' && url.includes('/auth/tokens')),
      )
      await sweep(harmless, tokens[user])
    })
    test(`${service.name}: strange queries never fail the server (${user})`, () =>
      sweep(strangeQueries(service), tokens[user]))
  }
}
