/** Claims: what each row of each service holds. The truth that all running numbers follow from. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import type { ClaimRow, QuotaTables } from './tables.ts'

export interface StoredClaim {
  subject: string
  projectId: string
  amounts: Record<string, number>
  state: 'reserved' | 'committed'
  reclaimable: 'never' | 'yes' | 'preferred'
  priority: number
  startedAt: number
  expiresAt: number | null
  /** The project for which it was asked to end, and by when. */
  ticket: string | null
  deadlineAt: number | null
  /** Names a container through its evictions and returns; null: the subject itself. */
  lineage?: string | null
}

export const toClaim = (row: ClaimRow): StoredClaim => ({
  subject: row.subject,
  projectId: row.project_id,
  amounts: fromJson(row.amounts),
  state: row.state,
  reclaimable: row.reclaimable,
  priority: row.priority,
  startedAt: row.started_at,
  expiresAt: row.expires_at,
  ticket: row.ticket,
  deadlineAt: row.deadline_at,
  lineage: row.lineage,
})

const bySubject = bothTexts('select * from quota_claim where subject = ?')

export async function claimFetch(executor: Executor, subject: string): Promise<StoredClaim | undefined> {
  const [row] = (await runStatement<ClaimRow>(executor, bySubject, [subject])).rows
  return row && toClaim(row)
}

const held: StatementTexts = {
  sqlite: 'select * from quota_claim where subject = ?',
  postgresql: 'select * from quota_claim where subject = $1 for update',
}

/** As it is now, and nobody else's to end or to change before this transaction is over. */
export async function claimHold(tx: Tx, subject: string): Promise<StoredClaim | undefined> {
  const [row] = (await runStatement<ClaimRow>(tx, held, [subject])).rows
  return row && toClaim(row)
}

const insert = bothTexts(`
  insert into quota_claim
    (subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, ticket, deadline_at, lineage)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict do nothing`)

/**
 * False when the subject has a claim already. Inserting before looking reads nothing that is not there, for which a
 * serializable PostgreSQL would let unrelated transactions fail.
 */
export async function claimInsert(executor: Executor, claim: StoredClaim): Promise<boolean> {
  const { subject, projectId, amounts, state, reclaimable, priority, lineage = null } = claim
  const times = [claim.startedAt, claim.expiresAt, claim.ticket, claim.deadlineAt]
  const row = [subject, projectId, toJson(amounts), state, reclaimable, priority, ...times, lineage]
  return ((await runStatement(executor, insert, row)).numAffectedRows ?? 0n) > 0n
}

/** A list for each column of a new claim, as PostgreSQL takes them. */
export const claimLists = (claims: readonly StoredClaim[]): unknown[][] => [
  claims.map(({ subject }) => subject),
  claims.map(({ projectId }) => projectId),
  claims.map(({ amounts }) => toJson(amounts)),
  claims.map(({ state }) => state),
  claims.map(({ reclaimable }) => reclaimable),
  claims.map(({ priority }) => priority),
  claims.map(({ startedAt }) => startedAt),
  claims.map(({ expiresAt }) => expiresAt),
  claims.map(({ lineage }) => lineage ?? null),
]

const known: StatementTexts = {
  sqlite: 'select subject from quota_claim where subject in (select value from json_each(?1))',
  postgresql: 'select subject from quota_claim where subject = any ($1)',
}

/** Those of the subjects that have a claim. */
export async function claimsKnown(executor: Executor, subjects: readonly string[]): Promise<Set<string>> {
  const list = executor.dialect === 'postgresql' ? subjects : toJson(subjects)
  const { rows } = await runStatement<{ subject: string }>(executor, known, [list])
  return new Set(rows.map(({ subject }) => subject))
}

/** Asks a claim to end for a ticket, or (nothing given) lets it stay. */
export async function claimNotice(
  executor: Executor,
  subject: string,
  notice?: { ticket: string; deadlineAt: number },
): Promise<void> {
  await executor
    .as<QuotaTables>()
    .updateTable('quota_claim')
    .set({ ticket: notice?.ticket ?? null, deadline_at: notice?.deadlineAt ?? null })
    .where('subject', '=', subject)
    .execute()
}

/** The claims that were asked to end, the most urgent first; for one ticket, or all. */
export async function claimsNoticed(executor: Executor, ticket?: string): Promise<StoredClaim[]> {
  let query = executor.as<QuotaTables>().selectFrom('quota_claim').selectAll().where('ticket', 'is not', null)
  if (ticket !== undefined) query = query.where('ticket', '=', ticket)
  return (await query.orderBy('deadline_at').orderBy('subject').execute()).map(toClaim)
}

export async function claimShrink(
  executor: Executor,
  subject: string,
  amounts: Record<string, number>,
): Promise<void> {
  await executor
    .as<QuotaTables>()
    .updateTable('quota_claim')
    .set({ amounts: toJson(amounts) })
    .where('subject', '=', subject)
    .execute()
}

export async function claimDelete(executor: Executor, subject: string): Promise<void> {
  await executor.as<QuotaTables>().deleteFrom('quota_claim').where('subject', '=', subject).execute()
}

/** All that one project holds is held by another. */
export async function claimsHandOver(executor: Executor, from: string, to: string): Promise<void> {
  await executor
    .as<QuotaTables>()
    .updateTable('quota_claim')
    .set({ project_id: to })
    .where('project_id', '=', from)
    .execute()
}

export async function claimsOfRoot(executor: Executor, rootId: string): Promise<StoredClaim[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_claim')
    .innerJoin('quota_project', 'quota_project.id', 'quota_claim.project_id')
    .selectAll('quota_claim')
    .where('quota_project.root_id', '=', rootId)
    .orderBy('started_at')
    .orderBy('subject')
    .execute()
  return rows.map(toClaim)
}

export async function claimsOfProject(executor: Executor, projectId: string): Promise<StoredClaim[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_claim')
    .selectAll()
    .where('project_id', '=', projectId)
    .execute()
  return rows.map(toClaim)
}

/** Reservations whose time is up, the oldest first. */
export async function claimsExpired(executor: Executor, now: number, limit: number): Promise<string[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_claim')
    .select('subject')
    .where('expires_at', '<=', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute()
  return rows.map(({ subject }) => subject)
}
