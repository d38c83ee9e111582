/** Notices what happens on hosts by itself: commands that end, restarts, freezes, containers that vanish. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import { hostsChanged, type Host } from '#services/deps.ts'
import type { ContainerStatus } from '../ports.ts'
import { workloadsFetch, workloadsOfHost } from '../store/workloads.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { isTransient } from '../manager/builder.ts'
import { containerFind, eventOf, fieldsOf, lastWordsOf } from '../manager/containers.ts'
import { commandEnded, containerGone, orderFailed } from '../manager/faults.ts'
import { engineTopics } from '../manager/engine-watch.ts'
import type { EngineWatch } from '../manager/engine-watch.ts'
import { gateOf, portsDown } from '../manager/network.ts'
import type { Parts } from '../manager/parts.ts'
import { requireHost } from '../manager/parts.ts'
import { reactionTo } from '../manager/reactions.ts'
import type { Reaction } from '../manager/reactions.ts'
import { observed, topics } from '../manager/records.ts'
import { plugVolumes } from '../manager/volumes.ts'
import type { Turns } from '../manager/turns.ts'

export interface Sighting {
  hostName: string
  record: WorkloadRecord
  status: ContainerStatus | undefined
}
export interface WatchStep {
  hostName: string
  id: string
  reaction: Reaction
}

const resyncMs = 60_000
/** A command that fails within its first seconds never really started: its owner is told so. */
const earlyMs = 3000

export function watchController(parts: Parts, watch: EngineWatch, turns: Turns): Controller<Sighting[], WatchStep> {
  const comparedAt = new Map<string, number>()
  return defineController<Sighting[], WatchStep>({
    name: 'workloads.watch',
    about: 'Writes down what happens to containers by itself, and refills the network of those that restarted',
    wakesOn: [engineTopics.event, engineTopics.resync, topics.changed, hostsChanged],
    everySeconds: 20,
    // While many are built, each of them wakes this loop several times.
    restMs: 100,
    perPass: 1000,
    concurrency: 8,
    observe: () => look(parts, watch, comparedAt),
    plan: (sightings) =>
      sightings.flatMap(({ hostName, record, status }) => {
        const reaction = reactionTo(record, status)
        return reaction === undefined ? [] : [{ hostName, id: record.id, reaction }]
      }),
    key: ({ id }) => id,
    act: (step) => turns.run(step.id, () => react(parts, step)),
  })
}

async function look(parts: Parts, watch: EngineWatch, comparedAt: Map<string, number>): Promise<Sighting[]> {
  watch.follow(parts.hosts)
  const sightings: Sighting[] = []
  const unread = watch.unread()
  for (const host of parts.hosts.list()) {
    const isDue = parts.clock.now() - (comparedAt.get(host.name) ?? 0) >= resyncMs
    if (isDue || unread.has(host.name)) {
      const all = await compareAll(parts, host)
      if (all === undefined) continue
      sightings.push(...all)
      comparedAt.set(host.name, parts.clock.now())
      watch.read(host.name, unread.get(host.name) ?? -1)
      keepForLater(watch, host.name, all)
    } else sightings.push(...(await compareMarked(parts, host, watch)))
  }
  return sightings
}

/** A host that does not answer is looked at when it does again: it then resyncs. */
async function compareAll(parts: Parts, host: Host): Promise<Sighting[] | undefined> {
  const statuses = await host.runtime.list().catch((error: unknown) => {
    parts.log.debug({ err: error, host: host.name }, 'A host does not answer')
    return undefined
  })
  if (statuses === undefined) return undefined
  const byWorkload = new Map(statuses.map((status) => [status.workloadId, status]))
  const records = await workloadsOfHost(parts.db, host.name)
  return records.map((record) => ({ hostName: host.name, record, status: byWorkload.get(record.id) }))
}

/** What differs, or is under way, is looked at again until it is settled. */
function keepForLater(watch: EngineWatch, hostName: string, sightings: Sighting[]): void {
  for (const { record, status } of sightings)
    if (record.todo || reactionTo(record, status)) watch.mark(hostName, record.id)
}

async function compareMarked(parts: Parts, host: Host, watch: EngineWatch): Promise<Sighting[]> {
  const marked = watch.marked(host.name)
  if (marked.size === 0) return []
  const records = new Map((await workloadsFetch(parts.db, [...marked.keys()])).map((record) => [record.id, record]))
  const sightings: Sighting[] = []
  for (const [id, upTo] of marked) {
    const record = records.get(id)
    if (record?.todo) continue
    const status =
      record && record.hostName === host.name && record.state !== 'deleted'
        ? await containerFind(host, record)
        : undefined
    const matters = record !== undefined && record.hostName === host.name && reactionTo(record, status) !== undefined
    if (matters) sightings.push({ hostName: host.name, record, status })
    else watch.clear(host.name, id, upTo)
  }
  return sightings
}

/** The world is read once more under the workload's own turn: an order may have been carried out since. */
async function react(parts: Parts, { hostName, id }: WatchStep): Promise<void> {
  const host = requireHost(parts.hosts, hostName)
  const [record] = await workloadsFetch(parts.db, [id])
  if (record === undefined || record.hostName !== hostName || record.containerId === null) return
  const status = await containerFind(host, record)
  const reaction = reactionTo(record, status)
  if (reaction !== undefined) await reactions[reaction](parts, host, record, status)
}

type React = (parts: Parts, host: Host, record: WorkloadRecord, status: ContainerStatus | undefined) => Promise<void>

const reactions: Record<Reaction, React> = { gone, ended, frozen, reopened }

async function gone(parts: Parts, _host: Host, record: WorkloadRecord): Promise<void> {
  await portsDown(parts, record)
  await observed(parts, record, {
    event: record.state === 'stopped' ? 'stopped' : 'failed',
    fault: containerGone(parts.clock.now()),
    change: { container_id: null, pid: 0 },
  })
}

async function ended(
  parts: Parts,
  host: Host,
  record: WorkloadRecord,
  status: ContainerStatus | undefined,
): Promise<void> {
  if (status === undefined) return
  const fault = commandEnded(status, await lastWordsOf(host, status.id), record.spec, parts.clock.now())
  await portsDown(parts, record)
  await observed(parts, record, {
    event: failedEarly(record, status, parts.clock.now()) ? 'failed' : 'stopped',
    fault,
    change: fieldsOf(status),
  })
}

function failedEarly(
  { launchedAt }: WorkloadRecord,
  { exitCode, oomKilled, finishedAt, restartCount }: ContainerStatus,
  now: number,
): boolean {
  if (launchedAt === null || restartCount > 0 || (exitCode === 0 && !oomKilled)) return false
  return (finishedAt === undefined ? now : Date.parse(finishedAt)) - launchedAt < earlyMs
}

async function frozen(
  parts: Parts,
  _host: Host,
  record: WorkloadRecord,
  status: ContainerStatus | undefined,
): Promise<void> {
  if (status) await observed(parts, record, { event: 'paused', change: fieldsOf(status) })
}

async function reopened(
  parts: Parts,
  host: Host,
  record: WorkloadRecord,
  status: ContainerStatus | undefined,
): Promise<void> {
  if (status === undefined) return
  try {
    const gate = gateOf(parts, host, record)
    // While the cloud was away its agent may have opened the gate: the ports are then in a sandbox that no row knows.
    if (gate !== undefined && status.pid !== record.pid && !(await host.runtime.openGate(status.id, gate)))
      await gate({ pid: status.pid, netns: `/proc/${status.pid}/ns/net` })
    if (gate === undefined && status.pid > 0) await plugVolumes(parts, host, record.id, status.pid)
  } catch (error) {
    if (isTransient(error)) throw error
    const fault = orderFailed('restart', error, parts.clock.now())
    await observed(parts, record, { event: 'failed', fault, change: { pid: 0 } })
    return
  }
  const now = await host.runtime.inspect(status.id)
  await observed(parts, record, { event: eventOf(now, record), fault: null, change: fieldsOf(now) })
}
