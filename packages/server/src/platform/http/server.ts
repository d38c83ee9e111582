/** The HTTP server: every service's routes on one port by path, with OpenStack's manners for what matches none. */
import { fastify, type FastifyInstance, type HTTPMethods } from 'fastify'
import { requestId } from '#platform/ids/ids.ts'
import { methodNotAllowed, notFound, badRequest } from '#platform/errors/errors.ts'
import type { Route } from '#platform/api-kit/route.ts'
import type { FaultStyle, ServiceManifest } from '#platform/api-kit/service.ts'
import { RouteDoor, type BoundService, type DoorOptions } from './door.ts'
import { faultOf } from './faults.ts'

export interface ServerOptions extends DoorOptions {
  services: BoundService[]
  /** Extra plain pages (metrics, health, root): path → answer. */
  pages: { path: string; handle: () => Promise<{ type: string; body: string }> | { type: string; body: string } }[]
}

const allMethods: HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'COPY', 'OPTIONS']
const projectSegment = /^\/([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\/)/

/** `/servers/{id}` below the service's root, in the router's own words. */
export const urlOf = (manifest: ServiceManifest, route: Route): string => {
  const root = manifest.prefix + (route.at === 'root' ? '' : manifest.versionPath)
  const path = route.path === '/' ? '' : route.path.replace('{*}', '*').replace(/\{(\w+)\}/g, ':$1')
  return root + path || '/'
}

type RawRequest = { url?: string; headers: Record<string, unknown> }

/** Takes a project id out of the path and remembers it, so that routes need not know. */
const withoutProject = (raw: RawRequest, url: string, root: string): string => {
  const match = projectSegment.exec(url.slice(root.length))
  if (!match) return url
  raw.headers['x-quaystone-path-project'] = match[1]
  return root + url.slice(root.length + match[0].length)
}

/** An empty last id becomes one that no resource has. */
const withEmptyId = (url: string, root: string): string => {
  const [path = '', query] = url.split('?', 2)
  if (!path.endsWith('/') || path.length <= root.length + 1) return url
  return `${path}%2F${query === undefined ? '' : `?${query}`}`
}

const rewriter = (services: BoundService[]) => {
  const roots = services.map(({ manifest }) => ({ manifest, root: manifest.prefix + manifest.versionPath }))
  return (raw: RawRequest): string => {
    const url = raw.url ?? '/'
    delete raw.headers['x-quaystone-path-project']
    const found = roots.find(({ root }) => url.startsWith(`${root}/`))
    const path = found?.manifest.projectInPath ? withoutProject(raw, url, found.root) : url
    return found?.manifest.strictSlash ? withEmptyId(path, found.root) : path
  }
}

const styleAt = (services: BoundService[], url: string): FaultStyle =>
  services.find(({ manifest }) => url.startsWith(manifest.prefix))?.manifest.faults ?? 'plain'

const refuse = (services: BoundService[], error: unknown) => (request: any, out: any) => {
  const id = requestId()
  const fault = faultOf(error, styleAt(services, request.url), id)
  return out
    .code(fault.status)
    .headers({ 'X-Openstack-Request-Id': id, ...fault.headers })
    .type('application/json')
    .send(JSON.stringify(fault.body))
}

/** Registers a 405 with `Allow` for each method that a known path does not have. */
const refuseOtherMethods = (
  server: FastifyInstance,
  services: BoundService[],
  known: Map<string, Set<string>>,
): void => {
  for (const [url, methods] of known) {
    const others = allMethods.filter((method) => !methods.has(method))
    const error = methodNotAllowed('Method not allowed.', { headers: { Allow: [...methods].join(', ') } })
    server.route({ method: others, url, handler: refuse(services, error) })
  }
}

const register = (server: FastifyInstance, options: ServerOptions): void => {
  const known = new Map<string, Set<string>>()
  for (const service of options.services) {
    for (const route of service.manifest.routes) {
      const url = urlOf(service.manifest, route)
      const shape = url.replace(/:\w+/g, ':x')
      const twin = [...known.keys()].find((one) => one.replace(/:\w+/g, ':x') === shape) ?? url
      const methods = known.get(twin) ?? new Set()
      known.set(twin, methods.add(route.method))
      if (route.method === 'GET') methods.add('HEAD')
      server.route({
        method: route.method as HTTPMethods,
        url,
        handler: new RouteDoor(service, route, options).serve,
      })
    }
  }
  refuseOtherMethods(server, options.services, known)
}

/** Builds the server; `listen` is the caller's. */
export const createServer = (options: ServerOptions): FastifyInstance => {
  const server = fastify({
    logger: false,
    bodyLimit: Number.MAX_SAFE_INTEGER,
    exposeHeadRoutes: true,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    rewriteUrl: rewriter(options.services) as never,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: false, maxParamLength: 16_384 },
    frameworkErrors: (error: Error, request: any, out: any) =>
      refuse(options.services, badRequest('The request URL is not valid', {}, error))(request, out) as never,
  } as never) as unknown as FastifyInstance
  server.addHttpMethod('COPY')
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', (_request, _payload, done) => done(null))
  server.setNotFoundHandler(refuse(options.services, notFound('The resource could not be found.')))
  server.setErrorHandler((error, request, out) => refuse(options.services, error)(request, out))
  for (const page of options.pages) {
    server.get(page.path, async (_request, out) => {
      const { type, body } = await page.handle()
      return out.type(type).send(body)
    })
  }
  register(server, options)
  return server
}
