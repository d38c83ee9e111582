/** Looking into servers: console output, diagnostics, the record of actions. */
import { badRequest, conflict, isRefusal, notFound } from '#platform/errors/errors.ts'
import type { PortInfo } from '#services/neutron/facade.ts'
import type { ContainerStats } from '#services/workloads/facade.ts'
import { actionFetch, actionsList } from '../store/actions.ts'
import type { InstanceAction, Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import type { WaitingServers } from './waiting-servers.ts'

const consoleBytesMax = 1024 * 1024
/** Control characters that a JSON client cannot show; line feeds and tabs stay. */
const unprintable = /[^\P{Cc}\n\t]/gu

export interface Diagnostics { stats: ContainerStats; ports: PortInfo[]; uptimeSeconds: number | null }

export class ServerInsight {
  readonly #parts: NovaParts
  readonly #waiting: Pick<WaitingServers, 'words'>
  constructor(parts: NovaParts, waiting: Pick<WaitingServers, 'words'>) {
    this.#parts = parts
    this.#waiting = waiting
  }

  /** The last `lines` of what the container wrote; all when undefined. */
  async console(server: Server, lines: number | undefined): Promise<string> {
    if (server.vmState === 'building' || !server.host) throw conflict(`Instance ${server.id} is not ready`)
    if (lines === 0) return ''
    const output = await this.#parts.facades.workloads.logs(server.id, lines)
    const shown = output.subarray(
      Math.max(0, output.length - consoleBytesMax),
    ).toString('utf8').replace(unprintable, '')
    // As upstream counts: what follows the last line feed is a line too, be it empty.
    return lines === undefined ? shown : shown.split('\n').slice(-lines).join('\n')
  }

  async diagnostics(server: Server): Promise<Diagnostics> {
    if (server.vmState !== 'active' && server.vmState !== 'paused') {
      throw conflict(`Cannot 'get_diagnostics' instance ${server.id} while it is in vm_state ${server.vmState}`)
    }
    const [stats, ports] = await Promise.all([this.#stats(server), this.#parts.facades.neutron.portsOf(server.id)])
    const since = server.launchedAt
    return {
      stats, ports,
      uptimeSeconds: since === null ? null : Math.max(0, Math.floor((this.#parts.clock.now() - since) / 1000)),
    }
  }

  async #stats(server: Server): Promise<ContainerStats> {
    try {
      return await this.#parts.facades.workloads.stats(server.id)
    } catch (error) {
      if (isRefusal(error) && error.kind !== 'unavailable') throw conflict(
        `Instance ${server.id} is not ready: ${error.message}`, error.details, error,
      )
      throw error
    }
  }

  async actions(
    server: Server, asked: { changedSince?: number; changedBefore?: number; limit?: number; marker?: string },
  ): Promise<InstanceAction[]> {
    const after = asked.marker === undefined ? undefined : await actionFetch(this.#parts.db, server.id, asked.marker)
    if (asked.marker !== undefined && !after) throw badRequest(`marker [${asked.marker}] not found`)
    return this.#inWords(server, await actionsList(this.#parts.db, server.id, { ...asked, after }))
  }

  async action(server: Server, requestId: string): Promise<InstanceAction> {
    const action = await actionFetch(this.#parts.db, server.id, requestId)
    if (!action) throw notFound(`Action ${requestId} not found`)
    return (await this.#inWords(server, [action]))[0]!
  }

  /** The create of a server that waits says where it stands now. */
  async #inWords(server: Server, actions: InstanceAction[]): Promise<InstanceAction[]> {
    const words = await this.#waiting.words(server)
    return actions.map((action) => (action.id === words?.actionId ? { ...action, message: words.message } : action))
  }

  networks(server: Server): Promise<PortInfo[]> {
    return server.vmState === 'building' ? Promise.resolve([]) : this.#parts.facades.neutron.portsOf(server.id)
  }
}
