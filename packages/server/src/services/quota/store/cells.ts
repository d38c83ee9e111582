/** The running numbers: read along one path, changed with a guard, replaced where settings change. */
import { conflict } from '#platform/errors/errors.ts'
import { sql } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { CellRow, QuotaTables } from './tables.ts'

/**
 * On PostgreSQL, for the rest of the transaction: find rows by their keys even where the tables are so small that
 * reading them whole is cheaper. Whoever reads a table whole is in conflict with everybody who writes any row of it.
 */
export async function readByKeys(tx: Tx): Promise<void> {
  if (tx.dialect === 'postgresql') await sql`set local enable_seqscan = off`.execute(tx.as<QuotaTables>())
}

export const cellsOnPath = (
  executor: Executor,
  path: readonly string[],
  resources: readonly string[],
): Promise<CellRow[]> =>
  executor
    .as<QuotaTables>()
    .selectFrom('quota_cell')
    .selectAll()
    .where('node', 'in', [...path])
    .where('resource', 'in', [...resources])
    .execute()

export const cellsOfRoot = (executor: Executor, rootId: string): Promise<CellRow[]> =>
  executor.as<QuotaTables>().selectFrom('quota_cell').selectAll().where('root_id', '=', rootId).execute()

/**
 * On PostgreSQL, locks the cells of one node until the end of the transaction; false if one is not any more what it was
 * read as. SQLite has one writer at a time, and nothing to lock.
 */
export async function cellsLock(tx: Tx, cells: readonly CellRow[]): Promise<boolean> {
  if (tx.dialect !== 'postgresql') return true
  const rows = await tx
    .as<QuotaTables>()
    .selectFrom('quota_cell')
    .selectAll()
    .where('node', '=', cells[0]!.node)
    .where(
      'resource',
      'in',
      cells.map(({ resource }) => resource),
    )
    .orderBy('resource')
    .forNoKeyUpdate()
    .execute()
  const now = new Map(rows.map((row) => [row.resource, row]))
  return cells.every((cell) => isSameCell(cell, now.get(cell.resource)))
}

export const isSameCell = (a: CellRow, b: CellRow | undefined): boolean =>
  b !== undefined && (Object.keys(a) as (keyof CellRow)[]).every((key) => a[key] === b[key])

/** On PostgreSQL, keeps everybody else from counting below this root, and waits for those who are at it. */
export async function treeLock(tx: Tx, rootId: string): Promise<void> {
  if (tx.dialect !== 'postgresql') return
  const db = tx.as<QuotaTables>()
  await db.selectFrom('quota_project').select('id').where('id', '=', rootId).forUpdate().execute()
  await db
    .selectFrom('quota_cell')
    .select('node')
    .where('root_id', '=', rootId)
    .orderBy(sql`length(node)`, 'desc')
    .orderBy('node')
    .orderBy('resource')
    .forUpdate()
    .execute()
}

type Counters = Pick<CellRow, 'counted' | 'subtree' | 'reserved'>

/**
 * Writes the counters of a cell if they are still what they were read as. Below serializable isolation somebody else
 * may have been first; then the transaction is tried again, as a serializable one would be.
 */
export async function cellCount(executor: Executor, before: CellRow, after: Counters): Promise<void> {
  const { numUpdatedRows } = await executor
    .as<QuotaTables>()
    .updateTable('quota_cell')
    .set({ counted: after.counted, subtree: after.subtree, reserved: after.reserved })
    .where('node', '=', before.node)
    .where('resource', '=', before.resource)
    .where('counted', '=', before.counted)
    .where('subtree', '=', before.subtree)
    .where('reserved', '=', before.reserved)
    .where('bound', '=', before.bound)
    .where('private', '=', before.private)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new LostRace(`${before.resource} at ${before.node} changed meanwhile`)
}

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
