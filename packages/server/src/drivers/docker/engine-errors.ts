/** Turns the engine's refusals and broken connections into our kinds; the engine's own sentence is kept. */
import { Refusal, type ErrorKind } from '#platform/errors/errors.ts'

const kindByStatus: Record<number, ErrorKind> = {
  400: 'badRequest',
  401: 'forbidden',
  403: 'forbidden',
  404: 'notFound',
  406: 'badRequest',
  409: 'conflict',
  501: 'unsupported',
  503: 'unavailable',
}

/** The engine answers 500 to much that is the request's fault; its sentences tell. First match wins. */
const kindBySentence: [RegExp, ErrorKind][] = [
  [/port is already allocated|address already in use/i, 'conflict'],
  [/no space left on device|cannot allocate memory|too many open files/i, 'unavailable'],
  [/no such file or directory.*(bind|mount)|error mounting|invalid mount|bind source path/i, 'badRequest'],
  [
    /executable file not found|no command specified|exec format error|permission denied.*exec|is a directory.*exec/i,
    'badRequest',
  ],
  [
    /OCI runtime .*failed|unable to find user|no matching entries in passwd|error gathering device information/i,
    'badRequest',
  ],
  [/invalid tar header|archive\/tar|unexpected EOF|invalid character|manifest.json/i, 'badRequest'],
]

const kindOf = (status: number, message: string): ErrorKind =>
  kindByStatus[status] ?? kindBySentence.find(([pattern]) => pattern.test(message))?.[1] ?? 'internal'

const reasonOf = (message: string): string | undefined =>
  /no such container/i.test(message) ? 'container'
    : /no such image|not found: manifest|failed to find image/i.test(message) ? 'image'
      : /is already in use by container|name .* is (already )?in use/i.test(message) ? 'name'
        : /executable file not found/i.test(message) ? 'commandNotFound' : undefined

/** `{"message": "…"}` of any API version, or the text as it is. */
export function messageOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown }
    return typeof message === 'string' ? message.trim() : body.trim()
  } catch {
    return body.trim()
  }
}

export function refusalOf(status: number, body: string): Refusal {
  const message = messageOf(body) || `The container engine answered ${status} without a reason.`
  return new Refusal(kindOf(status, message), message, { reason: reasonOf(message), engineStatus: status })
}

/** An error inside a 200 answer's progress stream (image load, import). */
export const refusalOfProgress = (message: string): Refusal => refusalOf(500, JSON.stringify({ message }))

/** No answer at all. Aborts and our own refusals pass unchanged. */
export function connectionRefusal(error: unknown, address: string): unknown {
  if (error instanceof Refusal || (error instanceof Error && error.name === 'AbortError')) return error
  const code = (error as { code?: string })?.code
  if (code === undefined) return error
  const why = code === 'EACCES' ? 'permission denied' : code === 'ENOENT' ? 'no such socket' : code
  return new Refusal(
    'unavailable',
    `The container engine at ${address} does not answer (${why}): is its daemon running?`,
    { reason: 'engineDown' },
    error,
  )
}
