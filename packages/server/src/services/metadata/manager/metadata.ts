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
    const server = await this.#asker(ask)
    if (server === undefined) return absent()
    if (isPassword(segments) && ask.method !== 'GET' && ask.method !== 'HEAD')
      return await this.#writePassword(server, ask)
    if (root === 'openstack') return await this.#openstack(server, segments.slice(1))
    return await this.#ec2(server, ask, root === 'ec2' ? segments.slice(1) : segments)
  }

  async #asker({ networkId, address }: MetadataAsk): Promise<ServerRecord | undefined> {
    const port = await this.#parts.neutron.portAt(networkId, address)
    if (!port?.deviceOwner.startsWith('compute:')) return undefined
    return await this.#parts.nova.serverRecordFetch(port.deviceId)
  }

  async #openstack(server: ServerRecord, segments: string[]): Promise<MetadataReply> {
    if (segments.length === 0) return reply(200, page([...openstackVersions, 'latest']))
    const { neutron } = this.#parts
    const plans = await neutron.plugPlans(server.id, { workloadId: server.id, pid: 0, netns: '' })
    return openstackPage(
      {
        server,
        plans,
        ports: await neutron.portsOf(server.id),
        hostname: fullName(server, plans[0]?.network.dnsDomain),
        vendorData: this.#parts.vendorData(),
        seed: this.#parts.seed(),
      },
      segments,
    )
  }

  async #ec2(server: ServerRecord, { address }: MetadataAsk, segments: string[]): Promise<MetadataReply> {
    const { neutron } = this.#parts
    const [ports, [plan]] = await Promise.all([
      neutron.portsOf(server.id),
      neutron.plugPlans(server.id, { workloadId: server.id, pid: 0, netns: '' }),
    ])
    const hostname = fullName(server, plan?.network.dnsDomain)
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

const fullName = ({ hostname }: ServerRecord, domain: string | undefined): string =>
  domain && !hostname.includes('.') ? `${hostname}.${domain}` : hostname
