/** A link between the cloud and an agent: calls in both directions, sealed, in order, with streams and callbacks. */
import type { Clock } from '#platform/clock/clock.ts'
import { Refusal, unavailable } from '#platform/errors/errors.ts'
import type { ErrorKind, RefusalDetails } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import { ReferenceTable, Scope } from './references.ts'
import { Sealer, Unsealer } from './seal.ts'
import { fromBytes, pack, toBytes, unpack } from './values.ts'

/** Answers the other side's calls. */
export type Serve = (method: string, args: unknown[]) => Promise<unknown>

export interface LinkOptions {
  /** One key for each direction. */
  keys: { toThem: Buffer; toUs: Buffer }
  /** Carries a text to the other side: in order, perhaps not at all. */
  send(text: string): void
  serve: Serve
  /** Of the other side, for sentences: `host north`. */
  peer: string
  clock: Clock
  log: Log
}

type Failure = { message: string; kind?: ErrorKind; details?: RefusalDetails }
type Message =
  | { is: 'call'; id: number; method: string; args: unknown }
  | { is: 'done'; id: number; value: unknown }
  | { is: 'failed'; id: number; error: Failure }
  | { is: 'abort' | 'drop'; id: number }
  | { is: 'alive' }
  | { is: 'bye'; reason: string }

interface Pending {
  resolve(value: unknown): void
  reject(error: unknown): void
  scope: Scope
}

const aliveMs = 2_000
/** Silence of so many rounds of ours: a round that comes late because this process was busy is still one. */
const silentRoundsMax = 5
/** A message is cut so that each part, in base64, is well below a NATS server's limit of 1 MiB. */
const partBytesMax = 384 * 1024

/** Words of the link itself; methods of a service never begin so. */
const own = { pull: '$pull', invoke: '$invoke' } as const

export class Link {
  readonly #options: LinkOptions
  readonly #sealer: Sealer
  readonly #unsealer: Unsealer
  readonly #references: ReferenceTable
  readonly #pending = new Map<number, Pending>()
  readonly #ended = new AbortController()
  #lastCall = 0
  #parts: Buffer[] = []
  #silentRounds = 0

  constructor(options: LinkOptions) {
    this.#options = options
    this.#sealer = new Sealer(options.keys.toThem)
    this.#unsealer = new Unsealer(options.keys.toUs)
    this.#references = new ReferenceTable({
      pull: (id) => this.call(own.pull, [id]) as Promise<Buffer | null>,
      drop: (id) => this.#send({ is: 'drop', id }),
      invoke: (id, args) => this.call(own.invoke, [id, args]),
      abort: (id) => this.#send({ is: 'abort', id }),
    })
    void this.#keepAlive()
  }

  /** Aborts when the link is closed, by whichever side or by silence. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /**
   * Asks the other side. Streams, functions and signals may be anywhere in the arguments and in the answer. Throws
   * what the other side threw, with its kind; `unavailable` (reason `link`) when the link ends first.
   */
  async call(method: string, args: unknown[]): Promise<unknown> {
    if (this.ended.aborted) throw this.ended.reason
    const scope = new Scope()
    const id = ++this.#lastCall
    const answer = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject, scope }))
    this.#send({ is: 'call', id, method, args }, scope)
    try {
      return await answer
    } finally {
      scope.release()
    }
  }

  /** What arrived for this side. What the other side did not seal is ignored. */
  receive(text: unknown): void {
    if (this.ended.aborted) return
    const opened = this.#unsealer.open(text)
    if (opened === undefined) return
    if (!opened.isNext) return this.close('messages were lost on the way')
    this.#silentRounds = 0
    this.#parts.push(opened.plain.subarray(1))
    if (opened.plain[0] === 1) return
    const whole = Buffer.concat(this.#parts)
    this.#parts = []
    this.#handle(whole)
  }

  /** Ends what is under way on this side; the other side is told, if it can be. */
  close(reason: string): void {
    if (this.ended.aborted) return
    this.#send({ is: 'bye', reason })
    this.#end(reason)
  }

  #end(reason: string): void {
    const error = unavailable(`The connection to ${this.#options.peer} ended: ${reason}`, { reason: 'link' })
    this.#ended.abort(error)
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
    this.#references.close(error)
  }

  async #keepAlive(): Promise<void> {
    while (!this.ended.aborted) {
      await this.#options.clock.sleep(aliveMs, this.ended)
      if (this.ended.aborted) return
      if (++this.#silentRounds > silentRoundsMax) return this.close('it has been silent for too long')
      this.#send({ is: 'alive' })
    }
  }

  /** @param scope of the call whose arguments these are. An answer's references hold their scope. */
  #send(message: Message, scope = new Scope()): void {
    if (this.ended.aborted) return
    const bytes = toBytes(pack(message, this.#references.within(scope, message.is === 'done')))
    try {
      for (let from = 0; from < bytes.length; from += partBytesMax) {
        const isMore = from + partBytesMax < bytes.length
        const part = bytes.subarray(from, from + partBytesMax)
        this.#options.send(this.#sealer.seal(Buffer.concat([Buffer.of(isMore ? 1 : 0), part])))
      }
    } catch (error) {
      this.#options.log.warn({ err: error, peer: this.#options.peer }, 'A message could not be sent')
      this.#end((error as Error).message)
    }
  }

  #handle(bytes: Buffer): void {
    const travelling = fromBytes(bytes)
    const { is, id } = travelling.header as Message & { id: number }
    const read = <M extends Message>(scope = new Scope()): M =>
      unpack(travelling, this.#references.within(scope, is === 'done')) as M
    if (is === 'call') void this.#answer(id, read)
    else if (is === 'done') this.#settle(id, (pending) => pending.resolve(read<DoneMessage>(pending.scope).value))
    else if (is === 'failed') this.#settle(id, (pending) => pending.reject(errorOf(read<FailedMessage>().error)))
    else if (is === 'abort') this.#references.abort(id)
    else if (is === 'drop') this.#references.drop(id)
    else if (is === 'bye') this.#end(read<Extract<Message, { is: 'bye' }>>().reason)
  }

  #settle(id: number, how: (pending: Pending) => void): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (pending) how(pending)
  }

  async #answer(id: number, read: (scope: Scope) => CallMessage): Promise<void> {
    const scope = new Scope()
    try {
      const { method, args } = read(scope)
      const value = await this.#perform(method, args as unknown[])
      this.#send({ is: 'done', id, value }, scope)
    } catch (error) {
      this.#send({ is: 'failed', id, error: failureOf(error) })
    } finally {
      scope.release()
    }
  }

  #perform(method: string, args: unknown[]): Promise<unknown> {
    if (method === own.pull) return this.#references.pull(args[0] as number)
    if (method === own.invoke) return this.#references.invoke(args[0] as number, args[1] as unknown[])
    return this.#options.serve(method, args)
  }
}

type CallMessage = Extract<Message, { is: 'call' }>
type DoneMessage = Extract<Message, { is: 'done' }>
type FailedMessage = Extract<Message, { is: 'failed' }>

const failureOf = (error: unknown): Failure => {
  if (error instanceof Refusal) return { message: error.message, kind: error.kind, details: error.details }
  return { message: error instanceof Error ? error.message : String(error) }
}

const errorOf = ({ message, kind, details }: Failure): Error =>
  kind === undefined ? new Error(message) : new Refusal(kind, message, details)
