/** On PostgreSQL, who waits for whom below one root: everybody takes its locks in one order, so never in a circle. */
import type { Tx } from '#platform/db/database.ts'
import { runStatement } from '#platform/db/statement.ts'

const sameText = (text: string) => ({ sqlite: text, postgresql: text })

/**
 * Whoever changes more than one path takes the root's own row first, and then every counter that it may come to change,
 * the lowest first: whoever counts along one path takes them in that order, too.
 */
const rootRow = sameText('select id from quota_project where id = $1 for update')

/** How far above it the root is; a project's own leaf is below the project. */
const cellsOf = (projects: string) => `
  with node as (
      select node.name, max(jsonb_array_length(path::jsonb) - node.place) as height
      from quota_project, jsonb_array_elements_text(path::jsonb) with ordinality as node (name, place)
      where root_id = $1 and ${projects}
      group by node.name),
    locked as (
      select quota_cell.node from quota_cell join node on node.name = quota_cell.node
      order by node.height desc, quota_cell.node collate "C", quota_cell.resource collate "C"
      for no key update of quota_cell)
  select count(*) as cells from locked`

const allCells = sameText(cellsOf('true'))

const awaitedCells = sameText(
  cellsOf(`(id = any ($2)
        or id in (select project_id from quota_waiting where root_id = $1)
        or id in (select project_id from quota_ticket))`),
)

/** Keeps everybody else from counting below this root, and waits for those who are at it. */
export async function treeLock(tx: Tx, rootId: string): Promise<void> {
  if (tx.dialect !== 'postgresql') return
  await runStatement(tx, rootRow, [rootId])
  await runStatement(tx, allCells, [rootId])
}

const held = new WeakMap<Tx, Set<string>>()

/**
 * Keeps everybody else from the line below this root, and from counting where somebody waits, where something is
 * gathered or where one of these projects is. To be taken before anything is counted, given back or granted.
 */
export async function lineLock(tx: Tx, rootId: string, projectIds: readonly string[] = []): Promise<void> {
  if (tx.dialect !== 'postgresql' || held.get(tx)?.has(rootId)) return
  await runStatement(tx, rootRow, [rootId])
  await runStatement(tx, awaitedCells, [rootId, projectIds])
  held.set(tx, (held.get(tx) ?? new Set()).add(rootId))
}
