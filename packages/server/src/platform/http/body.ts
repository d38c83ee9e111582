/** Reads request bodies: JSON within a limit, or the stream as it is. */
import type { IncomingMessage } from 'node:http'
import { badRequest, tooLarge, unsupportedMediaType } from '#platform/errors/errors.ts'
import type { BodySpec, StreamBody, TypedJsonBody } from '#platform/api-kit/route.ts'
import type { TSchema } from '#platform/api-kit/schema.ts'

export const jsonBytesMax = 4 * 1024 * 1024

export const isStream = (body: BodySpec | undefined): body is StreamBody => (body as StreamBody)?.kind === 'stream'
const isTyped = (body: BodySpec): body is TypedJsonBody<TSchema> => (body as TypedJsonBody<TSchema>).kind === 'json'

export const schemaOf = (body: BodySpec | undefined): TSchema | undefined => {
  if (!body || isStream(body)) return undefined
  return isTyped(body) ? body.schema : body
}

const read = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of message) {
    sizeBytes += chunk.length
    if (sizeBytes > jsonBytesMax) throw tooLarge(`Request body is larger than ${jsonBytesMax} bytes`)
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

const checkMediaType = (message: IncomingMessage, body: BodySpec): void => {
  const asked = (message.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase()
  const allowed = isTyped(body) ? body.mediaTypes : ['application/json']
  if (!allowed.includes(asked)) {
    throw unsupportedMediaType(`Unsupported Content-Type ${asked}: send ${allowed.join(' or ')}`, {
      headers: { 'Accept-Patch': allowed.join(', ') },
    })
  }
}

/** The parsed JSON of a request whose route wants one. An absent body is `undefined`. */
export const readJson = async (message: IncomingMessage, body: BodySpec): Promise<unknown> => {
  const bytes = await read(message)
  if (!bytes.length) return undefined
  checkMediaType(message, body)
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw badRequest('The server could not comply with the request since the body is not valid JSON.', {}, error)
  }
}
