/** Finding servers: one by id as its caller may see it, many by filter. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import { isUuid } from '#platform/ids/ids.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import { serversFind, serverFetch, serverRow } from '../store/servers.ts'
import type { ServerFilter, ServerSort } from '../store/servers.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'

/** A filter that SQL cannot decide alike on both databases. */
export interface ServerTest {
  matches?: (server: Server) => boolean
  /** Regular expressions on the addresses of the server's ports. */
  ip?: RegExp
  ip6?: RegExp
}

export interface ServerListing {
  filter: ServerFilter
  test: ServerTest
  sort: ServerSort[]
  limit: number
  marker?: string
}

export const serverMissing = (id: string) =>
  notFound(`Instance ${id} could not be found.`, { reason: 'server-not-found' })

const addressMatches = (ports: PortInfo[], version: 4 | 6, pattern: RegExp | undefined): boolean =>
  !pattern || ports.some((port) => port.fixedIps.some((fixed) => fixed.version === version && pattern.test(fixed.ip)))

export class ServerReader {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** The server, if the caller's project owns it or the caller is an administrator; then the rule must hold for it. */
  async fetch(
    caller: RequestContext, id: string, rule: string, options: { deletedToo?: boolean } = {},
  ): Promise<Server> {
    const server = isUuid(id) ? await serverFetch(this.#parts.db, id) : undefined
    if (!server || (server.deleted && !options.deletedToo) || !this.#isVisible(caller, server)) throw serverMissing(id)
    caller.enforce(rule, { project_id: server.projectId, user_id: server.userId })
    return server
  }

  async list(listing: ServerListing): Promise<Server[]> {
    const { filter, sort, limit, marker, test } = listing
    const after = marker === undefined ? undefined : await serverRow(this.#parts.db, marker)
    if (marker !== undefined && !after) throw badRequest(`marker [${marker}] not found`)
    const tested = test.matches || test.ip || test.ip6
    const found = await serversFind(this.#parts.db, filter, { sort, after, limit: tested ? undefined : limit })
    return tested ? (await this.#tested(found, test)).slice(0, limit) : found
  }

  portsOf(servers: Server[]): Promise<Map<string, PortInfo[]>> {
    return servers.length
      ? this.#parts.facades.neutron.portsOfMany(servers.map((server) => server.id))
      : Promise.resolve(new Map())
  }

  async #tested(found: Server[], test: ServerTest): Promise<Server[]> {
    const servers = test.matches ? found.filter(test.matches) : found
    if (!test.ip && !test.ip6) return servers
    const ports = await this.portsOf(servers)
    return servers.filter((server) => {
      const own = ports.get(server.id) ?? []
      return addressMatches(own, 4, test.ip) && addressMatches(own, 6, test.ip6)
    })
  }

  #isVisible(caller: RequestContext, server: Server): boolean {
    return server.projectId === caller.projectId || caller.isAdmin
  }
}
