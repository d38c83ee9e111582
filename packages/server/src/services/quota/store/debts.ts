/** Debts: where more is used than may be now, and since when it has been, for projects whose policy calls it in. */
import { sql } from 'kysely'
import type { Executor } from '#platform/db/database.ts'
import type { CellRow, DebtRow, QuotaTables } from './tables.ts'

export interface Owed {
  projectId: string
  resource: string
  amount: number
}

export interface KnownDebt {
  projectId: string
  resource: string
  since: number
  /** How much was owed when it was last called in, and when that was; null: it has not been. */
  called: number | null
  calledAt: number | null
}

const toKnown = ({ project_id, resource, since, called, called_at }: DebtRow): KnownDebt => ({
  projectId: project_id,
  resource,
  since,
  called,
  calledAt: called_at,
})

/** What is owed now, by everybody or by one project; by it and by its own leaf below its children together. */
export async function debtsOwed(executor: Executor, projectId?: string): Promise<Owed[]> {
  let query = executor
    .as<QuotaTables>()
    .selectFrom('quota_cell')
    .selectAll()
    .where(sql<boolean>`(bound >= 0 and counted > bound) or (watched = 1 and ceiling >= 0 and subtree > ceiling)`)
  if (projectId !== undefined) query = query.where('node', 'in', [projectId, `${projectId}/self`])
  const owed = new Map<string, Owed>()
  for (const cell of await query.orderBy('node').orderBy('resource').execute()) {
    const { resource } = cell,
      owner = cell.node.replace(/\/self$/, ''),
      before = owed.get(`${owner} ${resource}`)
    owed.set(`${owner} ${resource}`, {
      ...{ projectId: owner, resource },
      amount: (before?.amount ?? 0) + debtAt(cell),
    })
  }
  return [...owed.values()]
}

const debtAt = ({ counted, bound, subtree, ceiling, watched }: CellRow): number =>
  Math.max(bound >= 0 ? counted - bound : 0, watched === 1 && ceiling >= 0 ? subtree - ceiling : 0)

export async function debtsKnown(executor: Executor, projectId?: string): Promise<KnownDebt[]> {
  let query = executor.as<QuotaTables>().selectFrom('quota_debt').selectAll()
  if (projectId !== undefined) query = query.where('project_id', '=', projectId)
  return (await query.orderBy('project_id').orderBy('resource').execute()).map(toKnown)
}

export async function debtWrite(executor: Executor, debt: KnownDebt): Promise<void> {
  const { projectId, resource, since, called, calledAt } = debt
  await executor
    .as<QuotaTables>()
    .insertInto('quota_debt')
    .values({ project_id: projectId, resource, since, called, called_at: calledAt })
    .onConflict((existing) => existing.columns(['project_id', 'resource']).doUpdateSet({ called, called_at: calledAt }))
    .execute()
}

export async function debtForget(executor: Executor, projectId: string, resource: string): Promise<void> {
  await executor
    .as<QuotaTables>()
    .deleteFrom('quota_debt')
    .where('project_id', '=', projectId)
    .where('resource', '=', resource)
    .execute()
}
