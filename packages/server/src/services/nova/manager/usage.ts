/** What projects used: hours of servers between two moments, by flavor. */
import { serversFind } from '../store/servers.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'

const hourMs = 3_600_000

export interface ServerUsage {
  server: Server
  hours: number
  startedAt: number
  endedAt: number | null
  uptimeSeconds: number
}

export interface ProjectUsage {
  projectId: string
  start: number
  stop: number
  totalHours: number
  vcpuHours: number
  ramMiBHours: number
  diskGiBHours: number
  servers: ServerUsage[]
}

export interface UsagePage { limit?: number; marker?: string }

type Launched = Server & { launchedAt: number }

/** As upstream: a server that never ran, because it waits or could not be built, used nothing. */
const isLaunched = (server: Server): server is Launched => server.launchedAt !== null

const usageOf = (server: Launched, { start, stop, now }: { start: number; stop: number; now: number }): ServerUsage => {
  const from = server.launchedAt
  const to = server.terminatedAt ?? server.deletedAt
  const counted = Math.max(0, Math.min(to ?? stop, stop) - Math.max(from, start))
  return {
    server, hours: counted / hourMs, startedAt: from, endedAt: to,
    uptimeSeconds: Math.max(0, Math.floor(((to ?? now) - from) / 1000)),
  }
}

export class Usage {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** The servers that lived between the two moments, in the order that pages follow. */
  async between(
    period: { start: number; stop: number }, projectId: string | undefined, page: UsagePage,
  ): Promise<ProjectUsage[]> {
    const servers = await serversFind(this.#parts.db, { projectId }, {
      sort: [{ column: 'project_id', direction: 'asc' }, { column: 'id', direction: 'asc' }],
    })
    const alive = servers.filter(isLaunched).filter(
      (server) => server.launchedAt <= period.stop && (server.deletedAt ?? Infinity) >= period.start,
    )
    const from = page.marker === undefined ? 0 : alive.findIndex((server) => server.id === page.marker) + 1
    const shown = alive.slice(from, page.limit === undefined ? undefined : from + page.limit)
    const now = this.#parts.clock.now()
    return [...Map.groupBy(shown, (server) => server.projectId)].map(([id, own]) =>
      totals(id, period, own.map((server) => usageOf(server, { ...period, now }))))
  }

  /** What the servers of each host take together, by their flavors. */
  async onHosts(): Promise<Map<string, { vcpus: number; ramMiB: number; diskGiB: number }>> {
    const servers = await serversFind(this.#parts.db, { deleted: false }, { sort: [] })
    const used = new Map<string, { vcpus: number; ramMiB: number; diskGiB: number }>()
    for (const { host, flavor } of servers) {
      if (host === null) continue
      const sum = used.get(host) ?? { vcpus: 0, ramMiB: 0, diskGiB: 0 }
      const diskGiB = sum.diskGiB + flavor.diskGiB + flavor.ephemeralGiB
      used.set(host, { vcpus: sum.vcpus + flavor.vcpus, ramMiB: sum.ramMiB + flavor.ramMiB, diskGiB })
    }
    return used
  }

  now(): number { return this.#parts.clock.now() }

  async knows(serverId: string): Promise<boolean> {
    return (await serversFind(this.#parts.db, { ids: [serverId] }, { sort: [] })).length > 0
  }
}

const totals = (
  projectId: string, { start, stop }: { start: number; stop: number }, servers: ServerUsage[],
): ProjectUsage => {
  const sum = (weight: (usage: ServerUsage) => number) =>
    servers.reduce((total, usage) => total + usage.hours * weight(usage), 0)
  return {
    projectId, start, stop, servers,
    totalHours: sum(() => 1),
    vcpuHours: sum(({ server }) => server.flavor.vcpus),
    ramMiBHours: sum(({ server }) => server.flavor.ramMiB),
    diskGiBHours: sum(({ server }) => server.flavor.diskGiB + server.flavor.ephemeralGiB),
  }
}
