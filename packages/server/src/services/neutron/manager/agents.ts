/** The agents that clients expect: one for each host that ever joined, alive or not. */
import { createHash } from 'node:crypto'
import { isoNaive } from '#platform/clock/clock.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { KnownHost } from '#services/deps.ts'
import { knownHosts } from './host-view.ts'
import type { NeutronParts } from './parts.ts'

export interface Agent {
  id: string
  host: string
  description: string
  adminUp: boolean
}

/** The same host has the same id in every process and after every start. */
const idOf = (host: string): string => {
  const hex = createHash('sha256').update(`neutron-agent:${host}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

interface AgentRow {
  id: string
  description: string
  admin_state_up: number
}

export class Agents {
  readonly #parts: NeutronParts
  readonly #startedAt: number
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.#startedAt = parts.clock.now()
  }

  async list(): Promise<Record<string, unknown>[]> {
    const rows = await this.#parts.db
      .as<{ neutron_agent: AgentRow }>()
      .selectFrom('neutron_agent')
      .selectAll()
      .execute()
    return knownHosts(this.#parts.hosts, this.#parts.clock.now()).map((host) =>
      this.#view(
        host,
        rows.find(({ id }) => id === idOf(host.name)),
      ),
    )
  }

  async fetch(id: string): Promise<Record<string, unknown>> {
    const found = (await this.list()).find((agent) => agent.id === id)
    if (found) return found
    throw notFound(`Agent ${id} could not be found.`, { type: 'AgentNotFound' })
  }

  async update(
    id: string,
    change: { description?: string; admin_state_up?: boolean },
  ): Promise<Record<string, unknown>> {
    const before = await this.fetch(id)
    const row = {
      id,
      description: change.description ?? String(before.description),
      admin_state_up: (change.admin_state_up ?? before.admin_state_up) ? 1 : 0,
    }
    await this.#parts.db.transaction(async (tx) => {
      await tx
        .as<{ neutron_agent: AgentRow }>()
        .insertInto('neutron_agent')
        .values(row)
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet({ description: row.description, admin_state_up: row.admin_state_up }),
        )
        .execute()
    })
    return this.fetch(id)
  }

  #view({ name, isAlive, seenAt, joinedAt }: KnownHost, row: AgentRow | undefined): Record<string, unknown> {
    const time = (ms: number) => isoNaive(ms).slice(0, 19).replace('T', ' ')
    return {
      id: idOf(name),
      agent_type: 'Linux bridge agent',
      binary: 'quaystone-agent',
      host: name,
      topic: 'N/A',
      availability_zone: 'nova',
      alive: isAlive,
      admin_state_up: (row?.admin_state_up ?? 1) === 1,
      description: row?.description ?? null,
      configurations: { tunnel_types: ['vxlan'] },
      resources_synced: null,
      created_at: time(joinedAt || this.#startedAt),
      started_at: time(joinedAt || this.#startedAt),
      heartbeat_timestamp: time(seenAt),
    }
  }
}
