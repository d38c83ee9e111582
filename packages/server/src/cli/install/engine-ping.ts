/** Asks a Docker Engine on a Unix socket whether it is there. */
import { request } from 'node:http'

/** `denied`: an engine listens there, but this user may not talk to it. */
export type EngineAnswer = 'ready' | 'absent' | 'denied'

const timeoutMs = 3_000

export function pingEngine(socketPath: string): Promise<EngineAnswer> {
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: timeoutMs }, (reply) => {
      reply.resume()
      resolve(reply.statusCode === 200 ? 'ready' : 'absent')
    })
    ping.on('timeout', () => ping.destroy(new Error(`no answer in ${timeoutMs} ms`)))
    ping.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EACCES' ? 'denied' : 'absent'))
    ping.end()
  })
}
