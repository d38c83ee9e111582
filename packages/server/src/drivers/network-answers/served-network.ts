/** One network that is being answered: its open sockets, and what comes in through them. */
import type { Socket as UdpSocket } from 'node:dgram'
import type { Server, Socket } from 'node:net'
import type { MetadataDoor } from './metadata-door.ts'
import type { OpenSocket, SocketAsk } from './namespace-sockets.ts'
import type { Resolver } from './resolver.ts'
import { firstFrame, framed } from './upstream.ts'

const dnsPort = 53
const httpPort = 80
const metadataAddress = '169.254.169.254'
/** Connections that one network may hold open, to each of its services. */
const connectionsMax = 256
const tcpIdleMs = 10_000
const frameBytesMax = 65_537

/**
 * The resolver is at every address of the network, the metadata service at its own. UDP comes last: a datagram that
 * arrives before its socket was handed over is lost, and its asker waits for seconds.
 */
export const socketsFor = (addresses: string[]): SocketAsk[] => [
  ...addresses.filter((address) => address === metadataAddress).map((address) => tcp(address, httpPort)),
  ...addresses.map((address) => tcp(address, dnsPort)),
  ...addresses.map((address): SocketAsk => ({ kind: 'udp', address, port: dnsPort })),
]

const tcp = (address: string, port: number): SocketAsk => ({ kind: 'tcp', address, port })

export interface Serving {
  networkId: string
  resolver: Resolver
  metadata: MetadataDoor
}

/** Lets the sockets answer. Neither they nor their connections keep this process from its end. */
export function serve(sockets: OpenSocket[], serving: Serving): void {
  for (const one of sockets) {
    // A socket of a namespace that is taken away may fail: the keeper opens others.
    one.socket.on('error', () => undefined)
    one.socket.unref()
    if (one.kind === 'udp') answerDatagrams(one.socket, serving.resolver)
    else acceptOn(one.socket, one.port, serving)
  }
}

function answerDatagrams(socket: UdpSocket, resolver: Resolver): void {
  socket.on('message', (message, { address, port }) => {
    void resolver.answer(message, address, 'udp').then((reply) => {
      if (reply === undefined) return
      try {
        socket.send(reply, port, address)
      } catch {
        // The network went while its question was under way.
      }
    })
  })
}

function acceptOn(server: Server, port: number, { networkId, resolver, metadata }: Serving): void {
  server.maxConnections = connectionsMax
  server.on('connection', (socket) => {
    socket.on('error', () => socket.destroy())
    if (port === httpPort) metadata.accept(socket, networkId)
    else answerStream(socket, resolver)
  })
}

/** Questions on one connection are answered one after another. */
function answerStream(socket: Socket, resolver: Resolver): void {
  let received = Buffer.alloc(0)
  let isBusy = false
  const asker = socket.remoteAddress ?? ''
  socket.setTimeout(tcpIdleMs, () => socket.destroy())
  const next = async (): Promise<void> => {
    if (isBusy) return
    isBusy = true
    for (let message = firstFrame(received); message; message = firstFrame(received)) {
      received = received.subarray(2 + message.length)
      const reply = await resolver.answer(message, asker, 'tcp')
      if (reply === undefined) return void socket.destroy()
      socket.write(framed(reply))
    }
    isBusy = false
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (received.length > frameBytesMax) socket.destroy()
    else void next()
  })
}
