/** HTTP towards containers: says who asks (which network, which address) and passes the request on. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import type { AskMetadata, MetadataReply } from '#services/metadata/ports.ts'

const bodyBytesMax = 16_384
const requestTimeoutMs = 15_000
const idleMs = 5_000

export class MetadataDoor {
  readonly #server: Server
  readonly #ask: AskMetadata
  readonly #log: Log
  readonly #networks = new WeakMap<Socket, string>()

  constructor(ask: AskMetadata, log: Log) {
    this.#ask = ask
    this.#log = log
    this.#server = createServer(
      { requestTimeout: requestTimeoutMs, keepAliveTimeout: idleMs },
      (request, response) => {
        void this.#handle(request, response)
      },
    )
  }

  /** A connection that came in through a network's own socket. */
  accept(socket: Socket, networkId: string): void {
    this.#networks.set(socket, networkId)
    this.#server.emit('connection', socket)
  }

  close(): void {
    this.#server.closeAllConnections()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body } = await this.#replyTo(request)
    const bytes = Buffer.from(body, 'base64')
    response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.length, connection: 'close' })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }

  async #replyTo(request: IncomingMessage): Promise<MetadataReply> {
    try {
      const body = await bodyOf(request)
      if (body === undefined) return plain(413, `A request may have ${bodyBytesMax} bytes`)
      return await this.#ask({
        networkId: this.#networks.get(request.socket) ?? '',
        address: request.socket.remoteAddress ?? '',
        method: request.method ?? 'GET',
        path: request.url ?? '/',
        body: body.toString('base64'),
      })
    } catch (error) {
      if (isRefusal(error) && error.kind === 'unavailable') return plain(503, error.message)
      this.#log.error({ err: error }, 'A request for metadata failed')
      return plain(500, 'An unknown error has occurred. Please try your request again.')
    }
  }
}

const plain = (status: number, text: string): MetadataReply => ({
  status,
  contentType: 'text/plain; charset=UTF-8',
  body: Buffer.from(`${text}\n`).toString('base64'),
})

/** Undefined: it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
