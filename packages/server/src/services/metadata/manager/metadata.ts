/** Answers containers: who asks is the port that has the source address on the network it came from. */
import type { MetadataFacade } from '../facade.ts'
import type { MetadataAsk, MetadataReply } from '../ports.ts'
import type { ServerRecord } from '#services/nova/facade.ts'
import { ec2Tree, ec2Versions } from './ec2.ts'
import { isPassword, openstackPage, openstackVersions } from './openstack.ts'
import { absent, page, reply, segmentsOf, walk } from './pages.ts'
import type { MetadataParts } from './parts.ts'

/** Nova keeps passwords in four pieces of 255. */
const passwordBytesMax = 1020

export class Metadata implements MetadataFacade {
  readonly #parts: MetadataParts
  constructor(parts: MetadataParts) {
    this.#parts = parts
  }

  async answer(ask: MetadataAsk): Promise<MetadataReply> {
    const segments = segmentsOf(ask.path)
    const [root = 'ec2'] = segments
    // Lists of versions are the same for everybody, and tell nothing.
    if (segments.length === 0 || (root === 'ec2' && segments.length === 1))
      return reply(200, page([...ec2Versions, 'latest']))
    const asker = await this.#asker(ask)
    if (asker === undefined) return absent()
    if (isPassword(segments) && ask.method !== 'GET' && ask.method !== 'HEAD')
      return await this.#writePassword(asker.server, ask)
    if (root === 'openstack') return await this.#openstack(asker, segments.slice(1))
    return await this.#ec2(asker, root === 'ec2' ? segments.slice(1) : segments)
  }

  async #asker({ networkId, address }: MetadataAsk): Promise<Asker | undefined> {
    const port = await this.#parts.neutron.portAt(networkId, address)
    if (!port?.deviceOwner.startsWith('compute:')) return undefined
    const server = await this.#parts.nova.serverRecordFetch(port.deviceId)
    return server && { server, address, hostname: fullName(server, port.dnsDomain) }
  }

  async #openstack({ server, hostname }: Asker, segments: string[]): Promise<MetadataReply> {
    if (segments.length === 0) return reply(200, page([...openstackVersions, 'latest']))
    const { neutron, vendorData, seed } = this.#parts
    return await openstackPage(
      {
        server,
        hostname,
        ports: () => neutron.portsOf(server.id),
        plans: () => neutron.plugPlans(server.id, { workloadId: server.id, pid: 0, netns: '' }),
        vendorData,
        seed,
      },
      segments,
    )
  }

  async #ec2({ server, address, hostname }: Asker, segments: string[]): Promise<MetadataReply> {
    const ports = await this.#parts.neutron.portsOf(server.id)
    const tree = ec2Tree({ server, ports, address, hostname }, segments[0] ?? '')
    const found = tree && walk(tree, segments.slice(1))
    return found === undefined ? absent() : reply(200, page(found))
  }

  /** Encrypted by the server with its public key, for its owner; once written it stays until it is cleared. */
  async #writePassword(server: ServerRecord, { method, body }: MetadataAsk): Promise<MetadataReply> {
    if (method !== 'POST') return reply(400, 'GET and POST only are supported.\n')
    const password = Buffer.from(body, 'base64')
    if (password.length > passwordBytesMax) return reply(400, 'Request is too large.\n')
    const isWritten = await this.#parts.nova.passwordSet(server.id, password.toString('utf8'))
    return isWritten ? reply(200, '') : reply(409, 'The server has a password: its owner may clear it.\n')
  }
}

interface Asker {
  server: ServerRecord
  address: string
  /** With the domain. */
  hostname: string
}

const fullName = ({ hostname }: ServerRecord, domain: string): string =>
  domain !== '' && !hostname.includes('.') ? `${hostname}.${domain}` : hostname
