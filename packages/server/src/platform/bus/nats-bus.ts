/** The bus between processes: NATS, by its own client. */
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { silentLog } from '#platform/log/log.ts'
import type { Log } from '#platform/log/log.ts'
import { unavailable } from '#platform/errors/errors.ts'
import { answerOf, assertPattern, assertSubject, noResponder, replyOf, timedOut } from './bus.ts'
import type { Bus, Handler, Reply, RequestOptions, Responder, Subscription } from './bus.ts'

export interface NatsBusOptions {
  /** `nats://host:4222`, or several with commas between; the first may hold `user:password@` or `token@`. */
  url: string
  token?: string
  /** Shown in the server's list of connections. */
  name?: string
  log?: Log
}

/** Responders of one pattern share this group, so that one of them gets each request. */
const responders = 'responders'

/**
 * Connects, or fails with a sentence. Later losses are mended by the client, with its subscriptions; what is published
 * meanwhile may be lost, and then `flush` rejects.
 */
export async function createNatsBus({ url, token, name, log = silentLog }: NatsBusOptions): Promise<Bus> {
  // Loaded here, since a cloud of one process needs none of it.
  const client = await import('@nats-io/transport-node')
  try {
    const { servers, ...credentials } = readUrl(url)
    const connection = await client.connect({
      servers,
      ...credentials,
      ...(token !== undefined && { token }),
      name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
    })
    return new NatsBus(client, connection, log)
  } catch (error) {
    const where = url.replace(/[^/@,]*@/g, '')
    throw unavailable(`NATS at ${where} does not answer: ${(error as Error).message}`, { reason: 'bus' }, error)
  }
}

/** The client wants credentials apart from addresses. */
function readUrl(url: string): { servers: string[]; user?: string; pass?: string; token?: string } {
  const servers = url.split(',').map((one) => one.replace(/[^/@]*@/, ''))
  const [, user, pass] = /^(?:\w+:\/\/)?([^:@/]+)(?::([^@]*))?@/.exec(url) ?? []
  if (user === undefined) return { servers }
  if (pass === undefined) return { servers, token: decodeURIComponent(user) }
  return { servers, user: decodeURIComponent(user), pass: decodeURIComponent(pass) }
}

type Client = typeof import('@nats-io/transport-node')

class NatsBus implements Bus {
  readonly #client: Client
  readonly #connection: NatsConnection
  readonly #log: Log

  constructor(client: Client, connection: NatsConnection, log: Log) {
    this.#client = client
    this.#connection = connection
    this.#log = log
    void this.#watch()
  }

  publish(subject: string, data: unknown): void {
    assertSubject(subject)
    this.#connection.publish(subject, JSON.stringify(data))
  }

  subscribe(pattern: string, handler: Handler): Subscription {
    assertPattern(pattern)
    const complain = (error: unknown) => this.#log.error({ err: error, pattern }, 'A bus handler failed')
    return this.#connection.subscribe(pattern, {
      callback: (error, message) => {
        if (error !== null) return complain(error)
        try {
          handler(dataOf(message), message.subject)?.catch(complain)
        } catch (thrown) {
          complain(thrown)
        }
      },
    })
  }

  async request(subject: string, data: unknown, { timeoutMs }: RequestOptions): Promise<unknown> {
    assertSubject(subject)
    const message = await this.#ask(subject, data, timeoutMs)
    return answerOf(dataOf(message) as Reply)
  }

  respond(pattern: string, responder: Responder): Subscription {
    assertPattern(pattern)
    return this.#connection.subscribe(pattern, {
      queue: responders,
      callback: (error, message) => {
        if (error === null) void this.#answer(responder, message)
        else this.#log.error({ err: error, pattern }, 'A request could not be received')
      },
    })
  }

  flush(): Promise<void> { return this.#connection.flush() }

  /** Without a server there is nobody to say goodbye to. */
  async close(): Promise<void> {
    if (this.#connection.isClosed()) return
    try {
      await this.#connection.drain()
    } catch (error) {
      this.#log.warn({ err: error }, 'The bus was away when it was closed')
      await this.#connection.close()
    }
  }

  async #ask(subject: string, data: unknown, timeoutMs: number): Promise<Msg> {
    try {
      return await this.#connection.request(subject, JSON.stringify(data), { timeout: timeoutMs })
    } catch (error) {
      if (error instanceof this.#client.RequestError && error.isNoResponders()) throw noResponder(subject)
      if (error instanceof this.#client.TimeoutError) throw timedOut(subject, timeoutMs)
      throw error
    }
  }

  async #answer(responder: Responder, message: Msg): Promise<void> {
    const reply = await replyOf(responder, dataOf(message), message.subject)
    try {
      message.respond(JSON.stringify(reply))
    } catch (error) {
      this.#log.warn({ err: error, subject: message.subject }, 'A reply could not be sent')
    }
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') this.#log.warn('The bus is disconnected; trying again until it is back')
      if (type === 'reconnect') this.#log.info('The bus is connected again')
    }
  }
}

const dataOf = (message: Msg): unknown => message.data.length === 0 ? undefined : message.json()
