/** Removes from hosts what bears this cloud's mark and is no workload's, and forgets what was deleted long ago. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { hostsList } from '../store/hosts.ts'
import { workloadsPurge, workloadsPurgeable } from '../store/workloads.ts'
import { strayContainers } from '../manager/doctor.ts'
import type { Stray } from '../manager/doctor.ts'
import { engineTopics } from '../manager/engine-watch.ts'
import { requireHost } from '../manager/parts.ts'
import type { Parts } from '../manager/parts.ts'

export interface ReapWorld {
  strays: { hostName: string; stray: Stray; seenMs: number }[]
  purgeable: boolean
}
export type ReapStep = { remove: string; hostName: string } | { purgeBefore: number }

/** A container whose workload nobody knows may be of a row that a restored backup lacks: people have time to see it. */
const graceMs = 60_000
const keepDeletedMs = 24 * 3_600_000

export function reapController(parts: Parts): Controller<ReapWorld, ReapStep> {
  const firstSeen = new Map<string, number>()
  return defineController<ReapWorld, ReapStep>({
    name: 'workloads.reap',
    about: 'Removes containers that no workload owns any more',
    wakesOn: [engineTopics.resync],
    everySeconds: 60,
    perPass: 200,
    concurrency: 4,
    observe: () => look(parts, firstSeen),
    plan: ({ strays, purgeable }) => [
      ...strays
        .filter(({ stray, seenMs }) => stray.why !== 'unknown' || seenMs >= graceMs)
        .map(({ hostName, stray }) => ({ remove: stray.container.id, hostName })),
      ...(purgeable ? [{ purgeBefore: parts.clock.now() - keepDeletedMs }] : []),
    ],
    async act(step) {
      if ('purgeBefore' in step) return await workloadsPurge(parts.db, step.purgeBefore)
      await removeStray(parts, step)
    },
  })
}

async function look(parts: Parts, firstSeen: Map<string, number>): Promise<ReapWorld> {
  const now = parts.clock.now()
  const strays: ReapWorld['strays'] = []
  const up = new Set((await hostsList(parts.db)).filter((row) => row.up === 1).map(({ name }) => name))
  for (const host of parts.hosts.list().filter(({ name }) => up.has(name))) {
    const containers = await host.runtime.list().catch((error: unknown) => {
      parts.log.debug({ err: error, host: host.name }, 'A host does not answer')
      return []
    })
    for (const stray of await strayContainers(parts, host, containers)) {
      const since = firstSeen.get(stray.container.id) ?? now
      firstSeen.set(stray.container.id, since)
      strays.push({ hostName: host.name, stray, seenMs: now - since })
    }
  }
  const still = new Set(strays.map(({ stray }) => stray.container.id))
  for (const id of firstSeen.keys()) if (!still.has(id)) firstSeen.delete(id)
  return { strays, purgeable: await workloadsPurgeable(parts.db, now - keepDeletedMs) }
}

/** Asked once more: a workload may have taken the container back since. */
async function removeStray(parts: Parts, { remove, hostName }: { remove: string; hostName: string }): Promise<void> {
  const host = requireHost(parts.hosts, hostName)
  const containers = (await host.runtime.list()).filter(({ id }) => id === remove)
  const [stray] = await strayContainers(parts, host, containers)
  if (stray === undefined) return
  parts.log.info(
    { container: stray.container.name, why: stray.why, host: hostName },
    'Removing a container that nobody owns',
  )
  await host.runtime.remove(remove)
  const { why, container } = stray
  if (why !== 'replaced' && container.workloadId) await host.volumes?.clear(container.workloadId)
}
