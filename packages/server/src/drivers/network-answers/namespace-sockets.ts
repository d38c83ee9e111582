/** Opens sockets inside another network namespace, without a process that stays there. */
import { spawn } from 'node:child_process'
import type { Socket as UdpSocket } from 'node:dgram'
import type { Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { unavailable } from '#platform/errors/errors.ts'

export interface SocketAsk {
  kind: 'udp' | 'tcp'
  address: string
  port: number
}

/** What the opener says with each handle. `index` is the place among the asks. */
export interface OpenedMessage {
  index: number
  error?: string
}

export type OpenSocket = SocketAsk & ({ kind: 'udp'; socket: UdpSocket } | { kind: 'tcp'; socket: Server })

const patienceMs = 20_000
const program = fileURLToPath(new URL('./opener.ts', import.meta.url))
/** What strips types weighs 20 MiB, and half of a child: with the cache that `quaystone` names, nobody loads it. */
const cache = process.env.NODE_COMPILE_CACHE

/**
 * All the sockets, or none: what was opened is closed again when another cannot be. Throws `unavailable` with the
 * reason, e.g. an address that the namespace does not have yet.
 */
export async function openSockets(netns: string, asks: SocketAsk[]): Promise<OpenSocket[]> {
  const opened: OpenSocket[] = []
  try {
    await run(netns, asks, (index, handle) => opened.push({ ...asks[index]!, socket: handle } as OpenSocket))
    if (opened.length < asks.length) throw unavailable(`only ${opened.length} of ${asks.length} sockets were opened`)
    return opened
  } catch (error) {
    for (const { socket } of opened) socket.close()
    throw error
  }
}

function run(netns: string, asks: SocketAsk[], take: (index: number, handle: unknown) => void): Promise<void> {
  const node = [process.execPath, program, JSON.stringify(asks)]
  const child = spawn('nsenter', [`--net=${netns}`, ...node], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    timeout: patienceMs,
    killSignal: 'SIGKILL',
    env: {
      PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`,
      NODE_NO_WARNINGS: '1',
      ...(cache !== undefined && { NODE_COMPILE_CACHE: cache }),
    },
  })
  let complaints = ''
  let failure: string | undefined
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  child.on('message', (message: OpenedMessage, handle: unknown) => {
    const { address, port } = asks[message.index]!
    if (message.error !== undefined) failure ??= `${address} port ${port}: ${message.error}`
    else take(message.index, handle)
  })
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(unavailable(`Sockets in ${netns} cannot be opened: ${reason}`))
    child.once('error', (error) => fail(error.message))
    child.once('close', (code, signal) => {
      if (failure !== undefined) fail(failure)
      else if (code !== 0) fail(complaints.trim() || `the opener ended with ${signal ?? code}`)
      else resolve()
    })
  })
}
