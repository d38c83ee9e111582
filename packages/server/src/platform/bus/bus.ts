/** The bus: doorbells, requests and replies between processes, with the subjects and wildcards of NATS. */
import { Refusal, unavailable } from '#platform/errors/errors.ts'
import type { ErrorKind, RefusalDetails } from '#platform/errors/errors.ts'

export interface Subscription { unsubscribe(): void }

/** Handlers may be called twice for one message and must not mind. What they throw is logged. */
export type Handler = (data: unknown, subject: string) => void | Promise<void>
export type Responder = (data: unknown, subject: string) => unknown

export interface RequestOptions { timeoutMs: number }

/**
 * Subjects are words joined by dots; in patterns `*` is any one word and a final `>` one or more.
 * Data is whatever JSON can carry; receivers get a copy.
 */
export interface Bus {
  /** Sends to whoever listens now; never calls a handler before it returns. */
  publish(subject: string, data: unknown): void
  subscribe(pattern: string, handler: Handler): Subscription
  /**
   * Resolves with the reply of one responder. Throws the responder's own refusal, or `unavailable` (reason
   * `noResponder` or `timeout`).
   */
  request(subject: string, data: unknown, options: RequestOptions): Promise<unknown>
  /** Answers requests. Of several responders to one pattern, in any process, each request reaches one. */
  respond(pattern: string, responder: Responder): Subscription
  /** Resolves when everything published so far has left this process. */
  flush(): Promise<void>
  close(): Promise<void>
}

const wordPattern = /^[^\s.*>]+$/

/** Throws unless `subject` can be published to. */
export function assertSubject(subject: string): void {
  if (!subject.split('.').every((word) => wordPattern.test(word))) {
    throw new Error(`"${subject}" is not a subject: it must be words joined by dots, without spaces, * or >`)
  }
}

/** Throws unless `pattern` can be subscribed to. */
export function assertPattern(pattern: string): void {
  const words = pattern.split('.')
  const fine = words.every(
    (word, at) => wordPattern.test(word) || word === '*' || (word === '>' && at === words.length - 1),
  )
  if (!fine) throw new Error(`"${pattern}" is not a pattern: words, * for one word, and > only at the end`)
}

export function matches(pattern: string, subject: string): boolean {
  const words = pattern.split('.')
  const found = subject.split('.')
  for (const [at, word] of words.entries()) {
    if (word === '>') return found.length > at
    if (at >= found.length || (word !== '*' && word !== found[at])) return false
  }
  return words.length === found.length
}

/** A reply as it travels: the answer, or what the responder threw. */
export interface Reply { answer?: unknown; error?: { message: string; kind?: ErrorKind; details?: RefusalDetails } }

export async function replyOf(responder: Responder, data: unknown, subject: string): Promise<Reply> {
  try {
    return { answer: await responder(data, subject) }
  } catch (error) {
    if (error instanceof Refusal) return { error: { message: error.message, kind: error.kind, details: error.details } }
    return { error: { message: error instanceof Error ? error.message : String(error) } }
  }
}

export function answerOf({ answer, error }: Reply): unknown {
  if (error === undefined) return answer
  throw error.kind === undefined ? new Error(error.message) : new Refusal(error.kind, error.message, error.details)
}

export const noResponder = (subject: string): Refusal =>
  unavailable(`Nobody answers requests for "${subject}" now`, { reason: 'noResponder' })

export const timedOut = (subject: string, timeoutMs: number): Refusal =>
  unavailable(`No reply to "${subject}" within ${timeoutMs} ms`, { reason: 'timeout' })
