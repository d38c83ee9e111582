/** A resolver of the world, small enough for a test: it knows two names and says nothing of others. */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** An address for documentation (RFC 5737), on the loopback for as long as the test lasts. */
export const worldResolver = '192.0.2.53'
export const outside = { short: 'short.outside.example', long: 'long.outside.example', address: '198.51.100.7' }

const typeA = 1
const longCount = 60

export interface SmallDns {
  /** Names that were asked for, in order. */
  readonly asked: string[]
  close(): void
}

const nameOf = (query: Buffer): { name: string; end: number } => {
  const labels: string[] = []
  let at = 12
  while (query[at]! > 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!))
    at += 1 + query[at]!
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 }
}

/** One address, sixty of them, or no such name. Over UDP the sixty do not fit. */
function answerTo(query: Buffer, isUdp: boolean): { name: string; reply: Buffer } {
  const { name, end } = nameOf(query)
  const isA = query.readUInt16BE(end - 4) === typeA
  const count = name === outside.short ? 1 : name === outside.long ? longCount : 0
  const isCut = isUdp && count > 20
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(0x8180 | (isCut ? 0x0200 : 0) | (count === 0 ? 3 : 0), 2)
  const shown = isCut || !isA ? 0 : count
  for (const [at, value] of [1, shown, 0, 0].entries()) header.writeUInt16BE(value, 4 + at * 2)
  const last = Number(outside.address.split('.')[3])
  const records = Array.from({ length: shown }, (_, at) =>
    Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, last + at]),
  )
  return { name, reply: Buffer.concat([header, query.subarray(12, end), ...records]) }
}

export async function startSmallDns(): Promise<SmallDns> {
  execFileSync('ip', ['address', 'replace', `${worldResolver}/32`, 'dev', 'lo'])
  const asked: string[] = []
  const udp = createSocket('udp4').bind(53, worldResolver)
  udp.on('message', (query, { port, address }) => {
    const { name, reply } = answerTo(query, true)
    asked.push(name)
    udp.send(reply, port, address)
  })
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (data) => {
      const { reply } = answerTo(data.subarray(2), false)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(reply.length)
      socket.end(Buffer.concat([length, reply]))
    })
  }).listen(53, worldResolver)
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
  return {
    asked,
    close: () => {
      udp.close()
      tcp.close()
      execFileSync('ip', ['address', 'delete', `${worldResolver}/32`, 'dev', 'lo'])
    },
  }
}
