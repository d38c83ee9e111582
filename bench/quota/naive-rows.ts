/** The naive durable way: every row of the path locked, checked and updated, and a claim, in one transaction. */
import type { Database, Tx } from '../../packages/server/src/platform/db/database.ts'
import { runStatement } from '../../packages/server/src/platform/db/statement.ts'
import type { StatementTexts } from '../../packages/server/src/platform/db/statement.ts'
import { inserted } from './bulk.ts'
import type { PlantedTree } from './durable-tree.ts'

export const createNaive = async (db: Database, { projects, resources }: PlantedTree): Promise<void> => {
  await db.transaction(async (tx) => {
    const { schema } = tx.as()
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
  await inserted(db, 'naive_row', rows)
}

/** $1 the path, $2 the resources. As few statements as it can be done with, so that it is no straw man. */
const lock: StatementTexts = {
  sqlite: `select naive_row.* from json_each(?1) node cross join json_each(?2) ask
    cross join naive_row on project = node.value and resource = ask.value`,
  postgresql: `select * from naive_row where project = any ($1) and resource = any ($2)
    order by project, resource for update`,
}

const count: StatementTexts = {
  sqlite: `update naive_row set used = used + (select value from json_each(?3) where key = resource)
    where project in (select value from json_each(?1)) and resource in (select value from json_each(?2))`,
  postgresql: `update naive_row set used = used + ($3::jsonb ->> resource)::bigint
    where project = any ($1) and resource = any ($2)`,
}

const insert: StatementTexts = {
  sqlite: 'insert into naive_claim (id, project, amounts) values (?1, ?2, ?3)',
  postgresql: 'insert into naive_claim (id, project, amounts) values ($1, $2, $3)',
}

interface NaiveRow {
  resource: string
  quota: number
  used: number
}

/** `path` from the leaf to the root. */
export const takeNaive = async (
  tx: Tx,
  id: string,
  path: readonly string[],
  amounts: Readonly<Record<string, number>>,
): Promise<boolean> => {
  const names = Object.keys(amounts),
    json = JSON.stringify(amounts)
  const place = tx.dialect === 'postgresql' ? [path, names] : [JSON.stringify(path), JSON.stringify(names)]
  const { rows } = await runStatement<NaiveRow>(tx, lock, place)
  if (rows.some(({ resource, quota, used }) => used + amounts[resource]! > quota)) return false
  await runStatement(tx, count, [...place, json])
  await runStatement(tx, insert, [id, path[0], json])
  return true
}
