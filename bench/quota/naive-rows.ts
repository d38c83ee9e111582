/** The naive durable way: every row of the path locked, checked and updated, and a claim, in one transaction. */
import type { Database, Tx } from '../../packages/server/src/platform/db/database.ts'

interface Tables {
  naive_row: { project: string; resource: string; quota: number; used: number }
  naive_claim: { id: string; project: string; amounts: string }
}

export const createNaive = async (
  db: Database,
  projects: readonly { id: string; own: number }[],
  resources: readonly string[],
) => {
  await db.transaction(async (tx) => {
    const { schema } = tx.as<Tables>()
    await schema
      .createTable('naive_row')
      .addColumn('project', 'text')
      .addColumn('resource', 'text')
      .addColumn('quota', 'bigint')
      .addColumn('used', 'bigint')
      .addPrimaryKeyConstraint('naive_row_key', ['project', 'resource'])
      .execute()
    await schema
      .createTable('naive_claim')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('project', 'text')
      .addColumn('amounts', 'text')
      .execute()
  })
  const rows = projects.flatMap(({ id, own }) =>
    resources.map((resource) => ({ project: id, resource, quota: own, used: 0 })),
  )
  await db.transaction(async (tx) => {
    for (let at = 0; at < rows.length; at += 500)
      await tx
        .as<Tables>()
        .insertInto('naive_row')
        .values(rows.slice(at, at + 500))
        .execute()
  })
}

/** `path` from the root down. */
export const takeNaive = async (
  tx: Tx,
  id: string,
  path: readonly string[],
  amounts: Readonly<Record<string, number>>,
): Promise<boolean> => {
  for (const project of path) {
    for (const [resource, amount] of Object.entries(amounts)) {
      const select = tx
        .as<Tables>()
        .selectFrom('naive_row')
        .selectAll()
        .where('project', '=', project)
        .where('resource', '=', resource)
      const row = await (tx.dialect === 'postgresql' ? select.forUpdate() : select).executeTakeFirstOrThrow()
      if (row.used + amount > row.quota) return false
      await tx
        .as<Tables>()
        .updateTable('naive_row')
        .set({ used: row.used + amount })
        .where('project', '=', project)
        .where('resource', '=', resource)
        .execute()
    }
  }
  await tx
    .as<Tables>()
    .insertInto('naive_claim')
    .values({ id, project: path.at(-1)!, amounts: JSON.stringify(amounts) })
    .execute()
  return true
}
