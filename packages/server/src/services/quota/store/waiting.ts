/** Requests that wait for capacity, one row each, until they are granted, given up or out of time. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import type { QuotaTables, WaitingRow } from './tables.ts'

export interface StoredWaiting {
  subject: string
  projectId: string
  amounts: Record<string, number>
  reclaimable: 'never' | 'yes' | 'preferred'
  priority: number
  lineage: string | null
  since: number
  /** Null: it waits as long as it takes. */
  expiresAt: number | null
  /** How long the reservation is kept once it is granted; null: it has started then. */
  ttlMs: number | null
}

export const toWaiting = (row: WaitingRow): StoredWaiting => ({
  subject: row.subject,
  projectId: row.project_id,
  amounts: fromJson(row.amounts),
  reclaimable: row.reclaimable,
  priority: row.priority,
  lineage: row.lineage,
  since: row.since,
  expiresAt: row.expires_at,
  ttlMs: row.ttl_ms < 0 ? null : row.ttl_ms,
})

export const sorted = (amounts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The line in which a request stands: in one project, for the same amounts. */
export const lineOf = ({ projectId, amounts }: Pick<StoredWaiting, 'projectId' | 'amounts'>): string =>
  `${projectId} ${toJson(sorted(amounts))}`

const insert = bothTexts(`
  insert into quota_waiting (subject, project_id, amounts, reclaimable, priority, lineage, since, expires_at, ttl_ms,
    root_id, line)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict do nothing`)

/** Asking again changes nothing. */
export async function waitingInsert(executor: Executor, asked: StoredWaiting, rootId: string): Promise<void> {
  const { subject, projectId, amounts, reclaimable, priority, lineage, since, expiresAt, ttlMs } = asked
  const terms = [reclaimable, priority, lineage, since, expiresAt, ttlMs ?? -1]
  await runStatement(executor, insert, [subject, projectId, toJson(sorted(amounts)), ...terms, rootId, lineOf(asked)])
}

const bySubject = bothTexts('select * from quota_waiting where subject = ?')

export async function waitingFetch(executor: Executor, subject: string): Promise<StoredWaiting | undefined> {
  const [row] = (await runStatement<WaitingRow>(executor, bySubject, [subject])).rows
  return row && toWaiting(row)
}

const remove = bothTexts('delete from quota_waiting where subject = ? returning gathers')

/** Nothing when it waits no more: somebody else has granted it or given it up. */
export async function waitingDelete(executor: Executor, subject: string): Promise<{ gathered: boolean } | undefined> {
  const [row] = (await runStatement<{ gathers: number }>(executor, remove, [subject])).rows
  return row && { gathered: row.gathers === 1 }
}

/** What a project asked for goes with it. */
export async function waitingForget(executor: Executor, projectId: string): Promise<void> {
  await executor.as<QuotaTables>().deleteFrom('quota_waiting').where('project_id', '=', projectId).execute()
}

export async function waitingMove(executor: Executor, projectId: string, rootId: string): Promise<void> {
  await executor
    .as<QuotaTables>()
    .updateTable('quota_waiting')
    .set({ root_id: rootId })
    .where('project_id', '=', projectId)
    .execute()
}

/** Everybody below a root, the oldest first. */
export async function waitingOfRoot(executor: Executor, rootId: string, limit: number): Promise<StoredWaiting[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .selectAll()
    .where('root_id', '=', rootId)
    .orderBy('since')
    .orderBy('subject')
    .limit(limit)
    .execute()
  return rows.map(toWaiting)
}

/** From line to line by the index, and of each the first: whoever stands behind costs nothing. */
const firstOfEach = (root: string) => `
  with recursive each_line (name) as (
    select min(line) from quota_waiting where root_id = ${root}
    union all
    select (select min(line) from quota_waiting where root_id = ${root} and line > each_line.name)
    from each_line where each_line.name is not null)
  select quota_waiting.* from each_line join quota_waiting on quota_waiting.subject = (
    select subject from quota_waiting where root_id = ${root} and line = each_line.name
    order by priority desc, since, subject limit 1)`
const headsOfRoot: StatementTexts = { sqlite: firstOfEach('?1'), postgresql: firstOfEach('$1') }

/** The first of each line below a root. */
export async function waitingHeads(executor: Executor, rootId: string): Promise<StoredWaiting[]> {
  return (await runStatement<WaitingRow>(executor, headsOfRoot, [rootId])).rows.map(toWaiting)
}

const headOfLine = bothTexts(`
  select * from quota_waiting where root_id = ? and line = ? order by priority desc, since, subject limit 1`)

export async function waitingHead(
  executor: Executor,
  rootId: string,
  line: string,
): Promise<StoredWaiting | undefined> {
  const [row] = (await runStatement<WaitingRow>(executor, headOfLine, [rootId, line])).rows
  return row && toWaiting(row)
}

/**
 * Those of these who still wait, held by a transaction that serves them: nobody else grants them, gives them up or
 * gathers for them before it ends.
 */
export async function waitingTaken(tx: Tx, asked: readonly StoredWaiting[]): Promise<StoredWaiting[]> {
  // SQLite has one writer at a time, and no word for it.
  if (tx.dialect !== 'postgresql' || asked.length === 0) return [...asked]
  const subjects = asked.map(({ subject }) => subject)
  const table = tx.as<QuotaTables>()
  const rows = await table
    .selectFrom('quota_waiting')
    .selectAll()
    .where('subject', 'in', subjects)
    .orderBy('subject')
    .forUpdate()
    .execute()
  // A lock alone is not seen by a transaction whose view is older: written anew, the rows make it begin again.
  await table
    .updateTable('quota_waiting')
    .set((row) => ({ since: row.ref('since') }))
    .where('subject', 'in', subjects)
    .execute()
  return rows.map(toWaiting)
}

const gathering = bothTexts('select subject from quota_waiting where gathers = 1 and root_id = ?')

/** For whom something is kept below a root. */
export async function waitingGathering(executor: Executor, rootId: string): Promise<string[]> {
  return (await runStatement<{ subject: string }>(executor, gathering, [rootId])).rows.map(({ subject }) => subject)
}

const gathers = bothTexts('update quota_waiting set gathers = ? where subject = ?')

export async function waitingGathers(executor: Executor, subject: string, does: boolean): Promise<void> {
  await runStatement(executor, gathers, [does ? 1 : 0, subject])
}

const late = bothTexts('select * from quota_waiting where root_id = ? and expires_at <= ?')

export async function waitingLate(executor: Executor, rootId: string, now: number): Promise<StoredWaiting[]> {
  return (await runStatement<WaitingRow>(executor, late, [rootId, now])).rows.map(toWaiting)
}

const anybody = bothTexts('select subject from quota_waiting limit 1')

export async function isAnybodyWaiting(executor: Executor): Promise<boolean> {
  return (await runStatement(executor, anybody, [])).rows.length > 0
}

export async function rootsAwaited(executor: Executor, limit: number): Promise<string[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .select('root_id')
    .distinct()
    .orderBy('root_id')
    .limit(limit)
    .execute()
  return rows.map((row) => row.root_id)
}
