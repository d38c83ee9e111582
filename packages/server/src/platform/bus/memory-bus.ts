/** The bus of a single process. It behaves as NATS does: copies, in order, never in the publisher's own call. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { systemClock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import type { Log } from '#platform/log/log.ts'
import { answerOf, assertPattern, assertSubject, matches, noResponder, replyOf, timedOut } from './bus.ts'
import type { Bus, Handler, Reply, RequestOptions, Responder, Subscription } from './bus.ts'

interface Listener { pattern: string; handler: Handler }
interface Answerer { pattern: string; responder: Responder }

/** Subjects whose listeners are remembered; names of things may be part of subjects, so there is no end to them. */
const routesMax = 1000

export function createMemoryBus({ log = silentLog }: { log?: Log } = {}): Bus {
  return new MemoryBus(log)
}

class MemoryBus implements Bus {
  readonly #log: Log
  readonly #listeners = new Set<Listener>()
  readonly #answerers = new Set<Answerer>()
  readonly #routes = new Map<string, Listener[]>()
  /** Handlers must not inherit the publisher's open transaction, as those in another process would not. */
  readonly #outside = AsyncLocalStorage.snapshot()
  #delivering = Promise.resolve()
  #turn = 0
  #closed = false

  constructor(log: Log) { this.#log = log }

  publish(subject: string, data: unknown): void {
    this.#assertOpen()
    assertSubject(subject)
    const listeners = this.#route(subject)
    if (listeners.length === 0) return
    const text = JSON.stringify(data)
    this.#delivering = this.#delivering.then(() => this.#outside(() => this.#deliver(listeners, text, subject)))
  }

  subscribe(pattern: string, handler: Handler): Subscription {
    this.#assertOpen()
    assertPattern(pattern)
    const listener = { pattern, handler }
    this.#listeners.add(listener)
    this.#routes.clear()
    return { unsubscribe: () => { this.#listeners.delete(listener); this.#routes.clear() } }
  }

  async request(subject: string, data: unknown, { timeoutMs }: RequestOptions): Promise<unknown> {
    this.#assertOpen()
    assertSubject(subject)
    const answerer = this.#answerer(subject)
    if (answerer === undefined) throw noResponder(subject)
    const text = JSON.stringify(data)
    const reply = Promise.resolve().then(() => this.#outside(() => replyOf(answerer.responder, copy(text), subject)))
    return answerOf(copy(JSON.stringify(await within(reply, timeoutMs, subject))) as Reply)
  }

  respond(pattern: string, responder: Responder): Subscription {
    this.#assertOpen()
    assertPattern(pattern)
    const answerer = { pattern, responder }
    this.#answerers.add(answerer)
    return { unsubscribe: () => { this.#answerers.delete(answerer) } }
  }

  flush(): Promise<void> { return this.#delivering }

  async close(): Promise<void> {
    this.#closed = true
    this.#listeners.clear()
    this.#answerers.clear()
    this.#routes.clear()
  }

  #deliver(listeners: Listener[], text: string | undefined, subject: string): void {
    for (const listener of listeners) {
      if (this.#listeners.has(listener)) this.#call(listener, text, subject)
    }
  }

  #call({ handler, pattern }: Listener, text: string | undefined, subject: string): void {
    const complain = (error: unknown) => this.#log.error({ err: error, subject, pattern }, 'A bus handler failed')
    try {
      handler(copy(text), subject)?.catch(complain)
    } catch (error) {
      complain(error)
    }
  }

  #route(subject: string): Listener[] {
    const known = this.#routes.get(subject)
    if (known !== undefined) return known
    const listeners = [...this.#listeners].filter(({ pattern }) => matches(pattern, subject))
    if (this.#routes.size >= routesMax) this.#routes.clear()
    this.#routes.set(subject, listeners)
    return listeners
  }

  #answerer(subject: string): Answerer | undefined {
    const candidates = [...this.#answerers].filter(({ pattern }) => matches(pattern, subject))
    return candidates[this.#turn++ % candidates.length]
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('The bus is closed')
  }
}

const copy = (text: string | undefined): unknown => text === undefined ? undefined : JSON.parse(text)

/** Waits in real time: a timeout guards against a responder that hangs, which no test clock can end. */
async function within<T>(work: Promise<T>, timeoutMs: number, subject: string): Promise<T> {
  const done = new AbortController()
  const late = systemClock.sleep(timeoutMs, done.signal).then(() => {
    if (!done.signal.aborted) throw timedOut(subject, timeoutMs)
    return work
  })
  try {
    return await Promise.race([work, late])
  } finally {
    done.abort()
  }
}
