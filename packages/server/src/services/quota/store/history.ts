/** History: what happened to quota, one row a happening, the oldest pruned. Ids count up with time. */
import type { Selectable } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import { contains } from './like.ts'
import type { HistoryRow, QuotaTables } from './tables.ts'

export interface StoredHappening {
  id: number
  at: number
  kind: string
  projectId: string
  subject: string | null
  amounts: Record<string, number>
  /** Who changed a setting; null: the cloud itself, or whoever made the row that `subject` names. */
  actor: string | null
  /** So often, one after the other; only refusals are counted together. */
  times: number
  details: Record<string, unknown>
}

export type NewHappening = Omit<StoredHappening, 'id'>

export interface HistoryFilter {
  projectIds?: readonly string[]
  kinds?: readonly string[]
  resource?: string
  subject?: string
  sinceMs?: number
  untilMs?: number
  /** Older than this row. */
  before?: number
}

const toHappening = (row: Selectable<HistoryRow>): StoredHappening => ({
  id: row.id,
  at: row.at,
  kind: row.kind,
  projectId: row.project_id,
  subject: row.subject,
  amounts: fromJson(row.amounts),
  actor: row.actor,
  times: row.times,
  details: fromJson(row.details) ?? {},
})

/** `,cores,ram,`: so that one resource is found in it whole. */
export const namesOf = (amounts: Record<string, number>): string => `,${Object.keys(amounts).sort().join(',')},`

export const historyColumns = [
  ...(['at', 'kind', 'project_id', 'subject', 'amounts', 'resources', 'actor', 'times', 'details'] as const),
]

/** One text for any number of rows. */
const insert: StatementTexts = {
  sqlite: `insert into quota_history (${historyColumns.join(', ')})
    select ${historyColumns.map((_, index) => `value ->> ${index}`).join(', ')} from json_each(?1) order by key`,
  postgresql: `insert into quota_history (${historyColumns.join(', ')})
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
      $8::bigint[], $9::text[])`,
}

/** By far the most are alone. */
const insertOne: StatementTexts = {
  ...insert,
  sqlite: `insert into quota_history (${historyColumns.join(', ')}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
}

const rowsOf = (happenings: readonly NewHappening[]): unknown[][] =>
  happenings.map(({ at, kind, projectId, subject, amounts, actor, times, details }) => {
    return [at, kind, projectId, subject, toJson(amounts), namesOf(amounts), actor, times, toJson(details)]
  })

/** A list for each column, as PostgreSQL takes them. */
export const historyLists = (happenings: readonly NewHappening[]): unknown[][] => {
  const rows = rowsOf(happenings)
  return historyColumns.map((_, column) => rows.map((row) => row[column]))
}

export async function historyInsert(tx: Tx, happenings: readonly NewHappening[]): Promise<void> {
  if (tx.dialect === 'postgresql') await runStatement(tx, insert, historyLists(happenings))
  else if (happenings.length === 1) await runStatement(tx, insertOne, rowsOf(happenings)[0]!)
  else await runStatement(tx, insert, [JSON.stringify(rowsOf(happenings))])
}

/** The newest first. */
export async function historyList(
  executor: Executor,
  filter: HistoryFilter,
  limit: number,
): Promise<StoredHappening[]> {
  let query = executor.as<QuotaTables>().selectFrom('quota_history').selectAll()
  const { projectIds, kinds, resource, subject, sinceMs, untilMs, before } = filter
  if (projectIds) query = query.where('project_id', 'in', [...projectIds])
  if (kinds) query = query.where('kind', 'in', [...kinds])
  if (resource !== undefined) query = query.where(contains('resources', `,${resource},`))
  if (subject !== undefined) query = query.where('subject', '=', subject)
  if (sinceMs !== undefined) query = query.where('at', '>=', sinceMs)
  if (untilMs !== undefined) query = query.where('at', '<', untilMs)
  if (before !== undefined) query = query.where('id', '<', before)
  return (await query.orderBy('id', 'desc').limit(limit).execute()).map(toHappening)
}

/** Rows beyond the newest `rowsMax`, and rows older than `sinceMs`; at most `limit` of them, the oldest. */
export async function historyExcess(
  executor: Executor,
  { rowsMax, sinceMs, limit }: { rowsMax: number; sinceMs: number; limit: number },
): Promise<number[]> {
  const table = () => executor.as<QuotaTables>().selectFrom('quota_history').select('id')
  const edge = await table().orderBy('id', 'desc').offset(rowsMax).limit(1).executeTakeFirst()
  const rows = await table()
    .where((row) => row.or([row('at', '<', sinceMs), row('id', '<=', edge?.id ?? 0)]))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

export async function historyDelete(executor: Executor, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  await executor
    .as<QuotaTables>()
    .deleteFrom('quota_history')
    .where('id', 'in', [...ids])
    .execute()
}

/** The newest row of one kind about one subject. */
export async function historyLast(
  executor: Executor,
  kind: string,
  subject: string,
): Promise<StoredHappening | null> {
  const [row] = await historyList(executor, { kinds: [kind], subject }, 1)
  return row ?? null
}
