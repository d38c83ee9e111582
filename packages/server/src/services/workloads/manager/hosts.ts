/** Hosts as last seen, their inventories for Placement, and the operator's switches. */
import { fromJson, toJson } from '#platform/db/json.ts'
import { notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { Host } from '#services/deps.ts'
import type { Inventory } from '#services/placement/facade.ts'
import type { HostInfo } from '../facade.ts'
import type { EngineInfo } from '../ports.ts'
import { hostFetch, hostInsert, hostPatch, hostsList } from '../store/hosts.ts'
import type { WorkloadHostRow } from '../store/tables.ts'
import { runningByHost } from '../store/workloads.ts'
import type { Parts, Settings } from './parts.ts'
import { topics } from './records.ts'

/** Asks one host who it is and writes down what it says; a host that does not answer is down. */
export async function probe(parts: Parts, host: Host): Promise<void> {
  const known = await hostFetch(parts.db, host.name)
  const info = await host.runtime.info().catch((error: unknown) => {
    parts.log.warn({ err: error, host: host.name }, 'A host does not answer')
    return undefined
  })
  if (info === undefined) return await markDown(parts, known)
  const row = await record(parts, host, info, known)
  await parts.placement.providerEnsure({
    id: row.id,
    name: row.name,
    inventories: inventoriesOf(info, parts.settings),
    traits: traitsOf(info),
  })
  if (known?.up !== 1) await announce(parts, host.name)
}

async function record(
  parts: Parts,
  host: Host,
  info: EngineInfo,
  known: WorkloadHostRow | undefined,
): Promise<WorkloadHostRow> {
  const now = parts.clock.now()
  const seen = {
    up: 1,
    address: host.address,
    info: toJson(info),
    seen_at: now,
    started_at: known?.up === 1 ? known.started_at : now,
  }
  if (known !== undefined) {
    await hostPatch(parts.db, host.name, seen)
    return { ...known, ...seen }
  }
  const row: WorkloadHostRow = {
    name: host.name,
    id: uuid(),
    enabled: 1,
    disabled_reason: null,
    availability_zone: parts.settings.availabilityZone,
    ...seen,
  }
  await parts.db.transaction((tx) => hostInsert(tx, row))
  return (await hostFetch(parts.db, host.name))!
}

export async function markDown(parts: Parts, known: WorkloadHostRow | undefined): Promise<void> {
  if (known?.up !== 1) return
  await hostPatch(parts.db, known.name, { up: 0 })
  await announce(parts, known.name)
}

const announce = (parts: Parts, name: string): Promise<void> =>
  parts.db.transaction(async (tx) => {
    tx.emit(topics.hosts, { name })
  })

/** As Nova reports a hypervisor: what there really is; the ratios promise more of it, one server never gets more. */
export function inventoriesOf(info: EngineInfo, settings: Settings): Record<string, Inventory> {
  const of = (total: number, allocationRatio: number, reserved = 0): Inventory => ({
    total,
    reserved: Math.min(reserved, total),
    minUnit: 1,
    maxUnit: total,
    stepSize: 1,
    allocationRatio,
  })
  const all = {
    VCPU: of(info.vcpus, settings.cpuAllocationRatio),
    MEMORY_MB: of(info.ramMiB, settings.ramAllocationRatio, settings.reservedRamMiB),
    DISK_GB: of(Math.floor(info.diskGiB), settings.diskAllocationRatio),
  }
  return Object.fromEntries(Object.entries(all).filter(([, { total }]) => total > 0))
}

const traitsOf = ({ architecture }: EngineInfo): string[] =>
  /aarch64|arm64/.test(architecture) ? ['HW_ARCH_AARCH64'] : ['HW_ARCH_X86_64']

export async function hostInfos(parts: Parts): Promise<HostInfo[]> {
  const [rows, running] = await Promise.all([hostsList(parts.db), runningByHost(parts.db)])
  return rows.map((row) => toHostInfo(row, running.get(row.name) ?? 0))
}

function toHostInfo(row: WorkloadHostRow, runningWorkloads: number): HostInfo {
  const info = fromJson<EngineInfo>(row.info)
  return {
    name: row.name,
    id: row.id,
    up: row.up === 1,
    enabled: row.enabled === 1,
    disabledReason: row.disabled_reason,
    availabilityZone: row.availability_zone,
    vcpus: info.vcpus,
    ramMiB: info.ramMiB,
    diskGiB: info.diskGiB,
    diskFreeGiB: info.diskFreeGiB,
    runningWorkloads,
    engineVersion: info.engineVersion,
    apiVersion: info.apiVersion,
    architecture: info.architecture,
    kernel: info.kernel,
    address: row.address,
    startedAt: row.started_at,
    seenAt: row.seen_at,
  }
}

export async function hostUpdate(
  parts: Parts,
  name: string,
  change: { enabled?: boolean; disabledReason?: string | null; availabilityZone?: string },
): Promise<HostInfo> {
  if ((await hostFetch(parts.db, name)) === undefined) throw notFound(`Host ${name} could not be found`)
  const { enabled, disabledReason, availabilityZone } = change
  const patch: Partial<WorkloadHostRow> = {
    ...(enabled !== undefined && { enabled: enabled ? 1 : 0, ...(enabled && { disabled_reason: null }) }),
    ...(disabledReason !== undefined && { disabled_reason: disabledReason }),
    ...(availabilityZone !== undefined && { availability_zone: availabilityZone }),
  }
  if (Object.keys(patch).length > 0) await hostPatch(parts.db, name, patch)
  await announce(parts, name)
  return (await hostInfos(parts)).find((host) => host.name === name)!
}
