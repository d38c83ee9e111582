/** The kinds of refusal a manager may throw. Only the door (`platform/http`) knows their HTTP statuses. */

export type ErrorKind =
  | 'badRequest' | 'unauthorized' | 'forbidden' | 'notFound' | 'methodNotAllowed' | 'notAcceptable'
  | 'conflict' | 'gone' | 'preconditionFailed' | 'overLimit' | 'tooLarge' | 'tooMany'
  | 'unsupportedMediaType' | 'unprocessable' | 'internal' | 'unsupported' | 'unavailable'

/**
 * Why quota says no, in the names of the wire. Nothing in it that whoever asks may not see: fields about an ancestor or
 * its other children are absent.
 */
export interface QuotaReason {
  /** Stable, for programs: `CEILING`, `RECLAIMING`, … (docs/quota.md). */
  code: string
  /** Seconds after which asking again can succeed. */
  retry_after?: number
  [told: string]: unknown
}

/** `type` is the service's own name for the error (Neutron's `NetworkNotFound`); `reason` a stable code. */
export interface RefusalDetails {
  type?: string
  reason?: string
  field?: string
  quota?: QuotaReason
  headers?: Record<string, string>
  [extra: string]: unknown
}

/** An expected "no": a kind, a sentence that names the field and the remedy, and machine-readable details. */
export class Refusal extends Error {
  readonly kind: ErrorKind
  readonly details: RefusalDetails
  constructor(kind: ErrorKind, message: string, details: RefusalDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'Refusal'
    this.kind = kind
    this.details = details
  }
}

const refuse = (kind: ErrorKind) => (message: string, details?: RefusalDetails, cause?: unknown) =>
  new Refusal(kind, message, details, cause)

export const badRequest = refuse('badRequest')
export const unauthorized = refuse('unauthorized')
export const forbidden = refuse('forbidden')
export const notFound = refuse('notFound')
export const methodNotAllowed = refuse('methodNotAllowed')
export const notAcceptable = refuse('notAcceptable')
export const conflict = refuse('conflict')
export const gone = refuse('gone')
export const preconditionFailed = refuse('preconditionFailed')
export const overLimit = refuse('overLimit')
export const tooLarge = refuse('tooLarge')
export const tooMany = refuse('tooMany')
export const unsupportedMediaType = refuse('unsupportedMediaType')
export const unprocessable = refuse('unprocessable')
export const unsupported = refuse('unsupported')
export const unavailable = refuse('unavailable')

export const isRefusal = (error: unknown): error is Refusal => error instanceof Refusal
