/** The running numbers: read along one path, changed with a guard, replaced where settings change. */
import { conflict } from '#platform/errors/errors.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { toJson } from '#platform/db/json.ts'
import { runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import type { CellRow, QuotaTables } from './tables.ts'

const onPath: StatementTexts = {
  sqlite: `select cell.* from json_each(?1) node cross join json_each(?2) resource
    cross join quota_cell cell on cell.node = node.value and cell.resource = resource.value`,
  postgresql: 'select * from quota_cell where node = any ($1) and resource = any ($2)',
}

/** Of each node of one path, or of several. */
export async function cellsOnPath(
  executor: Executor,
  path: readonly string[],
  resources: readonly string[],
): Promise<CellRow[]> {
  const lists = executor.dialect === 'postgresql' ? [path, resources] : [toJson(path), toJson(resources)]
  return (await runStatement<CellRow>(executor, onPath, lists)).rows
}

export const cellsOfRoot = (executor: Executor, rootId: string): Promise<CellRow[]> =>
  executor.as<QuotaTables>().selectFrom('quota_cell').selectAll().where('root_id', '=', rootId).execute()

export const isSameCell = (a: CellRow, b: CellRow | undefined): boolean =>
  b !== undefined && (Object.keys(a) as (keyof CellRow)[]).every((key) => a[key] === b[key])

export interface CellChange {
  before: CellRow
  after: Pick<CellRow, 'counted' | 'subtree' | 'reserved'>
}

const sqliteCount = (change: string): string => `
  update quota_cell set counted = change.counted, subtree = change.subtree, reserved = change.reserved
  from (${change}) as change
  where quota_cell.node = change.node and quota_cell.resource = change.resource`

const sqliteMany = sqliteCount(`
  select value ->> 0 as node, value ->> 1 as resource,
    value ->> 2 as counted, value ->> 3 as subtree, value ->> 4 as reserved
  from json_each(?1)`)

/** Bound one by one they cost half of what they do in a list. Few texts: who has less fills up with what is nowhere. */
const [fewStep, fewMax] = [8, 64]
const nowhere = [null, null, null, null, null]
const sqliteFew = Array.from({ length: fewMax / fewStep }, (_, index) =>
  sqliteCount(`
    select column1 as node, column2 as resource, column3 as counted, column4 as subtree, column5 as reserved
    from (values ${Array.from({ length: (index + 1) * fewStep }, () => '(?, ?, ?, ?, ?)').join(', ')})`),
)

const countOnSqlite = (tx: Tx, rows: readonly unknown[][]): Promise<number> => {
  const few = sqliteFew[Math.ceil(rows.length / fewStep) - 1]
  if (few === undefined) return counted(tx, sqliteMany, [toJson(rows)])
  const filled = Array.from({ length: -rows.length & (fewStep - 1) }, () => nowhere)
  return counted(tx, few, [...rows, ...filled].flat())
}

/**
 * What only a change of settings changes, or of the tree: a walk that was made on others is of no use. With the root
 * and the leaf among them, neither is one whose project has moved or got its first child meanwhile.
 */
const settings = [
  ...(['root_id', 'is_leaf', 'visible', 'private', 'bound', 'ceiling', 'lendable', 'borrow', 'watched'] as const),
]

/**
 * $1 to $8 are the changes. Locks their cells in that order and finds how many changes still are right. One that was
 * read as it is now is. So is one that stays within the private part, of which nothing spills, or beyond it, where all
 * does: by how much does not depend on what was counted meanwhile, as long as it stays there and within its bounds.
 */
export const lockedChange = `
    change as (
      select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
          $6::bigint[], $7::bigint[], $8::text[])
        with ordinality as change (node, resource, counted, subtree, reserved,
          was_counted, was_subtree, settings, place)),
    cell as (
      select cell.* from quota_cell cell join change using (node, resource)
      order by change.place for no key update of cell),
    right_still as (
      select count(*) as cells from cell join change using (node, resource)
      where concat_ws(' ', ${settings.map((name) => `cell.${name}`).join(', ')}) = change.settings
        and (cell.counted = was_counted
          or (cell.private = -1
              or least(cell.counted, cell.counted + change.counted, was_counted, was_counted + change.counted)
                >= cell.private
              or greatest(cell.counted, cell.counted + change.counted, was_counted, was_counted + change.counted)
                <= cell.private)
            and (change.counted <= 0 or cell.bound = -1 or cell.counted + change.counted <= cell.bound))
        and (cell.subtree = was_subtree or change.subtree <= 0 or cell.ceiling = -1
          or cell.subtree + change.subtree <= cell.ceiling))`

const postgresCount = `
  with ${lockedChange}
  update quota_cell counting set
    counted = counting.counted + change.counted, subtree = counting.subtree + change.subtree,
    reserved = counting.reserved + change.reserved
  from change, right_still
  where right_still.cells = cardinality($1) and counting.node = change.node and counting.resource = change.resource`

/**
 * Writes the counters of cells, which must be in the order of locking: leaf first, then by name. On PostgreSQL they are
 * locked until the end of the transaction, and false is the answer if a change is not right any more; then nothing is
 * changed. SQLite has one writer at a time.
 */
export async function cellsCount(tx: Tx, changes: readonly CellChange[]): Promise<boolean> {
  if (changes.length === 0) return true
  if (tx.dialect === 'postgresql')
    return (await counted(tx, postgresCount, changeColumns(changes))) === changes.length
  const rows = changes.map(({ before, after }) => {
    return [before.node, before.resource, after.counted, after.subtree, after.reserved]
  })
  await countOnSqlite(tx, rows)
  return true
}

const counted = async (tx: Tx, text: string, parameters: readonly unknown[]): Promise<number> =>
  Number((await runStatement(tx, { sqlite: text, postgresql: text }, parameters)).numAffectedRows ?? 0n)

export const changeColumns = (changes: readonly CellChange[]): unknown[][] => [
  changes.map(({ before }) => before.node),
  changes.map(({ before }) => before.resource),
  ...(['counted', 'subtree', 'reserved'] as const).map((name) =>
    changes.map(({ before, after }) => after[name] - before[name]),
  ),
  changes.map(({ before }) => before.counted),
  changes.map(({ before }) => before.subtree),
  changes.map(({ before }) => settings.map((name) => before[name]).join(' ')),
]

/** Carries PostgreSQL's code for a serialization failure, so that the database tries the transaction again. */
export class LostRace extends Error {
  readonly code = '40001'
  constructor(what: string) {
    super(what, { cause: conflict(what) })
  }
}

export async function cellWrite(executor: Executor, row: CellRow): Promise<void> {
  const { node: _node, resource: _resource, ...rest } = row
  await executor
    .as<QuotaTables>()
    .insertInto('quota_cell')
    .values(row)
    .onConflict((existing) => existing.columns(['node', 'resource']).doUpdateSet(rest))
    .execute()
}

export async function cellDelete(
  executor: Executor,
  { node, resource }: Pick<CellRow, 'node' | 'resource'>,
): Promise<void> {
  await executor
    .as<QuotaTables>()
    .deleteFrom('quota_cell')
    .where('node', '=', node)
    .where('resource', '=', resource)
    .execute()
}
