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
  /** What projects use beyond what they have for themselves. */
  borrowed: number
}

/** Of every tree and resource that somebody uses. A project's own use is counted at its leaf, its lowest node. */
export async function treeSums(executor: Executor): Promise<TreeSum[]> {
  const rows = await executor
    .as<QuotaTables>()
    .selectFrom('quota_cell as leaf')
    .leftJoin('quota_cell as self', (join) =>
      join.onRef('self.node', '=', sql<string>`leaf.node || '/self'`).onRef('self.resource', '=', 'leaf.resource'),
    )
    .where('self.node', 'is', null)
    .where('leaf.counted', '>', 0)
    .groupBy(['leaf.root_id', 'leaf.resource'])
    .select((row) => [
      'leaf.root_id as root',
      'leaf.resource as resource',
      row.fn.sum<number>('leaf.counted').as('used'),
      row.fn.sum<number>('leaf.reserved').as('reserved'),
      sql<number>`sum(case when leaf.visible >= 0 and leaf.counted > leaf.visible
        then leaf.counted - leaf.visible else 0 end)`.as('borrowed'),
    ])
    .execute()
  return rows.map((row) => ({
    ...row,
    used: Number(row.used),
    reserved: Number(row.reserved),
    borrowed: Number(row.borrowed),
  }))
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
