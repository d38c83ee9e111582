/** SQL over host aggregates and the operator's marks on hosts. */
import type { Selectable } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import type { Aggregate } from '../manager/model.ts'
import type { AggregateRow, NovaTables } from './tables.ts'

const aggregateOf = (row: Selectable<AggregateRow>): Aggregate => ({
  number: row.number, uuid: row.uuid, name: row.name, zone: row.zone,
  metadata: fromJson<Record<string, string>>(row.metadata), hosts: fromJson<string[]>(row.hosts),
  createdAt: row.created_at, updatedAt: row.updated_at,
})

export const aggregatesList = async (executor: Executor): Promise<Aggregate[]> => {
  const rows = await executor.as<NovaTables>().selectFrom('nova_aggregate').selectAll().orderBy('number').execute()
  return rows.map(aggregateOf)
}

export const aggregateFetch = async (executor: Executor, number: number): Promise<Aggregate | undefined> => {
  const row = await executor.as<NovaTables>().selectFrom('nova_aggregate').selectAll().where(
    'number', '=', number,
  ).executeTakeFirst()
  return row && aggregateOf(row)
}

/** Undefined: an aggregate of that name exists. */
export const aggregateInsert = async (tx: Tx, aggregate: Omit<Aggregate, 'number'>): Promise<Aggregate | undefined> => {
  const row = await tx.as<NovaTables>().insertInto('nova_aggregate').values({
    uuid: aggregate.uuid, name: aggregate.name, zone: aggregate.zone, metadata: toJson(aggregate.metadata),
    hosts: toJson(aggregate.hosts), created_at: aggregate.createdAt, updated_at: aggregate.updatedAt,
  }).onConflict((clash) => clash.doNothing()).returning('number').executeTakeFirst()
  return row && { ...aggregate, number: row.number }
}

export const aggregateUpdate = async (tx: Tx, aggregate: Aggregate): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_aggregate').set({
    name: aggregate.name, zone: aggregate.zone, metadata: toJson(aggregate.metadata), hosts: toJson(aggregate.hosts),
    updated_at: aggregate.updatedAt,
  }).where('number', '=', aggregate.number).execute()
}

export const aggregateDelete = async (tx: Tx, number: number): Promise<void> => {
  await tx.as<NovaTables>().deleteFrom('nova_aggregate').where('number', '=', number).execute()
}

export const forcedDownHosts = async (executor: Executor): Promise<Set<string>> => {
  const rows = await executor.as<NovaTables>().selectFrom('nova_forced_down').select('host').execute()
  return new Set(rows.map((row) => row.host))
}

export const forcedDownSet = async (tx: Tx, host: string, down: boolean, at: number): Promise<void> => {
  const table = tx.as<NovaTables>()
  await table.deleteFrom('nova_forced_down').where('host', '=', host).execute()
  if (down) await table.insertInto('nova_forced_down').values({ host, since: at }).execute()
}
