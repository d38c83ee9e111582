/** Removes from hosts what bears this cloud's mark and is no workload's, and forgets what was deleted long ago. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import type { Host } from '#services/deps.ts'
import type { ContainerStatus } from '../ports.ts'
import { hostsList } from '../store/hosts.ts'
import { workloadsFetch, workloadsPurge, workloadsPurgeable, type WorkloadRecord } from '../store/workloads.ts'
import { strayContainers } from '../manager/doctor.ts'
import type { Stray } from '../manager/doctor.ts'
import { engineTopics } from '../manager/engine-watch.ts'
import { requireHost } from '../manager/parts.ts'
import type { Parts } from '../manager/parts.ts'

/** A workload that is not of this host any more, if it ever was, and still has a slot for volumes there. */
interface StraySlot {
  hostName: string
  workloadId: string
  isKnown: boolean
  seenMs: number
}

export interface ReapWorld {
  slots: StraySlot[]
  strays: { hostName: string; stray: Stray; seenMs: number }[]
  purgeable: boolean
}
export type ReapStep =
  { remove: string; hostName: string } | { clear: string; hostName: string } | { purgeBefore: number }

/** A container whose workload nobody knows may be of a row that a restored backup lacks: people have time to see it. */
const graceMs = 60_000
const keepDeletedMs = 24 * 3_600_000

export function reapController(parts: Parts): Controller<ReapWorld, ReapStep> {
  const firstSeen = new Map<string, number>()
  return defineController<ReapWorld, ReapStep>({
    name: 'workloads.reap',
    about: 'Removes containers that no workload owns any more, and frees the volumes of those that are gone',
    wakesOn: [engineTopics.resync],
    everySeconds: 60,
    perPass: 200,
    concurrency: 4,
    observe: () => look(parts, firstSeen),
    plan: ({ strays, slots, purgeable }) => [
      ...strays
        .filter(({ stray, seenMs }) => stray.why !== 'unknown' || seenMs >= graceMs)
        .map(({ hostName, stray }) => ({ remove: stray.container.id, hostName })),
      ...slots
        .filter(({ isKnown, seenMs }) => isKnown || seenMs >= graceMs)
        .map(({ workloadId, hostName }) => ({ clear: workloadId, hostName })),
      ...(purgeable ? [{ purgeBefore: parts.clock.now() - keepDeletedMs }] : []),
    ],
    async act(step) {
      if ('purgeBefore' in step) return await workloadsPurge(parts.db, step.purgeBefore)
      if ('clear' in step) await requireHost(parts.hosts, step.hostName).volumes?.clear(step.clear)
      else await removeStray(parts, step)
    },
  })
}

async function look(parts: Parts, firstSeen: Map<string, number>): Promise<ReapWorld> {
  const now = parts.clock.now()
  const world: ReapWorld = { strays: [], slots: [], purgeable: await workloadsPurgeable(parts.db, now - keepDeletedMs) }
  const seen = new Set<string>()
  const seenMs = (key: string): number => {
    seen.add(key)
    if (!firstSeen.has(key)) firstSeen.set(key, now)
    return now - firstSeen.get(key)!
  }
  const up = new Set((await hostsList(parts.db)).filter((row) => row.up === 1).map(({ name }) => name))
  for (const host of parts.hosts.list().filter(({ name }) => up.has(name))) {
    const containers = await listed(parts, host)
    for (const stray of await strayContainers(parts, host, containers))
      world.strays.push({ hostName: host.name, stray, seenMs: seenMs(stray.container.id) })
    for (const slot of await straySlots(parts, host, containers))
      world.slots.push({ ...slot, hostName: host.name, seenMs: seenMs(`${host.name} ${slot.workloadId}`) })
  }
  for (const key of firstSeen.keys()) if (!seen.has(key)) firstSeen.delete(key)
  return world
}

const listed = (parts: Parts, host: Host): Promise<ContainerStatus[]> =>
  host.runtime.list().catch((error: unknown) => {
    parts.log.debug({ err: error, host: host.name }, 'A host does not answer')
    return []
  })

/** Of workloads whose container is gone: while it is there, as a stray, its volumes may be in use. */
async function straySlots(
  parts: Parts,
  host: Host,
  containers: ContainerStatus[],
): Promise<Pick<StraySlot, 'workloadId' | 'isKnown'>[]> {
  const there = new Set(containers.map(({ workloadId }) => workloadId))
  const holders = ((await host.volumes?.holders().catch(() => undefined)) ?? []).filter((id) => !there.has(id))
  const records = new Map((await workloadsFetch(parts.db, holders)).map((record) => [record.id, record]))
  const isHere = (record: WorkloadRecord | undefined): boolean =>
    record !== undefined && record.state !== 'deleted' && (record.todo || record.hostName === host.name)
  return holders
    .filter((id) => !isHere(records.get(id)))
    .map((workloadId) => ({ workloadId, isKnown: records.has(workloadId) }))
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
}
