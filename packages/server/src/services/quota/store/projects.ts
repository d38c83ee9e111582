/** The projects of quota's tree and what operators have set for them. */
import type { Executor } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import type { HoldingRow, ProjectRow, QuotaTables } from './tables.ts'

export interface StoredProject {
  id: string
  parentId: string | null
  rootId: string
  path: string[]
  policy: Record<string, unknown>
}

const toProject = (row: ProjectRow): StoredProject => ({
  id: row.id,
  parentId: row.parent_id,
  rootId: row.root_id,
  path: fromJson<string[]>(row.path),
  policy: fromJson(row.policy),
})

const byId = bothTexts('select * from quota_project where id = ?')

export async function projectFetch(executor: Executor, id: string): Promise<StoredProject | undefined> {
  const [row] = (await runStatement<ProjectRow>(executor, byId, [id])).rows
  return row && toProject(row)
}

const byIds: StatementTexts = {
  sqlite: 'select * from quota_project where id in (select value from json_each(?1))',
  postgresql: 'select * from quota_project where id = any ($1)',
}

export async function projectsByIds(executor: Executor, ids: readonly string[]): Promise<StoredProject[]> {
  const list = executor.dialect === 'postgresql' ? ids : toJson(ids)
  return (await runStatement<ProjectRow>(executor, byIds, [list])).rows.map(toProject)
}

export async function projectsOfRoot(executor: Executor, rootId: string): Promise<StoredProject[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_project')
    .selectAll()
    .where('root_id', '=', rootId)
    .orderBy('id')
    .execute()
  return rows.map(toProject)
}

/** Whether any project says anything of a field of the policy. */
export async function isInAnyPolicy(executor: Executor, field: string): Promise<boolean> {
  const row = await executor
    .as<QuotaTables>()
    .selectFrom('quota_project')
    .select('id')
    .where('policy', 'like', `%"${field}":%`)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function rootsList(executor: Executor): Promise<string[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_project')
    .select('id')
    .where('parent_id', 'is', null)
    .orderBy('id')
    .execute()
  return rows.map(({ id }) => id)
}

export async function projectInsert(
  executor: Executor,
  { id, parentId, rootId, path, policy }: StoredProject,
): Promise<void> {
  await executor
    .as<QuotaTables>()
    .insertInto('quota_project')
    .values({ id, parent_id: parentId, root_id: rootId, path: toJson(path), policy: toJson(policy) })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function projectUpdate(
  executor: Executor,
  id: string,
  change: Partial<Pick<StoredProject, 'path' | 'policy'>>,
): Promise<void> {
  const { path, policy } = change
  await executor
    .as<QuotaTables>()
    .updateTable('quota_project')
    .set({ ...(path && { path: toJson(path) }), ...(policy && { policy: toJson(policy) }) })
    .where('id', '=', id)
    .execute()
}

export async function projectDelete(executor: Executor, id: string): Promise<void> {
  await executor.as<QuotaTables>().deleteFrom('quota_holding').where('project_id', '=', id).execute()
  await executor.as<QuotaTables>().deleteFrom('quota_project').where('id', '=', id).execute()
}

const holdingsByIds: StatementTexts = {
  sqlite: 'select * from quota_holding where project_id in (select value from json_each(?1))',
  postgresql: 'select * from quota_holding where project_id = any ($1)',
}

export async function holdingsOf(executor: Executor, projectIds: readonly string[]): Promise<HoldingRow[]> {
  const list = executor.dialect === 'postgresql' ? projectIds : toJson(projectIds)
  return projectIds.length === 0 ? [] : (await runStatement<HoldingRow>(executor, holdingsByIds, [list])).rows
}

/** Who has settings of any of these resources. */
export async function projectsHolding(executor: Executor, resources: readonly string[]): Promise<string[]> {
  const query = executor.as<QuotaTables>().selectFrom('quota_holding').select('project_id').distinct()
  const rows = await query.where('resource', 'in', [...resources]).orderBy('project_id').execute()
  return rows.map(({ project_id }) => project_id)
}

export const holdingsOfRoot = (executor: Executor, rootId: string): Promise<HoldingRow[]> =>
  executor
    .as<QuotaTables>()
    .selectFrom('quota_holding')
    .innerJoin('quota_project', 'quota_project.id', 'quota_holding.project_id')
    .selectAll('quota_holding')
    .where('quota_project.root_id', '=', rootId)
    .execute()

/** Resource → what the project has given to its children. */
export async function grantedBelow(executor: Executor, projectId: string): Promise<Map<string, number>> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_holding')
    .innerJoin('quota_project', 'quota_project.id', 'quota_holding.project_id')
    .where('quota_project.parent_id', '=', projectId)
    .groupBy('quota_holding.resource')
    .select((row) => ['quota_holding.resource as resource', row.fn.sum<number>('quota_holding.own').as('own')])
    .execute()
  return new Map(rows.map(({ resource, own }) => [resource, Number(own)]))
}

/**
 * Resource → what children use that own nothing of it and may borrow without limit: as was set, or by default of some
 * resources. All that those use is counted at them.
 */
export async function drawnBelow(
  executor: Executor,
  projectId: string,
  byDefault: readonly string[],
): Promise<Map<string, number>> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_project as child')
    .innerJoin('quota_cell as cell', 'cell.node', 'child.id')
    .leftJoin('quota_holding as set', (join) =>
      join.onRef('set.project_id', '=', 'child.id').onRef('set.resource', '=', 'cell.resource'),
    )
    .where('child.parent_id', '=', projectId)
    .where(({ or, and, eb }) =>
      or([
        and([eb('set.own', '=', 0), eb('set.borrow', '=', -1)]),
        and([eb('set.project_id', 'is', null), eb('cell.resource', 'in', ['', ...byDefault])]),
      ]),
    )
    .groupBy('cell.resource')
    .select((row) => ['cell.resource as resource', row.fn.sum<number>('cell.counted').as('drawn')])
    .execute()
  return new Map(rows.map(({ resource, drawn }) => [resource, Number(drawn)]))
}

export async function holdingWrite(executor: Executor, row: HoldingRow): Promise<void> {
  const { project_id, resource, ...rest } = row
  await executor
    .as<QuotaTables>()
    .insertInto('quota_holding')
    .values({ project_id, resource, ...rest })
    .onConflict((conflict) => conflict.columns(['project_id', 'resource']).doUpdateSet(rest))
    .execute()
}

export async function holdingDelete(executor: Executor, projectId: string, resource: string): Promise<void> {
  await executor
    .as<QuotaTables>()
    .deleteFrom('quota_holding')
    .where('project_id', '=', projectId)
    .where('resource', '=', resource)
    .execute()
}
