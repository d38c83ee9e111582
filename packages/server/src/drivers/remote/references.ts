/** What cannot travel stays where it is and is reached by number: streams, functions, signals. */
import { Duplex, Readable } from 'node:stream'
import type { Reference, References } from './values.ts'

/** What the other side can be asked about references it gave. */
export interface FarSide {
  /** The next bytes of a stream of theirs; null at its end. */
  pull(id: number): Promise<Buffer | null>
  /** A stream of theirs is not wanted any more. */
  drop(id: number): void
  invoke(id: number, args: unknown[]): Promise<unknown>
  abort(id: number): void
}

type Handler = (...args: unknown[]) => unknown

/** Bytes of one pull at most. */
const pullBytesMax = 256 * 1024

class Source {
  readonly stream: Readable
  #iterator: AsyncIterator<Buffer | string> | undefined
  #rest = Buffer.alloc(0)
  constructor(stream: Readable) {
    this.stream = stream
    stream.on('error', () => undefined) // the pull that meets it tells it
  }

  async pull(): Promise<Buffer | null> {
    this.#iterator ??= this.stream[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>
    if (this.#rest.length === 0) {
      const { done, value } = await this.#iterator.next()
      if (done) return null
      this.#rest = Buffer.from(value)
    }
    const now = this.#rest.subarray(0, pullBytesMax)
    this.#rest = this.#rest.subarray(now.length)
    return now
  }
}

/** The references of one call: they live until it is answered, and until the streams of its answer are done. */
export class Scope {
  #holds = 1
  readonly #ends: (() => void)[] = []
  hold(): void {
    this.#holds++
  }
  release(): void {
    if (--this.#holds === 0) for (const end of this.#ends.splice(0)) end()
  }
  onEnd(end: () => void): void {
    this.#ends.push(end)
  }
}

export class ReferenceTable {
  readonly #far: FarSide
  #last = 0
  readonly #sources = new Map<number, Source>()
  /** Of answers' streams, which live until the other side drops them. */
  readonly #releases = new Map<number, () => void>()
  readonly #functions = new Map<number, Handler>()
  /** Signals of the other side, by its numbers. */
  readonly #signals = new Map<number, AbortController>()
  readonly #taken = new Set<Readable>()

  constructor(far: FarSide) {
    this.#far = far
  }

  /** `holds`: the streams given or taken keep the scope alive, as those of an answer do. */
  within(scope: Scope, holds: boolean): References {
    const taken = <S extends Readable>(stream: S): S => {
      if (holds) scope.hold()
      if (holds) stream.once('close', () => scope.release())
      return stream
    }
    const given = (stream: Readable): number => {
      const id = this.#source(stream, scope)
      if (holds) scope.hold()
      if (holds) this.#releases.set(id, () => scope.release())
      return id
    }
    return {
      give: (value) => {
        if (typeof value === 'function') return { kind: 'function', id: this.#function(value as Handler, scope) }
        if (value instanceof AbortSignal) return this.#giveSignal(value, scope)
        if (value instanceof Duplex) return this.#giveDuplex(value, given(value), scope)
        if (value instanceof Readable) return { kind: 'stream', id: given(value) }
        return undefined
      },
      take: (reference) => {
        if (reference.kind === 'function') return (...args: unknown[]) => this.#invokeFar(reference.id, args)
        if (reference.kind === 'signal') return this.#takeSignal(reference, scope)
        return taken(reference.kind === 'duplex' ? this.#takeDuplex(reference) : this.#takeStream(reference.id))
      },
    }
  }

  async pull(id: number): Promise<Buffer | null> {
    return (await this.#sources.get(id)?.pull()) ?? null
  }

  drop(id: number): void {
    this.#sources.get(id)?.stream.destroy()
    this.#sources.delete(id)
    this.#releases.get(id)?.()
    this.#releases.delete(id)
  }

  async invoke(id: number, args: unknown[]): Promise<unknown> {
    const handler = this.#functions.get(id)
    if (handler === undefined) throw new Error('The call that this function belongs to is over')
    return await handler(...args)
  }

  abort(id: number): void {
    this.#signals.get(id)?.abort()
  }

  /** The link is gone: nobody asks for what was given, and nothing more comes of what was taken. */
  close(reason: Error): void {
    for (const { stream } of this.#sources.values()) stream.destroy()
    for (const stream of this.#taken) stream.destroy(reason)
    for (const controller of this.#signals.values()) controller.abort()
    this.#functions.clear()
  }

  /** Callers of a listener do not wait for it, so its failure must not be left unhandled; who waits still meets it. */
  #invokeFar(id: number, args: unknown[]): Promise<unknown> {
    const answer = this.#far.invoke(id, args)
    answer.catch(() => undefined)
    return answer
  }

  /** It stays when the stream closes, for then some of what was read of it may not have been pulled yet. */
  #source(stream: Readable, scope: Scope): number {
    const id = ++this.#last
    this.#sources.set(id, new Source(stream))
    scope.onEnd(() => this.#sources.delete(id))
    return id
  }

  #function(handler: Handler, scope: Scope): number {
    const id = ++this.#last
    this.#functions.set(id, handler)
    scope.onEnd(() => this.#functions.delete(id))
    return id
  }

  #giveSignal(signal: AbortSignal, scope: Scope): Reference {
    const id = ++this.#last
    const tell = () => this.#far.abort(id)
    signal.addEventListener('abort', tell, { once: true })
    scope.onEnd(() => signal.removeEventListener('abort', tell))
    return { kind: 'signal', id, aborted: signal.aborted }
  }

  #takeSignal({ id, aborted }: Reference, scope: Scope): AbortSignal {
    const controller = new AbortController()
    if (aborted === true) controller.abort()
    this.#signals.set(id, controller)
    scope.onEnd(() => this.#signals.delete(id))
    return controller.signal
  }

  #giveDuplex(stream: Duplex, id: number, scope: Scope): Reference {
    const write = (chunk: unknown) =>
      new Promise<void>((resolve, reject) => {
        const done = (error?: Error | null) => (error ? reject(error) : resolve())
        if (chunk === null) stream.end(() => resolve())
        else stream.write(chunk, done)
      })
    return { kind: 'duplex', id, write: this.#function(write, scope) }
  }

  #takeStream(id: number): Readable {
    const far = this.#far
    return this.#adopt(
      id,
      new Readable({
        read() {
          far.pull(id).then(
            (chunk) => this.push(chunk),
            (error: Error) => this.destroy(error),
          )
        },
      }),
    )
  }

  #takeDuplex({ id, write }: Reference): Duplex {
    const far = this.#far
    const send = (chunk: unknown, done: (error?: Error | null) => void) =>
      far.invoke(Number(write), [chunk]).then(() => done(), done)
    return this.#adopt(
      id,
      new Duplex({
        read() {
          far.pull(id).then(
            (chunk) => this.push(chunk),
            (error: Error) => this.destroy(error),
          )
        },
        write: (chunk: unknown, _encoding, done) => void send(chunk, done),
        final: (done) => void send(null, done),
      }),
    )
  }

  #adopt<S extends Readable>(id: number, stream: S): S {
    this.#taken.add(stream)
    stream.on('error', () => undefined) // whoever reads it meets the error; nobody else has to
    stream.once('close', () => {
      this.#taken.delete(stream)
      this.#far.drop(id)
    })
    return stream
  }
}
