/** The door: one ordered list of steps that every request passes, from bytes to a manager's answer and back. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { badRequest, forbidden, notFound, unauthorized } from '#platform/errors/errors.ts'
import { requestId } from '#platform/ids/ids.ts'
import type { Enforcer } from '#platform/auth/enforcer.ts'
import type { RequestContext, TokenData, TokenValidator } from '#platform/auth/context.ts'
import type { Log } from '#platform/log/log.ts'
import { Reply, type ApiRequest, type Route } from '#platform/api-kit/route.ts'
import type { ServiceManifest } from '#platform/api-kit/service.ts'
import { isWithin, negotiateVersion, versionHeaders } from '#platform/api-kit/versions.ts'
import { VersionedValidator } from '#platform/api-kit/validation.ts'
import { cutFor, type Cut } from '#platform/api-kit/windows.ts'
import { isAdmitted } from './access-rules.ts'
import { isStream, readJson, schemaOf } from './body.ts'
import { makeContext, openContext } from './context.ts'
import { deniedMessage, faultOf } from './faults.ts'
import { queryOf } from './query.ts'
import { addressOf, hostUrlOf } from './origin.ts'

/** A service as the door sees it: manifest, what handlers receive, its policy. */
export interface BoundService {
  manifest: ServiceManifest
  api: unknown
  policy: Enforcer
}

export interface DoorOptions {
  validator: TokenValidator
  log: Log
  /** Where clients see this server; default: the request's own Host header. */
  publicUrl?: string
  observe(routeId: string, method: string, status: number, seconds: number): void
}

interface Exchange {
  request: FastifyRequest
  requestId: string
  headers: Record<string, string>
  version: string
}

/** One route, ready to serve: validators compiled once, cuts remembered per version. */
export class RouteDoor {
  readonly #service: BoundService
  readonly #route: Route
  readonly #options: DoorOptions
  readonly #body: VersionedValidator | undefined
  readonly #query: VersionedValidator | undefined
  readonly #cuts = new Map<string, Cut | undefined>()

  constructor(service: BoundService, route: Route, options: DoorOptions) {
    this.#service = service
    this.#route = route
    this.#options = options
    const schema = schemaOf(route.body)
    this.#body = schema && new VersionedValidator(schema, 'body')
    this.#query = route.query && new VersionedValidator(route.query, 'query')
  }

  serve = async (request: FastifyRequest, out: FastifyReply): Promise<FastifyReply> => {
    const started = performance.now()
    const exchange: Exchange = { request, requestId: requestId(), headers: {}, version: '' }
    this.#identify(exchange)
    try {
      const answer = await this.#answer(exchange)
      return this.#send(out, exchange, answer)
    } catch (error) {
      return this.#fail(out, exchange, error)
    } finally {
      const seconds = (performance.now() - started) / 1000
      this.#options.observe(
        `${this.#service.manifest.name}:${this.#route.id}`,
        request.method,
        out.statusCode,
        seconds,
      )
    }
  }

  async #answer(exchange: Exchange): Promise<Reply> {
    const version = this.#negotiate(exchange)
    const context = await this.#admit(exchange, version)
    const asked = await this.#read(exchange, version)
    const result = await this.#route.handler(this.#service.api, context, asked)
    return this.#lower(result, version)
  }

  #identify(exchange: Exchange): void {
    exchange.headers['X-Openstack-Request-Id'] = exchange.requestId
    const { faults } = this.#service.manifest
    if (faults === 'nova' || faults === 'cinder') exchange.headers['X-Compute-Request-Id'] = exchange.requestId
  }

  #negotiate(exchange: Exchange): string {
    const { microversions } = this.#service.manifest
    if (!microversions) return '0.0'
    const version = negotiateVersion(exchange.request.headers, microversions)
    exchange.version = version
    Object.assign(exchange.headers, versionHeaders(microversions, version))
    if (this.#route.at !== 'root' && !isWithin(version, this.#route))
      throw notFound('The resource could not be found.')
    return version
  }

  async #admit(exchange: Exchange, version: string): Promise<RequestContext> {
    const { manifest, policy } = this.#service
    const hostUrl = hostUrlOf(exchange.request.raw, this.#options.publicUrl)
    const parts = {
      requestId: exchange.requestId,
      version,
      policy,
      hostUrl,
      adminRule: manifest.adminRule,
      faults: manifest.faults,
      baseUrl: `${hostUrl}${manifest.prefix}${manifest.versionPath}`,
      remoteAddress: addressOf(exchange.request.raw),
      globalRequestId: exchange.request.headers['x-openstack-request-id'] as string | undefined,
    }
    if (this.#route.policy === 'open') return openContext(parts)
    const token = await this.#authenticate(exchange, hostUrl)
    const context = makeContext({ ...parts, token })
    this.#checkAccess(exchange, token)
    if (this.#route.policy !== 'authenticated') context.enforce(this.#route.policy)
    return context
  }

  async #authenticate(exchange: Exchange, hostUrl: string): Promise<TokenData> {
    const given = exchange.request.headers['x-auth-token']
    const token = typeof given === 'string' && given ? await this.#options.validator.validate(given) : undefined
    if (token) return token
    throw unauthorized('The request you have made requires authentication.', {
      headers: { 'WWW-Authenticate': `Keystone uri="${hostUrl}/identity"` },
    })
  }

  #checkAccess(exchange: Exchange, token: TokenData): void {
    const { manifest } = this.#service
    const project = exchange.request.raw.headers['x-quaystone-path-project']
    if (project && token.project && project !== token.project.id) {
      throw badRequest(
        `Malformed request URL: URL's project_id '${project}' doesn't match Context's project_id '${token.project.id}'`,
      )
    }
    const rules = token.applicationCredential?.accessRules
    if (!rules) return
    const path = exchange.request.url.split('?')[0]!.slice(manifest.prefix.length)
    const services = manifest.catalog.map((entry) => entry.type)
    if (isAdmitted(rules, { services, method: exchange.request.method, path })) return
    throw forbidden(deniedMessage(manifest.faults, 'application credential access rules'))
  }

  async #read(exchange: Exchange, version: string): Promise<ApiRequest<any, any>> {
    const { request } = exchange
    const query = queryOf(request.raw.url ?? '', this.#route.query)
    this.#query?.check(query, version)
    return {
      params: request.params as Record<string, string>,
      query,
      headers: request.headers,
      url: request.raw.url ?? '',
      body: await this.#readBody(request, version),
    }
  }

  async #readBody(request: FastifyRequest, version: string): Promise<unknown> {
    const { body: spec, up } = this.#route
    if (!spec) return undefined
    if (isStream(spec)) return request.raw
    const body = await readJson(request.raw, spec)
    this.#body?.check(body, version)
    return up ? up(body, version) : body
  }

  /** Cuts the newest view down to the asked version. */
  #lower(result: unknown, version: string): Reply {
    const answer = result instanceof Reply ? result : new Reply({ body: result })
    if (answer.body === undefined || answer.body instanceof Readable) return answer
    const cut = this.#cutAt(version)
    const view = cut ? cut(answer.body) : answer.body
    const { down } = this.#route
    return new Reply({ status: answer.status, headers: answer.headers, body: down ? down(view, version) : view })
  }

  #cutAt(version: string): Cut | undefined {
    if (!this.#cuts.has(version)) this.#cuts.set(version, cutFor(this.#route.reply.schema, version))
    return this.#cuts.get(version)
  }

  #send(out: FastifyReply, exchange: Exchange, answer: Reply): FastifyReply {
    const vary = mergeVary(exchange.headers.Vary, answer.headers.Vary)
    out.code(answer.status ?? this.#route.reply.status).headers({ ...exchange.headers, ...answer.headers, ...vary })
    if (answer.body === undefined || out.statusCode === 204 || out.statusCode === 304) return out.send()
    if (answer.body instanceof Readable || Buffer.isBuffer(answer.body)) {
      if (!out.hasHeader('content-type')) out.type(this.#route.reply.mediaType ?? 'application/octet-stream')
      return out.send(answer.body)
    }
    if (typeof answer.body === 'string')
      return out.type(this.#route.reply.mediaType ?? 'text/plain; charset=utf-8').send(answer.body)
    if (!out.hasHeader('content-type')) out.type(this.#route.reply.mediaType ?? 'application/json')
    return out.send(JSON.stringify(answer.body))
  }

  #fail(out: FastifyReply, exchange: Exchange, error: unknown): FastifyReply {
    const fault = faultOf(error, this.#service.manifest.faults, exchange.requestId)
    if (fault.status >= 500) {
      this.#options.log.error({ requestId: exchange.requestId, err: error }, `${this.#route.id} failed`)
    }
    // A body that was not read to its end would be taken for the next request on this connection.
    if (!exchange.request.raw.complete) out.header('Connection', 'close')
    out
      .code(fault.status)
      .headers({ ...exchange.headers, ...fault.headers })
      .type('application/json')
    return out.send(JSON.stringify(fault.body))
  }
}

const mergeVary = (one?: string, other?: string) =>
  one || other ? { Vary: [one, other].filter(Boolean).join(', ') } : {}
