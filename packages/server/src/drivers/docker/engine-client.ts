/** HTTP to one container engine: version negotiation, kept connections, upgraded streams, errors as refusals. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Pool, type Dispatcher } from 'undici'
import { isRefusal } from '#platform/errors/errors.ts'
import { chooseApiVersion } from './api-version.ts'
import { connectionRefusal, refusalOf } from './engine-errors.ts'

export interface EngineAddress { socketPath?: string; /** `tcp://192.0.2.1:2375` */ host?: string }

export interface Call {
  query?: Record<string, string | number | boolean | undefined>
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is, as `application/x-tar`. */
  tar?: Readable | Buffer
  signal?: AbortSignal
  /** Until the answer's head; 0 waits for ever. */
  timeoutMs?: number
}

export interface Answer { status: number; headers: Record<string, string | string[] | undefined>; body: Readable }

type Target = { socketPath: string } | { host: string; port: number }

const pingTimeoutMs = 5_000
const answerTimeoutMs = 120_000

export class EngineClient {
  readonly address: string
  readonly #target: Target
  readonly #pool: Pool
  #version: Promise<string> | undefined

  constructor({ socketPath, host }: EngineAddress) {
    if (host !== undefined) {
      const url = new URL(host)
      this.#target = { host: url.hostname, port: Number(url.port || 2375) }
    } else this.#target = { socketPath: socketPath ?? '/var/run/docker.sock' }
    this.address =
      'socketPath' in this.#target
        ? `unix://${this.#target.socketPath}`
        : `tcp://${this.#target.host}:${this.#target.port}`
    const [origin, connect] = 'socketPath' in this.#target
      ? ['http://engine', { socketPath: this.#target.socketPath }] as const
      : [`http://${this.#target.host}:${this.#target.port}`, {}] as const
    this.#pool = new Pool(origin, {
      connect: { timeout: pingTimeoutMs, ...connect },
      bodyTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: 60_000,
    })
  }

  /** The negotiated API version; asked once, and again after the connection was lost. */
  version(): Promise<string> {
    this.#version ??= this.#negotiate().catch((error: unknown) => { this.#version = undefined; throw error })
    return this.#version
  }

  /** The engine is asked for its version again before the next call, since it may have been upgraded. */
  forgetVersion(): void { this.#version = undefined }

  async #negotiate(): Promise<string> {
    const answer = await this.#dispatch({ method: 'GET', path: '/_ping', headersTimeout: pingTimeoutMs })
    await text(answer.body)
    const offered = answer.headers['api-version']
    return chooseApiVersion(Array.isArray(offered) ? offered[0] : offered)
  }

  /** An answer below 400; its body must be read or destroyed. 4xx and 5xx throw. */
  async open(method: Dispatcher.HttpMethod, path: string, call: Call = {}): Promise<Answer> {
    const answer = await this.#dispatch({
      method,
      path: await this.#path(path, call.query),
      signal: call.signal,
      headersTimeout: call.timeoutMs ?? answerTimeoutMs,
      headers: contentHeaders(call),
      body: call.json === undefined ? call.tar : JSON.stringify(call.json),
    })
    if (answer.status < 400) return answer
    const refusal = refusalOf(answer.status, await text(answer.body))
    if (/client version .* is too (new|old)/i.test(refusal.message)) this.forgetVersion()
    throw refusal
  }

  /** The whole answer, parsed; undefined when it is empty or says "not modified". */
  async json<T>(method: Dispatcher.HttpMethod, path: string, call: Call = {}): Promise<T> {
    const body = await this.text(method, path, call)
    return (body === '' ? undefined : JSON.parse(body)) as T
  }

  async text(method: Dispatcher.HttpMethod, path: string, call: Call = {}): Promise<string> {
    const answer = await this.open(method, path, call)
    return await text(answer.body).catch((error: unknown) => { throw connectionRefusal(error, this.address) })
  }

  /** POSTs and turns the connection into a full-duplex stream (Docker's `Upgrade: tcp`). */
  async hijack(path: string, body: unknown): Promise<Duplex> {
    const data = JSON.stringify(body)
    const headers = {
      host: 'engine',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(data),
      connection: 'Upgrade',
      upgrade: 'tcp',
    }
    const versioned = await this.#path(path)
    return await new Promise<Duplex>((resolve, reject) => {
      const request = httpRequest({ ...this.#target, method: 'POST', path: versioned, headers })
      request.once('upgrade', (_answer, socket, head) => {
        if (head.length > 0) socket.unshift(head)
        resolve(socket)
      })
      request.once('response', (answer) => { void refuseUpgrade(answer).catch(reject) })
      request.once('error', (error) => reject(connectionRefusal(error, this.address)))
      request.end(data)
    })
  }

  async close(): Promise<void> { await this.#pool.destroy() }

  async #path(path: string, query: Call['query'] = {}): Promise<string> {
    const given = Object.entries(query)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)])
    const search = given.length > 0 ? `?${new URLSearchParams(given as [string, string][])}` : ''
    return `/v${await this.version()}${path}${search}`
  }

  /** A GET on a kept connection that the engine closed meanwhile is asked once more. */
  async #dispatch(options: Dispatcher.RequestOptions): Promise<Answer> {
    try {
      return await this.#once(options)
    } catch (error) {
      this.forgetVersion()
      if (options.method === 'GET' && (error as { code?: string }).code === 'UND_ERR_SOCKET') {
        return await this.#once(options).catch((again: unknown) => { throw connectionRefusal(again, this.address) })
      }
      throw isRefusal(error) ? error : connectionRefusal(error, this.address)
    }
  }

  async #once(options: Dispatcher.RequestOptions): Promise<Answer> {
    const { statusCode, headers, body } = await this.#pool.request(options)
    return { status: statusCode, headers, body }
  }
}

function contentHeaders(call: Call): Record<string, string> {
  if (call.json !== undefined) return { 'content-type': 'application/json' }
  return call.tar === undefined ? {} : { 'content-type': 'application/x-tar' }
}

async function refuseUpgrade(answer: IncomingMessage): Promise<never> {
  throw refusalOf(answer.statusCode ?? 500, await text(answer))
}
