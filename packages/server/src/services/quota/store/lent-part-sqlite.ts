/** Claims where nothing on the path is private, on SQLite: each node counts all of it, so that the database decides. */
import type { Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { runStatement } from '#platform/db/statement.ts'
import { claimInsert } from './claims.ts'
import type { StoredClaim } from './claims.ts'

/**
 * ?1 the project, ?2 amounts as JSON. Which cells have room for all of it: what their nodes keep for themselves is in
 * use already, and the root has nobody above. `borrowed` is what the project does not have for itself; of what has no
 * limit that is nothing. `cross join` and the order of tables are the plan: each cell is found by its key.
 */
const look = `
  select json_array_length(project.path) as nodes, count(*) as cells,
    json_group_object(cell.rowid, ask.value) as changes,
    json_group_object(ask.key, min(ask.value, cell.counted + ask.value - cell.visible)) filter (
      where node.key = 0 and cell.visible <> -1 and cell.counted + ask.value > cell.visible and exists (
        select 1 from quota_cell root
        where root.node = cell.root_id and root.resource = cell.resource and root.visible <> -1)) as borrowed
  from quota_project project cross join json_each(project.path) node cross join json_each(?2) ask
    cross join quota_cell cell on cell.node = node.value and cell.resource = ask.key
  where project.id = ?1 and not exists (select 1 from quota_ticket where project_id = ?1)
    and (cell.private <> -1 and cell.counted >= cell.private or cell.node = cell.root_id)
    and (cell.bound = -1 or cell.counted + ask.value <= cell.bound)
    and (cell.ceiling = -1 or cell.subtree + ask.value <= cell.ceiling)`

/** ?1 amounts by the numbers of rows, which stay as they are in a transaction; ?2 how often they are reserved. */
const count = `
  update quota_cell set
    counted = counted + change.value,
    subtree = case watched when 1 then subtree + change.value else subtree end,
    reserved = case is_leaf when 1 then reserved + change.value * ?2 else reserved end
  from json_each(?1) change where quota_cell.rowid = cast(change.key as integer)`

const run = <Row>(tx: Tx, text: string, parameters: readonly unknown[]) =>
  runStatement<Row>(tx, { sqlite: text, postgresql: text }, parameters)

/** Where no cell has room, nothing is known of the path either. */
interface Room {
  nodes: number | null
  cells: number
  changes: string
  borrowed: string
}

/** Makes the claim and counts it up to the root: what it borrows. Nothing: it is not as simple as that. */
export async function takeLent(tx: Tx, claim: StoredClaim): Promise<Record<string, number> | undefined> {
  const { projectId, amounts, state } = claim,
    asked = Object.keys(amounts).length
  if (tx.dialect !== 'sqlite' || asked === 0) return undefined
  const [room] = (await run<Room>(tx, look, [projectId, toJson(amounts)])).rows
  if (!room?.nodes || room.cells !== room.nodes * asked || !(await claimInsert(tx, claim))) return undefined
  await run(tx, count, [room.changes, state === 'reserved' ? 1 : 0])
  return fromJson(room.borrowed)
}
