/** What whole trees use, in one query each: for the metrics, which must not grow every tree at every look. */
import { sql } from 'kysely'
import type { Executor } from '#platform/db/database.ts'
import type { QuotaTables } from './tables.ts'

export interface TreeSum {
  root: string
  resource: string
  /** With what is reserved. */
  used: number
  reserved: number
  /** What is lent to projects, by others or out of a pool: the sum of all loans. */
  borrowed: number
}

type Owed = Pick<TreeSum, 'root' | 'resource'> & { amount: number }

/** Of every tree and resource that somebody uses. A project's own use is counted at its leaf, its lowest node. */
export async function treeSums(executor: Executor): Promise<TreeSum[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_cell as leaf')
    .where('leaf.is_leaf', '=', 1)
    .where('leaf.counted', '>', 0)
    .groupBy(['leaf.root_id', 'leaf.resource'])
    .select((row) => [
      'leaf.root_id as root',
      'leaf.resource as resource',
      row.fn.sum<number>('leaf.counted').as('used'),
      row.fn.sum<number>('leaf.reserved').as('reserved'),
      sql<number>`sum(case when leaf.visible >= 0 and leaf.counted > leaf.visible
        then leaf.counted - leaf.visible else 0 end)`.as('beyond'),
    ])
    .execute()
  const lentByNobody = new Map((await owedToNobody(executor)).map((owed) => [keyOf(owed), owed.amount]))
  return rows.map(({ root, resource, used, reserved, beyond }) => ({
    ...{ root, resource, used: Number(used), reserved: Number(reserved) },
    borrowed: Number(beyond) - (lentByNobody.get(keyOf({ root, resource })) ?? 0),
  }))
}

const keyOf = ({ root, resource }: Pick<TreeSum, 'root' | 'resource'>): string => `${root} ${resource}`

/** What comes from where there is no limit, and what whole trees use beyond theirs. */
async function owedToNobody(executor: Executor): Promise<Owed[]> {
  const above = sql<string>`coalesce(project.parent_id, case when cell.node like '%/self'
    then substr(cell.node, 1, length(cell.node) - 5) end)`
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_cell as cell')
    .leftJoin('quota_project as project', 'project.id', 'cell.node')
    .leftJoin('quota_cell as above', (join) =>
      join.on('above.node', '=', above).onRef('above.resource', '=', 'cell.resource'),
    )
    .where('cell.visible', '>=', 0)
    .whereRef('cell.counted', '>', 'cell.visible')
    .where(({ or, eb }) => or([eb('above.visible', '=', -1), eb('cell.node', '=', eb.ref('cell.root_id'))]))
    .groupBy(['cell.root_id', 'cell.resource'])
    .select(['cell.root_id as root', 'cell.resource as resource'])
    .select(sql<number>`sum(cell.counted - cell.visible)`.as('amount'))
    .execute()
  return rows.map((row) => ({ ...row, amount: Number(row.amount) }))
}

/** Requests that stand in line, in all trees. */
export async function waitingCount(executor: Executor): Promise<number> {
  const { count } = await executor
    .as<QuotaTables>()
    .selectFrom('quota_waiting')
    .select((row) => row.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}
