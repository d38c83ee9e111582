/** Claims inside a project's private part: decided and counted by the database alone, in one statement or two. */
import type { Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { runStatement } from '#platform/db/statement.ts'
import type { StatementTexts } from '#platform/db/statement.ts'
import type { StoredClaim } from './claims.ts'

// What is private is lent to nobody, so that no number of an ancestor changes. `sheltered` says that no ceiling and no
// debt above has to be looked at either. Each function says no when it is not as simple as that, having done nothing.

const claimColumns = 'subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, lineage'

/** ?1 the project, ?2 its own leaf below children, ?3 amounts as JSON, ?4 how many of them. */
const sqliteClaim = `
  insert into quota_claim (${claimColumns})
  select ?5, ?1, ?3, ?6, ?7, ?8, ?9, ?10, ?11
  where ?4 = (
      select count(*) from json_each(?3) ask cross join quota_cell cell
      where cell.node in (?1, ?2) and cell.resource = ask.key and cell.sheltered = 1
        and (cell.private = -1 or cell.counted + ask.value <= cell.private))
    and not exists (select 1 from quota_ticket where project_id = ?1)
  on conflict do nothing`

/** `cross join` and the order of tables are the plan: amounts first, then each cell by its key. */
const sqliteCount: StatementTexts['sqlite'] = `
  update quota_cell set
    counted = counted + ?4 * (select value from json_each(?3) where key = quota_cell.resource),
    reserved = reserved + ?5 * (select value from json_each(?3) where key = quota_cell.resource)
  where node in (?1, ?2) and is_leaf = 1 and resource in (select key from json_each(?3))`

/** One statement: the cells are locked in the order of their names, looked at as they are then, and counted. */
const postgresTake = `
  with ask as (select * from unnest($3::text[], $4::bigint[]) as ask (resource, amount)),
    cell as (
      select node, resource, counted, private, sheltered from quota_cell
      where node in ($1, $2) and is_leaf = 1 and resource = any ($3)
      order by resource for no key update),
    fitting as (
      select count(*) as cells from cell join ask using (resource)
      where sheltered = 1 and (private = -1 or counted + amount <= private)),
    claim as (
      insert into quota_claim (${claimColumns})
      select $5, $1, $6, $7, $8, $9, $10, $11, $12 from fitting
      where cells = cardinality($3) and not exists (select 1 from quota_ticket where project_id = $1)
      on conflict do nothing
      returning subject)
  update quota_cell counting set
    counted = counting.counted + ask.amount, reserved = counting.reserved + ask.amount * $13
  from ask, claim
  where counting.node in ($1, $2) and counting.is_leaf = 1 and counting.resource = ask.resource`

const selfOf = (projectId: string): string => `${projectId}/self`

/** Makes the claim and counts it; false if it must be decided with the ancestors, or there is such a claim already. */
export async function takePrivately(tx: Tx, claim: StoredClaim): Promise<boolean> {
  const { projectId, subject, amounts, state, reclaimable, priority, startedAt, expiresAt, lineage } = claim
  const names = Object.keys(amounts),
    json = toJson(amounts),
    isReserved = state === 'reserved' ? 1 : 0
  if (names.length === 0) return false
  const row = [state, reclaimable, priority, startedAt, expiresAt, lineage]
  if (tx.dialect === 'postgresql') {
    const place = [projectId, selfOf(projectId), names, Object.values(amounts)]
    return (await affected(tx, postgresTake, [...place, subject, json, ...row, isReserved])) > 0
  }
  const place = [projectId, selfOf(projectId), json]
  if ((await affected(tx, sqliteClaim, [...place, names.length, subject, ...row])) === 0) return false
  await affected(tx, sqliteCount, [...place, 1, isReserved])
  return true
}

const affected = async (tx: Tx, text: string, parameters: readonly unknown[]): Promise<number> => {
  const { numAffectedRows } = await runStatement(tx, { sqlite: text, postgresql: text }, parameters)
  return Number(numAffectedRows ?? 0n)
}

const start: StatementTexts = {
  sqlite: `update quota_claim set state = 'committed', expires_at = null
    where subject = ?1 and state = 'reserved' returning project_id, amounts`,
  postgresql: `update quota_claim set state = 'committed', expires_at = null
    where subject = $1 and state = 'reserved' returning project_id, amounts`,
}

const postgresCount = `
  with ask as (select * from unnest($3::text[], $4::bigint[]) as ask (resource, amount)),
    cell as (
      select resource from quota_cell
      where node in ($1, $2) and is_leaf = 1 and resource = any ($3) order by resource for no key update)
  update quota_cell counting set
    counted = counting.counted + ask.amount * $5, reserved = counting.reserved + ask.amount * $6
  from ask join cell using (resource)
  where counting.node in ($1, $2) and counting.is_leaf = 1 and counting.resource = ask.resource`

const countAtLeaf = (
  tx: Tx,
  projectId: string,
  amounts: Record<string, number>,
  change: { counted: number; reserved: number },
): Promise<number> => {
  const { counted, reserved } = change,
    self = selfOf(projectId)
  return tx.dialect === 'postgresql'
    ? affected(tx, postgresCount, [projectId, self, Object.keys(amounts), Object.values(amounts), counted, reserved])
    : affected(tx, sqliteCount, [projectId, self, toJson(amounts), counted, reserved])
}

/** What was reserved has started; false if there is no such reservation. Touches the leaf only, whatever is lent. */
export async function startClaim(tx: Tx, subject: string): Promise<boolean> {
  const [row] = (await runStatement<{ project_id: string; amounts: string }>(tx, start, [subject])).rows
  if (!row) return false
  await countAtLeaf(tx, row.project_id, fromJson(row.amounts), { counted: 0, reserved: -1 })
  return true
}

const held: StatementTexts = {
  sqlite: `
    delete from quota_claim
    where subject = ?1 and ticket is null and amounts <> '{}' and not exists (
      select 1 from json_each(quota_claim.amounts) ask
      where not exists (
        select 1 from quota_cell cell
        where cell.node in (quota_claim.project_id, quota_claim.project_id || '/self') and cell.resource = ask.key
          and cell.sheltered = 1 and (cell.private = -1 or cell.counted <= cell.private)))
    returning project_id, amounts, state`,
  postgresql: `
    with target as (select * from quota_claim where subject = $1 and ticket is null for update),
      cell as (
        select cell.resource, cell.counted, cell.private, cell.sheltered from quota_cell cell, target
        where cell.node in (target.project_id, target.project_id || '/self') and cell.is_leaf = 1
          and jsonb_exists(target.amounts::jsonb, cell.resource)
        order by cell.resource for no key update of cell),
      simple as (
        select count(*) as cells from cell where sheltered = 1 and (private = -1 or counted <= private))
    delete from quota_claim using target, simple
    where quota_claim.subject = target.subject and target.amounts <> '{}'
      and simple.cells = (select count(*) from jsonb_object_keys(target.amounts::jsonb))
    returning quota_claim.project_id, quota_claim.amounts, quota_claim.state`,
}

export interface GivenBack {
  projectId: string
  amounts: Record<string, number>
  state: StoredClaim['state']
}

/** Ends a claim of which nothing was lent; nothing if there is none or ancestors have to be told. */
export async function giveBackPrivately(tx: Tx, subject: string): Promise<GivenBack | undefined> {
  const { rows } = await runStatement<{ project_id: string; amounts: string; state: StoredClaim['state'] }>(
    tx,
    held,
    [subject],
  )
  const [row] = rows
  if (!row) return undefined
  const amounts = fromJson<Record<string, number>>(row.amounts)
  await countAtLeaf(tx, row.project_id, amounts, { counted: -1, reserved: row.state === 'reserved' ? -1 : 0 })
  return { projectId: row.project_id, amounts, state: row.state }
}
