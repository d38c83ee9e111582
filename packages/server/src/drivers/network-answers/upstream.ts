/** One question to one resolver: over UDP, and again over TCP when the reply did not fit. */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { randomInt } from 'node:crypto'
import { answers, isTruncated } from './dns-message.ts'

export interface Upstream {
  address: string
  port: number
}

const tcpBytesMax = 65_535

/** A fresh id and a fresh socket for each question: a stranger would have to guess both. Rejects with the signal. */
export async function ask(upstream: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  const own = Buffer.from(query)
  own.writeUInt16BE(randomInt(0x10000), 0)
  const reply = await overUdp(upstream, own, signal)
  const whole = isTruncated(reply) ? await overTcp(upstream, own, signal).catch(() => reply) : reply
  const result = Buffer.from(whole)
  result.writeUInt16BE(query.readUInt16BE(0), 0)
  return result
}

function overUdp({ address, port }: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const end = (finish: () => void): void => {
      signal.removeEventListener('abort', giveUp)
      socket.removeAllListeners().on('error', () => undefined)
      socket.close()
      finish()
    }
    const giveUp = (): void => end(() => reject(new Error(`${address} does not answer`)))
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp)
    socket.on('error', (error) => end(() => reject(error)))
    socket.on('message', (reply) => {
      if (answers(reply, query)) end(() => resolve(reply))
    })
    // Connected, the kernel drops what others send, and tells of a port that nobody listens on.
    socket.connect(port, address, () => socket.send(query))
  })
}

function overTcp({ address, port }: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, signal })
    let received = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`${address} closed the connection`)))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const reply = firstFrame(received)
      if (reply === undefined) return
      if (answers(reply, query)) resolve(reply)
      socket.destroy()
    })
    socket.on('connect', () => socket.write(framed(query)))
  })
}

/** DNS over TCP puts the length before each message. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(Math.min(message.length, tcpBytesMax), 0)
  return Buffer.concat([length, message])
}

/** The first whole message of what came in; undefined: more must come. */
export function firstFrame(received: Buffer): Buffer | undefined {
  if (received.length < 2) return undefined
  const length = received.readUInt16BE(0)
  return received.length >= 2 + length ? received.subarray(2, 2 + length) : undefined
}
