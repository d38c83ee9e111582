/** OpenAPI 3.1 documents, read off the route values. */
import type { BodySpec, Route, StreamBody, TypedJsonBody } from './route.ts'
import type { ServiceManifest } from './service.ts'
import type { TSchema } from './schema.ts'
import { schemaAt } from './windows.ts'

type Json = Record<string, unknown>

const pathOf = (manifest: ServiceManifest, route: Route): string => {
  const root = manifest.prefix + (route.at === 'root' ? '' : manifest.versionPath)
  return (root + (route.path === '/' ? '' : route.path)).replace('{*}', '{path}') || '/'
}

const parametersOf = (route: Route): Json[] => {
  const inPath = [...route.path.matchAll(/\{([\w*]+)\}/g)].map(([, name]) => ({
    name: name === '*' ? 'path' : name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const query = (route.query as Json | undefined)?.properties as Json | undefined
  const inQuery = Object.entries(query ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema,
  }))
  return [...inPath, ...inQuery]
}

const contentOf = (body: BodySpec, version: string): Json => {
  if ((body as StreamBody).kind === 'stream') {
    const types = (body as StreamBody).mediaTypes ?? ['application/octet-stream']
    return Object.fromEntries(types.map((type) => [type, { schema: { type: 'string', format: 'binary' } }]))
  }
  const typed = (body as TypedJsonBody<TSchema>).kind === 'json' ? (body as TypedJsonBody<TSchema>) : undefined
  const schema = schemaAt(typed?.schema ?? (body as TSchema), version)
  return Object.fromEntries((typed?.mediaTypes ?? ['application/json']).map((type) => [type, { schema }]))
}

const faultContent = { 'application/json': { schema: { $ref: '#/components/schemas/Fault' } } }

const responsesOf = (route: Route, version: string, hasFaultSchema: boolean): Json => {
  const { status, schema, mediaType = 'application/json' } = route.reply
  const success: Json = { description: route.summary }
  if (schema) success.content = { [mediaType]: { schema: schemaAt(schema, version) } }
  const refusals = [...new Set([400, ...(route.policy === 'open' ? [] : [401, 403]), ...(route.errors ?? [])])]
  const refusal = {
    description: "Refused, in the service's fault format",
    ...(hasFaultSchema && { content: faultContent }),
  }
  return {
    [status]: success,
    ...Object.fromEntries(refusals.map((code) => [code, refusal])),
  }
}

/** The verbs of an action route, each with its policy and window. */
const actionsOf = (route: Route): Json =>
  route.actions
    ? {
        'x-actions': route.actions.map(({ key, summary, policy, since, until, body }) => ({
          key,
          summary,
          policy,
          since,
          until,
          body,
        })),
      }
    : {}

const operationOf = (route: Route, version: string, hasFaultSchema: boolean): Json => ({
  operationId: route.id,
  summary: route.summary,
  parameters: parametersOf(route),
  ...(route.body && { requestBody: { required: true, content: contentOf(route.body, version) } }),
  responses: responsesOf(route, version, hasFaultSchema),
  'x-policy': route.policy,
  ...(route.since && { 'x-since': route.since }),
  ...(route.until && { 'x-until': route.until }),
  ...actionsOf(route),
})

/** The document of one service at its newest version. Windows stay visible as `x-since` and `x-until`. */
export const openapiOf = (manifest: ServiceManifest): Json => {
  const version = manifest.microversions?.max ?? '0.0'
  const paths: Record<string, Json> = {}
  for (const route of manifest.routes) {
    const path = pathOf(manifest, route)
    const operation = operationOf(route, version, manifest.faultSchema !== undefined)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: manifest.name,
      summary: manifest.about,
      version: manifest.microversions?.max ?? manifest.versionPath.slice(1),
    },
    paths,
    ...(manifest.faultSchema && { components: { schemas: { Fault: manifest.faultSchema } } }),
  }
}
