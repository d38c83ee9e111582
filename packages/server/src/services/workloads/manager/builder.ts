/** Makes a workload's container and runs it: every step idempotent, so that a dead process's work is taken up. */
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { ContainerSpec, ContainerStatus } from '../ports.ts'
import { hostPatch, hostsList } from '../store/hosts.ts'
import { volumesWait } from '../store/volumes.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { workloadFetch } from '../store/workloads.ts'
import { buildLabel, containerSpecOf } from './container-spec.ts'
import type { Surroundings } from './container-spec.ts'
import { containerFind, eventOf, fieldsOf, lastWordsOf } from './containers.ts'
import { buildFailed, commandEnded, noCommand } from './faults.ts'
import type { Fault } from './faults.ts'
import { filesTar } from './files-tar.ts'
import type { HostImages } from './images.ts'
import { gateOf, portsDown, unplugAll } from './network.ts'
import type { Parts } from './parts.ts'
import { finish, progress, topics } from './records.ts'
import { hasOwnCommand, sharedNetworkOf } from './spec.ts'
import type { Slots } from './turns.ts'
import { clearVolumes, plugVolumes, slotMount } from './volumes.ts'

export interface Builder {
  /** From placed to running, or to an error that explains itself. Throws only what is worth another try. */
  build(record: WorkloadRecord, host: Host): Promise<void>
}

export function createBuilder(parts: Parts, images: HostImages, slots: Slots): Builder {
  return {
    async build(record, host) {
      const stage: Stage = { parts, images, slots, host, record, step: record.step }
      try {
        await run(stage)
      } catch (error) {
        if (isTransient(error)) return await retryElsewhere(stage, error)
        parts.log.warn({ err: error, workload: record.id, step: stage.step }, 'A container could not be built')
        await giveUp(stage, buildFailed(error, stage.step, parts.clock.now()))
      }
    },
  }
}

interface Stage {
  parts: Parts
  images: HostImages
  slots: Slots
  host: Host
  record: WorkloadRecord
  step: string | null
}

/** The engine is away or full: what was asked may well be possible later. */
export const isTransient = (error: unknown): boolean => isRefusal(error) && error.kind === 'unavailable'

async function run(stage: Stage): Promise<void> {
  const { parts, images, host, record } = stage
  const image = await images.ensure(host, record.spec.imageId)
  if (!image.hasCommand && !hasOwnCommand(record.spec))
    return await giveUp(stage, noCommand(record.spec.imageId, parts.clock.now()))
  await parts.neutron.portsBind(record.id, host.name)
  await stage.slots.run(host.name, () => createAndStart(stage))
}

async function createAndStart(stage: Stage): Promise<void> {
  const { host, record } = stage
  await removeOlder(stage)
  const containerId = await create(stage)
  stage.step = 'spawning'
  if (!(await progress(stage.parts, record, { container_id: containerId, step: 'spawning' })))
    return await abandon(stage, containerId)
  if (record.spec.files.length > 0)
    await host.runtime.putArchive(containerId, '/', filesTar(record.spec.files, record.createdAt))
  if (record.desired === 'stopped') return await settleStopped(stage, containerId)
  const status = await startWithVolumes(stage.parts, host, { ...record, containerId })
  await settleStarted(stage, status)
}

/** A container without a gate of ours gets raw devices as soon as it runs, and mounts before it does. */
export async function startWithVolumes(
  parts: Parts,
  host: Host,
  record: WorkloadRecord & { containerId: string },
): Promise<ContainerStatus> {
  await plugVolumes(parts, host, record.id, 0)
  const gate = gateOf(parts, host, record)
  const status = await host.runtime.start(record.containerId, gate)
  if (gate === undefined && status.pid > 0) await plugVolumes(parts, host, record.id, status.pid)
  return status
}

/** A rebuild replaces the container; the first build has none to replace and need not ask. */
async function removeOlder({ host, record }: Stage): Promise<void> {
  if (record.buildGeneration === 1) return
  const known = await containerFind(host, { ...record, containerId: null })
  if (known && known.labels[buildLabel] !== String(record.buildGeneration)) await host.runtime.remove(known.id)
}

async function create(stage: Stage): Promise<string> {
  const { host, record, images } = stage
  const spec = containerSpecOf(record, await surroundingsOf(stage))
  try {
    return await createWithSlot(stage, spec)
  } catch (error) {
    if (!isRefusal(error) || error.kind !== 'notFound') throw error
    await images.forget(host, record.spec.imageId)
    await images.ensure(host, record.spec.imageId)
    return await createWithSlot(stage, spec)
  }
}

/** An engine that lives in a mount namespace of its own may not share mounts with us: its containers get no volumes. */
async function createWithSlot({ parts, host, record }: Stage, spec: ContainerSpec): Promise<string> {
  const slot = await slotMount(host, record.id)
  try {
    return (await host.runtime.create({ ...spec, mounts: [...spec.mounts, ...slot] })).id
  } catch (error) {
    if (slot.length === 0 || !isRefusal(error) || !/shared or slave mount/.test(error.message)) throw error
    parts.log.warn({ err: error, host: host.name }, 'The engine of this host does not see mounts; it gets no volumes')
    return (await host.runtime.create(spec)).id
  }
}

async function surroundingsOf({ parts, host, record }: Stage): Promise<Surroundings> {
  const sharedId = sharedNetworkOf(record.spec)
  if (sharedId !== undefined) {
    return { ports: [], resolvConf: undefined, sharedContainerId: await sharedContainer(parts, host, sharedId) }
  }
  if (record.spec.networkMode !== 'tenant')
    return { ports: [], resolvConf: undefined, sharedContainerId: undefined }
  const [ports, plans] = await Promise.all([
    parts.neutron.portsOf(record.id),
    parts.neutron.plugPlans(record.id, { workloadId: record.id, pid: 0, netns: '' }),
  ])
  return { ports, resolvConf: plans[0]?.resolvConf, sharedContainerId: undefined }
}

async function sharedContainer(parts: Parts, host: Host, workloadId: string): Promise<string> {
  const other = await workloadFetch(parts.db, workloadId)
  if (other?.containerId && other.hostName === host.name) return other.containerId
  throw badRequest(`The network of workload ${workloadId} cannot be shared: it has no container on host ${host.name}`, {
    field: 'networkMode',
  })
}

/** A later order came while we built. A deletion must find nothing left; a rebuild replaces what it finds. */
async function abandon({ parts, host, record }: Stage, containerId: string): Promise<void> {
  const now = await workloadFetch(parts.db, record.id)
  if (now === undefined || now.state === 'deleted') await host.runtime.remove(containerId)
}

async function settleStarted(stage: Stage, status: ContainerStatus): Promise<void> {
  const { parts, host, record } = stage
  const now = parts.clock.now()
  const event = eventOf(status, record)
  const fault = event === 'started' ? null : commandEnded(status, await lastWordsOf(host, status.id), record.spec, now)
  const failed = event !== 'started' && (status.exitCode !== 0 || status.oomKilled)
  await finish(parts, record, {
    event: failed ? 'failed' : event,
    fault,
    change: { ...fieldsOf(status), launched_at: record.launchedAt ?? now },
  })
}

/** Rebuilding a stopped workload leaves it stopped. */
async function settleStopped({ parts, host, record }: Stage, containerId: string): Promise<void> {
  const status = await host.runtime.inspect(containerId)
  await finish(parts, record, { event: 'stopped', fault: null, change: fieldsOf(status) })
}

/** Nothing half-made stays on the host. A first build gives its place back; a rebuild keeps it, to be tried again. */
async function giveUp(stage: Stage, fault: Fault): Promise<void> {
  const { parts, host, record } = stage
  const known = await containerFind(host, { ...record, containerId: null })
  if (known) await host.runtime.remove(known.id)
  await clearVolumes(host, record)
  await unplugAll(parts, host, record.id)
  await portsDown(parts, record)
  const isFirst = record.launchedAt === null
  await finish(parts, record, {
    event: 'failed',
    fault,
    change: { container_id: null, pid: 0, ...(isFirst && { host_name: null }) },
    within: async (tx) => {
      if (!isFirst) return
      await volumesWait(tx, record.id, parts.clock.now())
      await parts.placement.release(tx, record.id)
      tx.emit(topics.placing, {})
    },
  })
}

/** The host does not answer. If it was never started there and another host is up, the workload is placed anew. */
async function retryElsewhere(stage: Stage, error: unknown): Promise<void> {
  const { parts, host, record } = stage
  const answers = await host.runtime.ping().catch(() => false)
  if (!answers) await hostPatch(parts.db, host.name, { up: 0 })
  const others = (await hostsList(parts.db)).filter(
    ({ name, up, enabled }) => name !== host.name && up === 1 && enabled === 1,
  )
  if (answers || others.length === 0 || record.launchedAt !== null) throw error
  await giveBackPlace(parts, record)
}

/** Back to the scheduler. What may have been made on the lost host is reaped when it returns. */
export async function giveBackPlace(parts: Parts, record: WorkloadRecord): Promise<void> {
  await finish(parts, record, {
    event: 'lost',
    change: {
      host_name: null,
      container_id: null,
      step: 'scheduling',
      todo: 1,
      done_generation: record.doneGeneration,
    },
    within: async (tx) => {
      await volumesWait(tx, record.id, parts.clock.now())
      await parts.placement.release(tx, record.id)
      tx.emit(topics.placing, {})
    },
  })
}
