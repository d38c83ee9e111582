/** Kinds become statuses and bodies here and nowhere else: each service's own fault format. */
import { STATUS_CODES } from 'node:http'
import { isRefusal, type ErrorKind, Refusal } from '#platform/errors/errors.ts'
import type { QuotaReason, RefusalDetails } from '#platform/errors/errors.ts'
import type { FaultStyle } from '#platform/api-kit/service.ts'

const statuses: Record<ErrorKind, number> = {
  badRequest: 400, unauthorized: 401, forbidden: 403, notFound: 404, methodNotAllowed: 405, notAcceptable: 406,
  conflict: 409, gone: 410, preconditionFailed: 412, overLimit: 403, tooLarge: 413, tooMany: 429,
  unsupportedMediaType: 415, unprocessable: 422, internal: 500, unsupported: 501, unavailable: 503,
}

/** Where a service answers a kind differently from the rest. */
const exceptions: Partial<Record<FaultStyle, Partial<Record<ErrorKind, number>>>> = {
  neutron: { overLimit: 409 },
  glance: { overLimit: 413 },
  cinder: { overLimit: 413 },
}

const novaKeys: Record<number, string> = {
  400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound', 405: 'badMethod',
  409: 'conflictingRequest', 413: 'overLimit', 415: 'badMediaType', 429: 'overLimit', 501: 'notImplemented',
  503: 'serviceUnavailable',
}

interface Fault { status: number; message: string; refusal: Refusal; requestId: string }
type FaultWriter = (fault: Fault) => object

const title = (status: number) => STATUS_CODES[status] ?? 'Error'

const keystoneFault: FaultWriter = ({ status, message }) => ({ error: { code: status, title: title(status), message } })

/** Our own services add what programs read: quota's whole reason, else the code. Upstream's bodies stay upstream's. */
const plainFault: FaultWriter = ({ status, message, refusal: { details } }) => ({
  error: { code: status, title: title(status), message, ...detailsOf(details) },
})

const detailsOf = ({ quota, reason, field }: RefusalDetails): { details?: QuotaReason } => {
  if (quota) return { details: quota }
  return reason === undefined ? {} : { details: { code: reason, field } }
}

const novaFault: FaultWriter = ({ status, message, refusal }) => ({
  [novaKeys[status] ?? 'computeFault']: {
    code: status, message,
    ...(refusal.kind === 'tooMany' || status === 413 ? { retryAfter: '0' } : {}),
  },
})

const neutronTypes: Partial<Record<ErrorKind, string>> = {
  notFound: 'HTTPNotFound', badRequest: 'HTTPBadRequest', forbidden: 'PolicyNotAuthorized', overLimit: 'OverQuota',
  conflict: 'Conflict', preconditionFailed: 'RevisionNumberConstraintFailed',
}

const neutronFault: FaultWriter = ({ status, message, refusal }) => {
  const type = refusal.details.type && refusal.details.type !== 'ValidationError' ? refusal.details.type : undefined
  return { NeutronError: { type: type ?? neutronTypes[refusal.kind] ?? `HTTP${status}`, message, detail: '' } }
}

const glanceFault: FaultWriter = ({ status, message }) =>
  ({ message, code: `${status} ${title(status)}`, title: title(status) })

const heatFault: FaultWriter = ({ status, message, refusal }) => ({
  code: status, title: title(status), explanation: message,
  error: { type: refusal.details.type ?? refusal.kind, message, traceback: null },
})

const sigFault = (service: string): FaultWriter => ({ status, message, refusal, requestId }) => ({
  errors: [{
    status, title: title(status), detail: message, request_id: requestId,
    code: refusal.details.code ?? refusal.details.reason ?? `${service}.${refusal.kind}`, links: [],
    ...(refusal.kind === 'notAcceptable'
      ? { min_version: refusal.details.min_version, max_version: refusal.details.max_version }
      : {}),
  }],
})

const writers: Record<FaultStyle, FaultWriter> = {
  keystone: keystoneFault, nova: novaFault, cinder: novaFault, neutron: neutronFault, glance: glanceFault,
  heat: heatFault, placement: sigFault('placement'), magnum: sigFault('magnum'), plain: plainFault,
}

/** What no body of upstream has room for, the same at every door. */
const quotaHeaders = ({ quota }: RefusalDetails): Record<string, string> => ({
  ...(quota && { 'X-Quota-Reason': quota.code }),
  ...(quota?.retry_after !== undefined && { 'Retry-After': String(quota.retry_after) }),
})

/** The status, headers and body with which a style tells an error. 401 is the token middleware's, so one for all. */
export const faultOf = (error: unknown, style: FaultStyle, requestId: string) => {
  const refusal = isRefusal(error)
    ? error
    : new Refusal('internal', 'Unexpected error. Please report the request id to the operator.', {}, error)
  const status = exceptions[style]?.[refusal.kind] ?? statuses[refusal.kind]
  const write = status === 401 ? keystoneFault : writers[style]
  return {
    status,
    headers: { ...quotaHeaders(refusal.details), ...refusal.details.headers },
    body: write({ status, message: refusal.message, refusal, requestId }),
  }
}

/** How each style words a policy refusal. */
export const deniedMessage = (style: FaultStyle, rule: string): string => {
  if (style === 'keystone') return `You are not authorized to perform the requested action: ${rule}.`
  if (style === 'neutron') return `(rule:${rule}) is disallowed by policy`
  if (style === 'glance') return `You are not authorized to complete ${rule} action.`
  return `Policy doesn't allow ${rule} to be performed.`
}
