/** The private part on SQLite, where a statement costs what it does: small ones, one after the other. */
import type { Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { runStatement } from '#platform/db/statement.ts'
import { historyInsert } from './history.ts'
import { selfOf } from './private-claims.ts'
import type { PrivatePart } from './private-claims.ts'

/** ?1 the project, ?2 its own leaf below children, ?3 amounts as JSON, ?4 how many of them. */
const take = `
  insert into quota_claim
    (subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, lineage)
  select ?5, ?1, ?3, ?6, ?7, ?8, ?9, ?10, ?11
  where ?4 = (
      select count(*) from json_each(?3) ask cross join quota_cell cell
      where cell.node in (?1, ?2) and cell.resource = ask.key and cell.sheltered = 1
        and (cell.private = -1 or cell.counted + ask.value <= cell.private))
    and not exists (select 1 from quota_ticket where project_id = ?1)
  on conflict do nothing`

/** `cross join` and the order of tables are the plan: amounts first, then each cell by its key. */
const count = `
  update quota_cell set
    counted = counted + ?4 * (select value from json_each(?3) where key = quota_cell.resource),
    reserved = reserved + ?5 * (select value from json_each(?3) where key = quota_cell.resource)
  where node in (?1, ?2) and is_leaf = 1 and resource in (select key from json_each(?3))`

const start = `
  update quota_claim set state = 'committed', expires_at = null
  where subject = ?1 and state = 'reserved' returning project_id, amounts`

const giveBack = `
  delete from quota_claim
  where subject = ?1 and ticket is null and amounts <> '{}' and not exists (
    select 1 from json_each(quota_claim.amounts) ask
    where not exists (
      select 1 from quota_cell cell
      where cell.node in (quota_claim.project_id, quota_claim.project_id || '/self') and cell.resource = ask.key
        and cell.sheltered = 1 and (cell.private = -1 or cell.counted <= cell.private)))
  returning project_id, amounts, state`

const run = <Row>(tx: Tx, text: string, parameters: readonly unknown[]) =>
  runStatement<Row>(tx, { sqlite: text, postgresql: text }, parameters)

const countAtLeaf = (
  tx: Tx,
  { project_id, amounts }: { project_id: string; amounts: string },
  { counted, reserved }: { counted: number; reserved: number },
) => run(tx, count, [project_id, selfOf(project_id), amounts, counted, reserved])

export const privatePartOnSqlite: PrivatePart = {
  take: async (tx, claim, told) => {
    const { projectId, subject, amounts, state, reclaimable, priority, startedAt, expiresAt, lineage } = claim
    const names = Object.keys(amounts),
      json = toJson(amounts)
    if (names.length === 0) return false
    const row = [subject, state, reclaimable, priority, startedAt, expiresAt, lineage]
    const { numAffectedRows } = await run(tx, take, [projectId, selfOf(projectId), json, names.length, ...row])
    if ((numAffectedRows ?? 0n) === 0n) return false
    const change = { counted: 1, reserved: state === 'reserved' ? 1 : 0 }
    await countAtLeaf(tx, { project_id: projectId, amounts: json }, change)
    await historyInsert(tx, [told])
    return true
  },

  start: async (tx, subject) => {
    const [row] = (await run<{ project_id: string; amounts: string }>(tx, start, [subject])).rows
    if (row) await countAtLeaf(tx, row, { counted: 0, reserved: -1 })
    return row !== undefined
  },

  giveBack: async (tx, subject, { at, kinds }) => {
    type Row = { project_id: string; amounts: string; state: 'reserved' | 'committed' }
    const [row] = (await run<Row>(tx, giveBack, [subject])).rows
    if (!row) return undefined
    await countAtLeaf(tx, row, { counted: -1, reserved: row.state === 'reserved' ? -1 : 0 })
    const given = { projectId: row.project_id, amounts: fromJson<Record<string, number>>(row.amounts) }
    const kind = kinds?.[row.state]
    if (kind !== undefined)
      await historyInsert(tx, [{ at, kind, subject, ...given, actor: null, times: 1, details: {} }])
    return { ...given, state: row.state }
  },
}
