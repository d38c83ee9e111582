/** Tickets: projects that wait for what is being taken back for them. One a project. */
import type { Executor } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import type { QuotaTables, TicketRow } from './tables.ts'

export interface StoredTicket {
  projectId: string
  amounts: Record<string, number>
  createdAt: number
  expiresAt: number
  /** The waiting request that alone may have what is taken back; null: whatever the project asks for next. */
  subject: string | null
}

const toTicket = (row: TicketRow): StoredTicket => ({
  projectId: row.project_id,
  amounts: fromJson(row.amounts),
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  subject: row.subject,
})

const ofProject = bothTexts('select * from quota_ticket where project_id = ?')

export async function ticketFetch(executor: Executor, projectId: string): Promise<StoredTicket | undefined> {
  const [row] = (await runStatement<TicketRow>(executor, ofProject, [projectId])).rows
  return row && toTicket(row)
}

const ofProjects: StatementTexts = {
  sqlite: 'select project_id from quota_ticket where project_id in (select value from json_each(?1))',
  postgresql: 'select project_id from quota_ticket where project_id = any ($1)',
}

/** Those of the projects that take back what they have a right to. */
export async function projectsWithTickets(executor: Executor, projectIds: readonly string[]): Promise<Set<string>> {
  const list = executor.dialect === 'postgresql' ? projectIds : toJson(projectIds)
  const { rows } = await runStatement<{ project_id: string }>(executor, ofProjects, [list])
  return new Set(rows.map((row) => row.project_id))
}

const ofRoot = bothTexts(`
  select quota_ticket.* from quota_ticket join quota_project on quota_project.id = quota_ticket.project_id
  where quota_project.root_id = ? order by quota_ticket.created_at, quota_ticket.project_id`)

export async function ticketsOfRoot(executor: Executor, rootId: string): Promise<StoredTicket[]> {
  return (await runStatement<TicketRow>(executor, ofRoot, [rootId])).rows.map(toTicket)
}

export async function ticketsList(executor: Executor): Promise<StoredTicket[]> {
  const rows = await executor.as<QuotaTables>().selectFrom('quota_ticket').selectAll().orderBy('project_id').execute()
  return rows.map(toTicket)
}

export async function ticketsExpired(executor: Executor, now: number, limit: number): Promise<string[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_ticket')
    .select('project_id')
    .where('expires_at', '<=', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute()
  return rows.map((row) => row.project_id)
}

export async function ticketWrite(
  executor: Executor,
  { projectId, amounts, createdAt, expiresAt, subject }: StoredTicket,
): Promise<void> {
  const rest = { amounts: toJson(amounts), created_at: createdAt, expires_at: expiresAt, subject }
  await executor
    .as<QuotaTables>()
    .insertInto('quota_ticket')
    .values({ project_id: projectId, ...rest })
    .onConflict((conflict) => conflict.column('project_id').doUpdateSet(rest))
    .execute()
}

export async function ticketDelete(executor: Executor, projectId: string): Promise<void> {
  await executor.as<QuotaTables>().deleteFrom('quota_ticket').where('project_id', '=', projectId).execute()
}
