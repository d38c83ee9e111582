/** One route is one value: everything about it is read off it (validation, policy, OpenAPI, sweeps, metrics). */
import type { Readable } from 'node:stream'
import type { IncomingHttpHeaders } from 'node:http'
import type { Static, TSchema } from './schema.ts'
import type { RequestContext } from '../auth/context.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'COPY'

/** A request body that is handed over as a stream and never buffered. */
export interface StreamBody {
  kind: 'stream'
  mediaTypes?: string[]
}
/** A JSON Patch (RFC 6902) or another media type with a JSON body of its own. */
export interface TypedJsonBody<S extends TSchema> {
  kind: 'json'
  mediaTypes: string[]
  schema: S
}
export type BodySpec = TSchema | StreamBody | TypedJsonBody<TSchema>

export const streamBody = (mediaTypes?: string[]): StreamBody => ({ kind: 'stream', mediaTypes })
export const jsonBody = <S extends TSchema>(mediaTypes: string[], schema: S): TypedJsonBody<S> => ({
  kind: 'json',
  mediaTypes,
  schema,
})

export type BodyOf<B> = B extends StreamBody
  ? Readable
  : B extends TypedJsonBody<infer S>
    ? Static<S>
    : B extends TSchema
      ? Static<B>
      : undefined

export interface ApiRequest<Q, B> {
  /** Path parameters, decoded. */
  params: Record<string, string>
  /** Query values; a repeated key that the schema types as array arrives as one. */
  query: Q extends TSchema ? Static<Q> : Record<string, string | string[] | undefined>
  body: BodyOf<B>
  headers: IncomingHttpHeaders
  /** Path and query as asked, below the host: for `next` links. */
  url: string
}

/** An answer that needs more than a body. A `Readable` body is streamed. */
export class Reply<T = unknown> {
  readonly status: number | undefined
  readonly headers: Record<string, string>
  readonly body: T | undefined
  constructor(options: { status?: number; headers?: Record<string, string>; body?: T }) {
    this.status = options.status
    this.headers = options.headers ?? {}
    this.body = options.body
  }
}
export const reply = <T>(options: { status?: number; headers?: Record<string, string>; body?: T }) =>
  new Reply<T>(options)

export interface ReplySpec {
  status: number
  schema?: TSchema
  mediaType?: string
}

interface RouteShape<S, Q, B> {
  /** `servers.create`: the metrics label, the operation id. Unique in its service. */
  id: string
  method: Method
  /** `/servers/{server_id}`, below the service's versioned root; `{*}` at the end takes the rest with slashes. */
  path: string
  /** `root`: the path is below the service's prefix instead (version documents). */
  at?: 'version' | 'root'
  summary: string
  /**
   * A policy rule of the service; `authenticated`: any valid token (the manager enforces by target);
   * `open`: no token is looked at.
   */
  policy: string | 'authenticated' | 'open'
  query?: Q
  body?: B
  reply: ReplySpec
  /** HTTP statuses a client may meet besides 400/401/403 that the door itself answers. */
  errors?: number[]
  /** First and last microversion that has the route; outside it is 404, as upstream. */
  since?: string
  until?: string
  /** Lifts a body of an older version to the newest shape. */
  up?: (body: any, version: string) => unknown
  /** Lowers the newest reply to an older version's shape, after field windows. */
  down?: (view: any, version: string) => unknown
  /** The alternatives of an action route, for the sweeps and the reference. */
  actions?: readonly Action<any>[]
  handler: (api: S, ctx: RequestContext, request: ApiRequest<Q, B>) => unknown
}

export type Route<S = any> = RouteShape<S, any, any>

/** Types the handler's request from the schemas, then forgets them so that routes fit in one list. */
export const defineRoute = <
  S,
  const Q extends TSchema | undefined = undefined,
  const B extends BodySpec | undefined = undefined,
>(
  route: RouteShape<S, Q, B>,
): Route<S> => route as Route<S>

/** One verb of `POST …/action`: the body's single key names it. */
export interface Action<S> {
  key: string
  id: string
  summary: string
  policy: string
  body?: TSchema
  reply?: ReplySpec
  since?: string
  until?: string
  up?: (body: any, version: string) => unknown
  down?: (view: any, version: string) => unknown
  handler: (
    api: S,
    ctx: RequestContext,
    request: { params: Record<string, string>; body: any; headers: IncomingHttpHeaders; url: string },
  ) => unknown
}

export const defineAction = <S, B extends TSchema = TSchema>(
  action: Omit<Action<S>, 'handler' | 'body'> & {
    body?: B
    handler: (
      api: S,
      ctx: RequestContext,
      request: { params: Record<string, string>; body: Static<B>; headers: IncomingHttpHeaders; url: string },
    ) => unknown
  },
): Action<S> => action as Action<S>
