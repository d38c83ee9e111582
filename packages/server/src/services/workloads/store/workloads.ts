/** Rows of workloads: written by compare-and-set on state and generation, read as the facade's plain values. */
import { sql } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson } from '#platform/db/json.ts'
import type { Workload, WorkloadOrder, WorkloadState } from '../facade.ts'
import { workloadMachine } from '../states/workload.ts'
import type { WorkloadEvent } from '../states/workload.ts'
import type { WorkloadRow, WorkloadTables } from './tables.ts'

/** A workload as its controllers see it: with the order under way. */
export interface WorkloadRecord extends Workload {
  pending: WorkloadOrder | null
  buildGeneration: number
  todo: boolean
}

export function toRecord(row: WorkloadRow): WorkloadRecord {
  return {
    id: row.id,
    ownerService: row.owner_service,
    projectId: row.project_id,
    userId: row.user_id,
    name: row.name,
    spec: fromJson(row.spec),
    desired: row.desired as Workload['desired'],
    state: row.state as WorkloadState,
    step: row.step,
    hostName: row.host_name,
    containerId: row.container_id,
    pid: row.pid,
    exitCode: row.exit_code,
    oomKilled: fromFlag(row.oom_killed),
    fault: fromJson<NonNullable<Workload['fault']>>(row.fault) ?? null,
    generation: row.generation,
    doneGeneration: row.done_generation,
    launchedAt: row.launched_at,
    terminatedAt: row.terminated_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    pending: fromJson<WorkloadOrder>(row.pending) ?? null,
    buildGeneration: row.build_generation,
    todo: fromFlag(row.todo),
  }
}

/** True when the row is new. */
export async function workloadInsert(tx: Tx, row: WorkloadRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .as<WorkloadTables>()
    .insertInto('workload')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

export async function workloadFetch(executor: Executor, id: string): Promise<WorkloadRecord | undefined> {
  const row = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  return row && toRecord(row)
}

/** SQLite takes a bounded number of parameters in one statement. */
const idsMax = 500

export async function workloadsFetch(executor: Executor, ids: readonly string[]): Promise<WorkloadRecord[]> {
  const found: WorkloadRecord[] = []
  for (let at = 0; at < ids.length; at += idsMax) {
    const rows = await executor
      .as<WorkloadTables>()
      .selectFrom('workload')
      .selectAll()
      .where('id', 'in', ids.slice(at, at + idsMax))
      .execute()
    found.push(...rows.map(toRecord))
  }
  return found
}

/** Rows that wait for a host, oldest first. */
export async function workloadsToPlace(executor: Executor, limit: number): Promise<WorkloadRecord[]> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .selectAll()
    .where('todo', '=', 1)
    .where('state', '=', 'scheduling')
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toRecord)
}

export interface Work {
  id: string
  generation: number
  /** Since when its host is up without a break; 0 without a host. */
  hostSince: number
}

/** A container is built when the bytes of all its volumes are on its host. */
const waitingVolumes = sql`select 1 from workload_volume as v where v.workload_id = workload.id and v.state = 'waiting'`

/** Rows with work on a host, deletions first: they give back what others wait for. */
export async function workloadsToRun(executor: Executor, limit: number): Promise<Work[]> {
  return await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .leftJoin('workload_host', 'workload_host.name', 'workload.host_name')
    .select(['workload.id', 'workload.generation', sql<number>`coalesce(workload_host.started_at, 0)`.as('hostSince')])
    .where('workload.todo', '=', 1)
    .where('workload.state', '!=', 'scheduling')
    .where(sql<boolean>`(workload.state <> 'building' or not exists (${waitingVolumes}))`)
    .orderBy(sql`case workload.state when 'deleting' then 0 else 1 end`)
    .orderBy('workload.updated_at')
    .orderBy('workload.id')
    .limit(limit)
    .execute()
}

/** What should be on a host, or may still be there. */
export async function workloadsOfHost(executor: Executor, hostName: string): Promise<WorkloadRecord[]> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .selectAll()
    .where('host_name', '=', hostName)
    .where('state', '!=', 'deleted')
    .orderBy('id')
    .execute()
  return rows.map(toRecord)
}

/** Hosts that hold members of the groups asked for: group → host → members. */
/** Running ones in the network of another. */
export async function workloadsSharing(executor: Executor): Promise<WorkloadRecord[]> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .selectAll()
    .where('state', '=', 'running')
    .where('spec', 'like', '%"networkMode":"container:%')
    .execute()
  return rows.map(toRecord)
}

export async function groupMembers(
  executor: Executor,
  groupIds: readonly string[],
): Promise<Map<string, Map<string, number>>> {
  const groups = new Map<string, Map<string, number>>()
  if (groupIds.length === 0) return groups
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select(['group_id', 'host_name', sql<number>`count(*)`.as('members')])
    .where('group_id', 'in', [...groupIds])
    .where('host_name', 'is not', null)
    .where('state', '!=', 'deleted')
    .groupBy(['group_id', 'host_name'])
    .execute()
  for (const { group_id, host_name, members } of rows) {
    const hosts = groups.get(group_id!) ?? new Map<string, number>()
    groups.set(group_id!, hosts.set(host_name!, Number(members)))
  }
  return groups
}

export async function hostsOfWorkloads(executor: Executor, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select(['id', 'host_name'])
    .where('id', 'in', [...ids])
    .where('host_name', 'is not', null)
    .where('state', '!=', 'deleted')
    .execute()
  return new Map(rows.map((row) => [row.id, row.host_name!]))
}

export async function runningByHost(executor: Executor): Promise<Map<string, number>> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select(['host_name', sql<number>`count(*)`.as('running')])
    .where('host_name', 'is not', null)
    .where('state', 'in', ['running', 'paused', 'suspended'])
    .groupBy('host_name')
    .execute()
  return new Map(rows.map((row) => [row.host_name!, Number(row.running)]))
}

/** What stands for a workload's claim or container: everything that is not deleted. */
export async function liveIds(executor: Executor): Promise<Map<string, string | null>> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select(['id', 'host_name'])
    .where('state', '!=', 'deleted')
    .execute()
  return new Map(rows.map((row) => [row.id, row.host_name]))
}

export async function workloadsStuck(executor: Executor, before: number): Promise<WorkloadRecord[]> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .selectAll()
    .where('todo', '=', 1)
    .where('updated_at', '<', before)
    .orderBy('updated_at')
    .limit(200)
    .execute()
  return rows.map(toRecord)
}

type Change = Partial<Omit<WorkloadRow, 'id' | 'state'>>

/**
 * Moves the row by an event, if its state accepts it and its generation is still the one the caller read:
 * a later order wins over the result of an earlier one. Answers with the new state, or undefined when it was too late.
 */
export async function workloadMove(
  tx: Tx,
  id: string,
  move: { event: WorkloadEvent; generation?: number; change: Change },
): Promise<WorkloadState | undefined> {
  const { event, generation, change } = move
  const cases = workloadMachine.movesOf(event).map(({ from, to }) => sql`when ${from} then ${to}`)
  const row = await tx
    .as<WorkloadTables>()
    .updateTable('workload')
    .set({ ...change, state: sql<string>`case state ${sql.join(cases, sql` `)} end` })
    .where('id', '=', id)
    .where('state', 'in', workloadMachine.sourcesOf(event))
    .$if(generation !== undefined, (query) => query.where('generation', '=', generation!))
    .returning('state')
    .executeTakeFirst()
  return row?.state as WorkloadState | undefined
}

/** Changes fields other than the state; false when a later order came first. */
export async function workloadPatch(
  executor: Executor,
  id: string,
  generation: number,
  change: Change,
): Promise<boolean> {
  const { numUpdatedRows } = await executor
    .as<WorkloadTables>()
    .updateTable('workload')
    .set(change)
    .where('id', '=', id)
    .where('generation', '=', generation)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

export async function workloadRename(tx: Tx, id: string, name: string, at: number): Promise<void> {
  await tx.as<WorkloadTables>().updateTable('workload').set({ name, updated_at: at }).where('id', '=', id).execute()
}

/** Forgets rows that were deleted before a moment. */
export async function workloadsPurge(executor: Executor, before: number): Promise<void> {
  await executor
    .as<WorkloadTables>()
    .deleteFrom('workload')
    .where('state', '=', 'deleted')
    .where('terminated_at', '<', before)
    .execute()
}

export async function workloadsPurgeable(executor: Executor, before: number): Promise<boolean> {
  const row = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select('id')
    .where('state', '=', 'deleted')
    .where('terminated_at', '<', before)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** The most recently deleted, whose traces are still remembered. */
export async function deletedIds(executor: Executor, limit: number): Promise<string[]> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select('id')
    .where('state', '=', 'deleted')
    .orderBy('terminated_at', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}
