/** Times in request bodies, as Keystone's clients write them. */
import { isoSeconds } from '#platform/clock/clock.ts'
import { badRequest } from '#platform/errors/errors.ts'

const form = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/

/** Milliseconds of an `expires_at`; without a zone it is UTC. */
export const expiryOf = (text: string | null | undefined): number | null => {
  if (text === null || text === undefined) return null
  const at = form.test(text) ? Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`) : NaN
  if (!Number.isNaN(at)) return at
  throw badRequest(
    'Timestamp not in expected format. The server could not comply with the request since it is either malformed'
      + ' or otherwise incorrect. The client is assumed to be in error.',
    { field: 'expires_at' },
  )
}

/** With the microseconds that milliseconds cannot hold, in UTC and without a zone. */
export const exactTimeOf = (text: string | null | undefined): { at: number; text: string } | undefined => {
  const at = expiryOf(text)
  if (at === null) return undefined
  const fraction = /\.(\d+)/.exec(text ?? '')?.[1] ?? ''
  return { at, text: `${isoSeconds(at).slice(0, 19)}.${fraction.padEnd(6, '0').slice(0, 6)}` }
}
