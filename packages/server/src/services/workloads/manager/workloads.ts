/** The facade: what Nova, Zun, Heat and the others ask of workloads. Rules and rows; the world is the controllers'. */
import type { Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { conflict, isRefusal, notFound } from '#platform/errors/errors.ts'
import type { Workload, WorkloadOrder, WorkloadSpec, WorkloadsFacade } from '../facade.ts'
import type { Host } from '#services/deps.ts'
import { makesAnew, orderRules, refusalOf, stepOf } from '../states/orders.ts'
import type { WorkloadEvent } from '../states/workload.ts'
import type { WorkloadRow } from '../store/tables.ts'
import {
  toRecord,
  workloadFetch,
  workloadInsert,
  workloadMove,
  workloadPatch,
  workloadRename,
  workloadsFetch,
} from '../store/workloads.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { hostFetch } from '../store/hosts.ts'
import { doctorReport } from './doctor.ts'
import { hostInfos, hostUpdate } from './hosts.ts'
import { requireHost } from './parts.ts'
import type { Parts } from './parts.ts'
import { topics } from './records.ts'
import { snapshot } from './snapshot.ts'
import { assertRunnable, claimOf } from './spec.ts'
import { createVolumes } from './volumes.ts'

export function createWorkloads(parts: Parts): WorkloadsFacade {
  const { db } = parts
  return {
    check: assertRunnable,
    ensure: (tx, workload) => ensure(parts, tx, workload),
    order: (tx, id, order) => takeOrder(parts, tx, id, order),
    rename: (tx, id, name) => workloadRename(tx, id, name, parts.clock.now()),
    async fetch(id) {
      const record = await workloadFetch(db, id)
      return record && toWorkload(record)
    },
    async fetchMany(ids) {
      const records = await workloadsFetch(db, [...new Set(ids)])
      return new Map(records.map((record) => [record.id, toWorkload(record)]))
    },
    logs: (id, tail) => logs(parts, id, tail),
    async exec(id, command, options) {
      const { host, containerId } = await containerOf(parts, id)
      return await host.runtime.exec(containerId, command, options)
    },
    async stats(id) {
      const { host, containerId } = await containerOf(parts, id)
      return await host.runtime.stats(containerId)
    },
    async snapshot(id, imageId) {
      const { record, host, containerId } = await containerOf(parts, id)
      await snapshot(parts, { record, host, containerId, imageId })
    },
    hosts: () => hostInfos(parts),
    volumes: createVolumes(parts),
    doctor: () => doctorReport(parts),
    hostUpdate: (name, change) => hostUpdate(parts, name, change),
  }
}

function toWorkload({
  pending: _pending,
  buildGeneration: _build,
  todo: _todo,
  ...workload
}: WorkloadRecord): Workload {
  return workload
}

type NewWorkload = Parameters<WorkloadsFacade['ensure']>[1]

async function ensure(parts: Parts, tx: Tx, workload: NewWorkload): Promise<Workload> {
  assertRunnable(workload.spec)
  const row = newRow(workload, parts.clock.now())
  if (!(await workloadInsert(tx, row))) return toWorkload((await workloadFetch(tx, workload.id))!)
  if (isNamed(workload.spec)) await nameDevice(parts, tx, workload.id, workload.spec)
  tx.emit(topics.placing, { id: workload.id })
  return toWorkload(toRecord(row))
}

const isNamed = ({ aliases = [], links = [] }: WorkloadSpec): boolean => aliases.length + links.length > 0

async function nameDevice(parts: Parts, tx: Tx, id: string, { aliases = [], links = [] }: WorkloadSpec): Promise<void> {
  await parts.neutron.deviceNamesSet(tx, id, {
    aliases,
    links: links.map(({ workloadId, alias }) => ({ deviceId: workloadId, alias })),
  })
}

const newRow = ({ id, ownerService, projectId, userId, name, spec }: NewWorkload, now: number): WorkloadRow => ({
  id,
  owner_service: ownerService,
  project_id: projectId,
  user_id: userId,
  name,
  spec: toJson(spec),
  image_id: spec.imageId,
  group_id: spec.scheduling.group?.id ?? null,
  desired: 'running',
  state: 'scheduling',
  step: 'scheduling',
  pending: null,
  generation: 1,
  done_generation: 0,
  build_generation: 1,
  todo: 1,
  host_name: null,
  container_id: null,
  pid: 0,
  exit_code: null,
  oom_killed: 0,
  fault: null,
  launched_at: null,
  terminated_at: null,
  created_at: now,
  updated_at: now,
})

async function takeOrder(parts: Parts, tx: Tx, id: string, order: WorkloadOrder): Promise<number> {
  const record = await workloadFetch(tx, id)
  if (record === undefined || record.state === 'deleted') {
    if (order.do === 'delete' && record) return record.generation
    throw notFound(`Workload ${id} could not be found`)
  }
  if (order.do === 'delete' && record.state === 'deleting') return record.generation
  const refusal = refusalOf(record, order)
  if (refusal !== undefined) throw conflict(refusal, { reason: 'state', state: record.state })
  if (order.do === 'rebuild' || order.do === 'resize') {
    assertRunnable(order.spec)
    await nameDevice(parts, tx, id, order.spec)
    if (record.hostName !== null) await reclaim(parts, tx, record, order)
  }
  await writeOrder(parts, tx, record, order)
  return record.generation + 1
}

/** Throws `conflict` with the numbers when the host has no room for the new size. */
async function reclaim(parts: Parts, tx: Tx, record: WorkloadRecord, { spec }: { spec: WorkloadSpec }): Promise<void> {
  const row = await hostFetch(tx, record.hostName!)
  if (row === undefined)
    throw conflict(`Workload ${record.id} is on host ${record.hostName}, which is no longer known`, {
      reason: 'state',
      state: record.state,
    })
  await parts.placement.claim(tx, {
    consumerId: record.id,
    providerId: row.id,
    resources: claimOf(spec),
    projectId: record.projectId,
    userId: record.userId,
  })
}

async function writeOrder(parts: Parts, tx: Tx, record: WorkloadRecord, order: WorkloadOrder): Promise<void> {
  const generation = record.generation + 1
  const change: Partial<Omit<WorkloadRow, 'id' | 'state'>> = {
    generation,
    todo: 1,
    step: stepOf(order),
    pending: pendingOf(record, order),
    updated_at: parts.clock.now(),
    ...(orderRules[order.do].desired && { desired: orderRules[order.do].desired }),
    ...('spec' in order && { spec: toJson(order.spec), image_id: order.spec.imageId }),
    ...(order.do === 'rebuild' && {
      build_generation: generation,
      desired: record.state === 'stopped' ? 'stopped' : 'running',
    }),
  }
  const event = eventOf(record, order)
  const written =
    event === undefined
      ? await workloadPatch(tx, record.id, record.generation, change)
      : await workloadMove(tx, record.id, { event, generation: record.generation, change })
  if (!written)
    throw conflict(`Workload ${record.id} was changed by somebody else at this moment; try again`, { reason: 'state' })
  tx.emit(event === 'retry' ? topics.placing : topics.work, { id: record.id })
  tx.emit(topics.changed, { id: record.id })
}

/** Orders that change the state at once; the others do when they are carried out. */
function eventOf({ state, hostName }: WorkloadRecord, order: WorkloadOrder): WorkloadEvent | undefined {
  if (order.do === 'delete') return 'delete'
  if (state === 'error' && hostName === null && makesAnew(order)) return 'retry'
  return order.do === 'rebuild' ? 'rebuild' : undefined
}

/** The new spec is in its own column; a reboot notes which process it is to end. */
function pendingOf({ pid }: WorkloadRecord, order: WorkloadOrder): string {
  if (order.do === 'rebuild' || order.do === 'resize') return toJson({ do: order.do })
  return toJson(order.do === 'reboot' ? { ...order, pidBefore: pid } : order)
}

async function containerOf(
  parts: Parts,
  id: string,
): Promise<{ record: WorkloadRecord; host: Host; containerId: string }> {
  const record = await workloadFetch(parts.db, id)
  if (record === undefined || record.state === 'deleted') throw notFound(`Workload ${id} could not be found`)
  if (record.containerId === null)
    throw conflict(`Workload ${id} has no container now: it is ${record.state}`, {
      reason: 'state',
      state: record.state,
    })
  return { record, host: requireHost(parts.hosts, record.hostName), containerId: record.containerId }
}

/** A workload that never had a container has written nothing. */
async function logs(parts: Parts, id: string, tail?: number): Promise<Buffer> {
  const record = await workloadFetch(parts.db, id)
  if (record === undefined) throw notFound(`Workload ${id} could not be found`)
  if (record.containerId === null) return Buffer.alloc(0)
  try {
    return await requireHost(parts.hosts, record.hostName).runtime.logs(record.containerId, { tail })
  } catch (error) {
    if (isRefusal(error) && error.kind === 'notFound') return Buffer.alloc(0)
    throw error
  }
}
