/** Keeps the list of hosts true: who answers, what each offers, what Placement may give away of it. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { hostsChanged } from '#services/deps.ts'
import { hostsList } from '../store/hosts.ts'
import type { WorkloadHostRow } from '../store/tables.ts'
import { engineTopics } from '../manager/engine-watch.ts'
import { markDown, probe } from '../manager/hosts.ts'
import type { Parts } from '../manager/parts.ts'

export interface HostsWorld {
  reachable: string[]
  rows: WorkloadHostRow[]
  /** When each was asked last by this process: a silent host is not asked again at once. */
  askedAt: ReadonlyMap<string, number>
  /** Those that this process has ever reached. */
  met: ReadonlySet<string>
  /** When this process looked first. */
  since: number
  now: number
}
export type HostStep = { probe: string } | { down: string }

const periodSeconds = 15
/** One that was seen since the last pass need not be asked again: a wake-up by its own news would never end. */
const freshMs = (periodSeconds * 1000) / 2
/** One that is not known to be up is asked sooner: servers may wait for it. */
const impatientMs = 1000
/** A process that has just begun has no links yet; what others say is up is theirs to judge until it has. */
const meetingMs = 10_000

export function hostsController(parts: Parts): Controller<HostsWorld, HostStep> {
  const askedAt = new Map<string, number>()
  const met = new Set<string>()
  let since: number | undefined
  return defineController<HostsWorld, HostStep>({
    name: 'workloads.hosts',
    about: 'Sees which hosts answer, and tells Placement what they offer',
    wakesOn: [engineTopics.resync, hostsChanged],
    everySeconds: periodSeconds,
    perPass: 500,
    concurrency: 16,
    async observe() {
      const rows = await hostsList(parts.db)
      const reachable = parts.hosts.list().map(({ name }) => name)
      for (const name of reachable) met.add(name)
      const now = parts.clock.now()
      since ??= now
      return { reachable, rows, askedAt, met, since, now }
    },
    plan: planHosts,
    key: (step) => ('probe' in step ? step.probe : step.down),
    async act(step) {
      const name = 'probe' in step ? step.probe : step.down
      const host = parts.hosts.find(name)
      askedAt.set(name, parts.clock.now())
      if (host) await probe(parts, host)
      else
        await markDown(
          parts,
          (await hostsList(parts.db)).find((row) => row.name === name),
        )
    },
  })
}

export function planHosts({ reachable, rows, askedAt, met, since, now }: HostsWorld): HostStep[] {
  const byName = new Map(rows.map((row) => [row.name, row]))
  const stale = reachable.filter((name) => {
    const asked = askedAt.get(name) ?? 0
    if (byName.get(name)?.up !== 1) return now - asked >= impatientMs
    return now - Math.max(byName.get(name)!.seen_at, asked) >= freshMs
  })
  const isJudge = (name: string) => met.has(name) || now - since >= meetingMs
  const gone = rows.filter(({ name, up }) => up === 1 && !reachable.includes(name) && isJudge(name))
  return [...stale.map((probe) => ({ probe })), ...gone.map(({ name }) => ({ down: name }))]
}
