/** Runs for a moment inside a network's namespace: opens the sockets it is told to, and hands them to its parent. */
import type { SendHandle } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { OpenedMessage, SocketAsk } from './namespace-sockets.ts'

const asks = JSON.parse(process.argv.at(-1) ?? '[]') as SocketAsk[]

const hand = (message: OpenedMessage, handle?: SendHandle): Promise<void> =>
  new Promise((resolve, reject) =>
    process.send!(message, handle, {}, (error: Error | null) => (error ? reject(error) : resolve())),
  )

async function open(index: number, { kind, address, port }: SocketAsk): Promise<void> {
  if (kind === 'udp') {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' })
    socket.bind({ address, port })
    await once(socket, 'listening')
    return await hand({ index }, socket)
  }
  const server = createServer()
  server.listen({ host: address, port })
  await once(server, 'listening')
  await hand({ index }, server)
}

process.once('disconnect', () => process.exit(1))
for (const [index, ask] of asks.entries()) {
  try {
    await open(index, ask)
  } catch (error) {
    await hand({ index, error: (error as Error).message })
  }
}
// What was handed over is open here too, and would keep this process for ever.
process.exit(0)
