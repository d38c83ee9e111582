/** Carries out the order under way on a workload that has a container: each one may be repeated after a crash. */
import { conflict, isRefusal } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { WorkloadOrder } from '../facade.ts'
import type { ContainerStatus } from '../ports.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { isTransient, startWithVolumes } from './builder.ts'
import type { Builder } from './builder.ts'
import { containerFind, eventOf, fieldsOf, lastWordsOf } from './containers.ts'
import { commandEnded, containerGone, orderFailed } from './faults.ts'
import { plugAll, portsDown } from './network.ts'
import type { Parts } from './parts.ts'
import { finish } from './records.ts'
import { withoutLostShare } from './shared-network.ts'
import { makesAnew } from '../states/orders.ts'

/** As Docker itself waits before it kills. */
const graceSecondsDefault = 10

interface Job {
  parts: Parts
  builder: Builder
  host: Host
  record: WorkloadRecord
}
type Verb<Name extends WorkloadOrder['do']> = (
  job: Job,
  status: ContainerStatus,
  order: Extract<WorkloadOrder, { do: Name }> & Marks,
) => Promise<void>
/** What is noted with an order: the process that ran when it was given, by which a reboot knows that it happened. */
export interface Marks {
  pidBefore?: number
}

export async function carryOut(parts: Parts, builder: Builder, record: WorkloadRecord, host: Host): Promise<void> {
  const job: Job = { parts, builder, host, record }
  const order = record.pending
  if (order === null || order.do === 'delete' || order.do === 'rebuild') return
  try {
    const found = await containerFind(host, record)
    const status = makesAnew(order) ? await withoutLostShare(parts, host, record, found) : found
    if (status === undefined) return await withoutContainer(job, order)
    await (verbs[order.do] as Verb<typeof order.do>)(job, status, order)
    await settle(job, order)
  } catch (error) {
    if (isTransient(error)) throw error
    parts.log.warn({ err: error, workload: record.id, order: order.do }, 'An order could not be carried out')
    await fail(job, order, error)
  }
}

/** A start or a hard reboot makes the container anew; for anything else there is nothing to do it to. */
async function withoutContainer({ parts, builder, host, record }: Job, order: WorkloadOrder): Promise<void> {
  if (order.do === 'start' || (order.do === 'reboot' && order.hard)) return await builder.build(record, host)
  if (order.do === 'stop') await finish(parts, record, { event: 'stopped', change: { container_id: null, pid: 0 } })
  else
    await finish(parts, record, {
      event: 'failed',
      fault: containerGone(parts.clock.now()),
      change: { container_id: null, pid: 0 },
    })
}

const verbs: { [Name in Exclude<WorkloadOrder['do'], 'delete' | 'rebuild'>]: Verb<Name> } = {
  start: (job, status) => run(job, status),
  stop: ({ host, parts, record }, status, order) =>
    halt({ host, parts, record }, status, order.graceSeconds ?? graceSecondsDefault),
  pause: freeze,
  unpause: thaw,
  suspend: freeze,
  resume: thaw,
  async reboot(job, status, order) {
    const happened =
      status.pid !== 0 && order.pidBefore !== undefined && order.pidBefore !== 0 && status.pid !== order.pidBefore
    if (!happened) await halt(job, status, order.hard ? 0 : (order.graceSeconds ?? graceSecondsDefault))
    await run(job, await job.host.runtime.inspect(status.id))
  },
  resize: ({ host, record }, status) => {
    const { vcpus, ramMiB, pids } = record.spec.resources
    return host.runtime.update(status.id, { vcpus, ramMiB, pids })
  },
  async replug({ parts, host, record }, status) {
    if (status.pid === 0 || record.spec.networkMode !== 'tenant') return
    await plugAll(parts, host, record.id, { pid: status.pid, netns: `/proc/${status.pid}/ns/net` })
  },
}

async function run({ parts, host, record }: Job, status: ContainerStatus): Promise<void> {
  if (status.state === 'paused') await host.runtime.unpause(status.id)
  await startWithVolumes(parts, host, { ...record, containerId: status.id })
}

/** The engine cannot end a frozen process, so it is thawed first. */
async function halt(
  { parts, host, record }: Omit<Job, 'builder'>,
  status: ContainerStatus,
  graceSeconds: number,
): Promise<void> {
  if (status.state === 'paused') await host.runtime.unpause(status.id)
  await host.runtime.stop(status.id, graceSeconds)
  await portsDown(parts, record)
}

async function freeze({ host }: Job, status: ContainerStatus): Promise<void> {
  if (status.state !== 'paused') await host.runtime.pause(status.id)
}

async function thaw({ host }: Job, status: ContainerStatus): Promise<void> {
  if (status.state === 'paused') return await host.runtime.unpause(status.id)
  if (status.pid === 0) throw conflict('its command has ended meanwhile; start it instead')
}

/** The result is what the engine says it is, not what was asked for. */
async function settle({ parts, host, record }: Job, order: WorkloadOrder): Promise<void> {
  const status = await host.runtime.inspect(record.containerId ?? (await containerFind(host, record))!.id)
  const event = eventOf(status, record)
  const endedAtOnce = event === 'stopped' && (order.do === 'start' || order.do === 'reboot')
  const now = parts.clock.now()
  const fault = endedAtOnce ? commandEnded(status, await lastWordsOf(host, status.id), record.spec, now) : null
  await finish(parts, record, {
    event: endedAtOnce && status.exitCode !== 0 ? 'failed' : event,
    fault,
    change: {
      ...fieldsOf(status),
      ...(event === 'started' &&
        order.do !== 'unpause' &&
        order.do !== 'resume' && { launched_at: record.launchedAt ?? now }),
    },
  })
}

/** A start that fails leaves an error; other orders leave the workload as the engine has it, and say why. */
async function fail({ parts, host, record }: Job, order: WorkloadOrder, error: unknown): Promise<void> {
  const fault = orderFailed(order.do, error, parts.clock.now())
  const status = await containerFind(host, record)
  const isError =
    status === undefined ||
    order.do === 'start' ||
    order.do === 'reboot' ||
    (isRefusal(error) ? error.kind === 'internal' : true)
  const fields = status ? fieldsOf(status) : { container_id: null, pid: 0 }
  await finish(parts, record, { event: isError ? 'failed' : eventOf(status, record), fault, change: fields })
}
