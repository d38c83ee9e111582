/** Requests that nobody writes by hand: for every route, what must be refused, derived from the route itself. */
import type { Action, Route } from './route.ts'
import type { ServiceManifest } from './service.ts'
import type { TSchema } from './schema.ts'
import { schemaAt } from './windows.ts'

type Json = Record<string, any>

export interface SweepRequest {
  route: string
  why: string
  method: string
  url: string
  headers: Record<string, string>
  body?: string
  /** Any of these is right. */
  expect: number[]
}

const someId = '11111111-2222-4333-8444-555555555555'
export const clientErrors = [400, 401, 403, 404, 405, 406, 409, 410, 411, 412, 413, 414, 415, 422, 428, 429]

const urlOf = (manifest: ServiceManifest, route: Route, id = someId): string => {
  const root = manifest.prefix + (route.at === 'root' ? '' : manifest.versionPath)
  return root + (route.path === '/' ? '' : route.path.replace(/\{[\w*]+\}/g, encodeURIComponent(id))) || '/'
}

const newest = (manifest: ServiceManifest, route: { until?: string }): Record<string, string> => {
  const { microversions } = manifest
  return microversions
    ? { 'openstack-api-version': `${microversions.service} ${route.until ?? microversions.max}` }
    : {}
}

const json = { 'content-type': 'application/json' }

/** Without a token, or with a bad one, nothing but open routes answers. */
export const unauthenticated = (manifest: ServiceManifest): SweepRequest[] =>
  manifest.routes
    .filter((route) => route.policy !== 'open')
    .flatMap((route) =>
      [{}, { 'x-auth-token': 'nonsense' }].map((headers) => ({
        route: route.id,
        why: 'no valid token',
        method: route.method,
        url: urlOf(manifest, route),
        expect: [401],
        headers: { ...headers, ...newest(manifest, route) } as Record<string, string>,
      })),
    )

/** A method that the path does not have. */
export const wrongMethods = (manifest: ServiceManifest): SweepRequest[] =>
  manifest.routes.map((route) => {
    const url = urlOf(manifest, route)
    const taken = new Set(
      manifest.routes.filter((other) => urlOf(manifest, other) === url).map(({ method }) => method),
    )
    const method =
      ['COPY', 'PATCH', 'PUT', 'DELETE', 'POST'].find((one) => !taken.has(one as Route['method'])) ?? 'OPTIONS'
    return { route: route.id, why: 'wrong method', method, url, headers: {}, expect: [405] }
  })

/** Beyond the service's versions, malformed, and just outside of a route's own window. */
export const wrongVersions = (manifest: ServiceManifest): SweepRequest[] => {
  const { microversions } = manifest
  if (!microversions) return []
  const at = (version: string) => ({ 'openstack-api-version': `${microversions.service} ${version}` })
  return manifest.routes.flatMap((route) =>
    [
      { why: 'version beyond the range', headers: at('99.99'), expect: [406] },
      { why: 'malformed version', headers: at('two'), expect: [400] },
      ...(route.since ? [{ why: 'before the route existed', headers: at(microversions.min), expect: [404] }] : []),
      ...(route.until ? [{ why: 'after the route ended', headers: at(microversions.max), expect: [404] }] : []),
    ].map((one) => ({ route: route.id, method: route.method, url: urlOf(manifest, route), ...one })),
  )
}

const jsonSchemaOf = (route: Route): TSchema | undefined => {
  const body = route.body as Json | undefined
  if (!body || body.kind === 'stream') return undefined
  return body.kind === 'json' ? body.schema : (body as TSchema)
}

const wrongValues = (schema: Json): unknown[] =>
  [null, -1, 'x'.repeat(70_000), [], {}, true, '\u0000', 1e308].filter(
    (value) => !(schema.type === 'object' && value && typeof value === 'object' && !Array.isArray(value)),
  )

/** Bodies that are not what the schema wants: broken JSON, wrong types at the top and one level in each object. */
const badBodies = (schema: Json, depth = 0): unknown[] => {
  const top: unknown[] = depth ? wrongValues(schema) : [null, [], 'text', 7, {}]
  if (!schema.properties || depth > 2) return top
  const inner = Object.entries<Json>(schema.properties).flatMap(([name, field]) =>
    badBodies(field, depth + 1).map((value) => ({ [name]: value })),
  )
  return [...top, ...inner]
}

const mediaTypeOf = (route: Route): Record<string, string> => {
  const types = (route.body as Json | undefined)?.mediaTypes as string[] | undefined
  return types?.[0] ? { 'content-type': types[0] } : json
}

const bodiesFor = (route: Route, version: string): string[] => {
  const schema = jsonSchemaOf(route)
  if (!schema) return []
  return ['{', '"', ...badBodies(schemaAt(schema, version)).map((body) => JSON.stringify(body))]
}

const actionBodies = (action: Action<any>, version: string): string[] => {
  const schema = action.body ? schemaAt(action.body, version) : {}
  return badBodies(schema).map((body) => JSON.stringify({ [action.key]: body }))
}

/** Whatever the body, the answer is a client error or a success: never a server error. */
export const malformedBodies = (manifest: ServiceManifest): SweepRequest[] => {
  const version = manifest.microversions?.max ?? '0.0'
  return manifest.routes.flatMap((route) => {
    const bodies = [
      ...bodiesFor(route, version),
      ...(route.actions ?? []).flatMap((action) => actionBodies(action, version)),
    ]
    return bodies.map((body) => ({
      route: route.id,
      why: `body ${body.slice(0, 60)}`,
      method: route.method,
      url: urlOf(manifest, route),
      body,
      headers: { ...mediaTypeOf(route), ...newest(manifest, route) },
      expect: [...clientErrors, 200, 201, 202, 204, 300],
    }))
  })
}

/** Ids that name nothing, in every shape: never a server error, and 404 where an id of the right shape is unknown. */
export const strangeIds = (manifest: ServiceManifest): SweepRequest[] =>
  manifest.routes
    .filter((route) => route.path.includes('{'))
    .flatMap((route) =>
      [someId, '-1', '0', 'x'.repeat(300), '%00', '\u0000', 'é', '...', "' or 1=1", '999999999999999999999'].map(
        (id) => ({
          route: route.id,
          why: `id ${id.slice(0, 20)}`,
          method: route.method,
          url: urlOf(manifest, route, id),
          headers: newest(manifest, route),
          expect: [...clientErrors, 200, 202, 204],
        }),
      ),
    )

/** Queries of the wrong shape on every list. */
export const strangeQueries = (manifest: ServiceManifest): SweepRequest[] =>
  manifest.routes
    .filter((route) => route.method === 'GET')
    .flatMap((route) =>
      [
        'limit=-1',
        'limit=x',
        'limit=99999999999999999999',
        'marker=nothing',
        'sort_key=nope',
        'sort_key=id&sort_dir=sideways',
        'limit=1&limit=2',
        '%ff=1',
        'name[]=1',
        'changes-since=yesterday',
        'sort=a:b:c',
        'name=%00',
        'all_tenants=maybe',
        'page_reverse=7',
      ].map((query) => ({
        route: route.id,
        why: `?${query}`,
        method: 'GET',
        url: `${urlOf(manifest, route)}?${query}`,
        headers: newest(manifest, route),
        expect: [...clientErrors, 200, 204, 300],
      })),
    )
