/** How controllers write results: in one transaction with the event that tells everybody to look again. */
import type { Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import type { WorkloadEvent } from '../states/workload.ts'
import { workloadMove, workloadPatch } from '../store/workloads.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import type { WorkloadRow } from '../store/tables.ts'
import type { Fault } from './faults.ts'
import type { Parts } from './parts.ts'

export const topics = {
  /** Look again at this workload: for everybody above. */
  changed: 'workloads.changed',
  /** A workload waits for a host. */
  placing: 'workloads.placing',
  /** A workload has work on its host. */
  work: 'workloads.work',
  /** A host came or went, or has room again. */
  hosts: 'workloads.hosts',
  /** A volume is to be plugged in or taken out. */
  volumes: 'workloads.volumes',
} as const

export interface Outcome {
  event: WorkloadEvent
  fault?: Fault | null
  change?: Partial<Omit<WorkloadRow, 'id' | 'state'>>
  /** What must be true together with the new state: claims, ports. */
  within?: (tx: Tx) => Promise<void>
}

/** Ends the order under way. False when a later order came first: its own act will see to the rest. */
export async function finish(
  parts: Parts,
  record: WorkloadRecord,
  { event, fault, change, within }: Outcome,
): Promise<boolean> {
  return await parts.db.transaction(async (tx) => {
    const state = await workloadMove(tx, record.id, {
      event,
      generation: record.generation,
      change: {
        step: null,
        pending: null,
        todo: 0,
        done_generation: record.generation,
        updated_at: parts.clock.now(),
        ...(fault === undefined ? {} : { fault: fault && toJson(fault) }),
        ...change,
      },
    })
    if (state === undefined) return false
    await within?.(tx)
    tx.emit(topics.changed, { id: record.id })
    return true
  })
}

/** Writes down what was seen to happen by itself: nobody's order, so no generation is done by it. */
export async function observed(
  parts: Parts,
  record: WorkloadRecord,
  { event, fault, change }: Outcome,
): Promise<boolean> {
  return await parts.db.transaction(async (tx) => {
    const state = await workloadMove(tx, record.id, {
      event,
      generation: record.generation,
      change: {
        updated_at: parts.clock.now(),
        ...(fault === undefined ? {} : { fault: fault && toJson(fault) }),
        ...change,
      },
    })
    if (state !== undefined) tx.emit(topics.changed, { id: record.id })
    return state !== undefined
  })
}

/** Records progress without telling anybody; false when a later order came first. */
export const progress = (
  parts: Parts,
  record: WorkloadRecord,
  change: Partial<Omit<WorkloadRow, 'id' | 'state'>>,
): Promise<boolean> => workloadPatch(parts.db, record.id, record.generation, change)
