/** The private part on PostgreSQL, where each way there costs more than the work: one statement for each thing. */
import type { Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { runStatement } from '#platform/db/statement.ts'
import { namesOf } from './history.ts'
import { selfOf } from './private-claims.ts'
import type { PrivatePart } from './private-claims.ts'

/**
 * $1 the project, $2 its own leaf below children, $3 resources, $4 as much of each. Cells that look right are locked in
 * the order of their names and looked at as they are then; where they do not nobody is made to wait.
 */
const take = `
  with ask as (select * from unnest($3::text[], $4::bigint[]) as ask (resource, amount)),
    look as (
      select count(*) as cells from quota_cell join ask using (resource)
      where node in ($1, $2) and resource = any ($3) and is_leaf = 1
        and sheltered = 1 and (private = -1 or counted + amount <= private)),
    cell as (
      select node, resource, counted, private, sheltered from quota_cell
      where node in ($1, $2) and is_leaf = 1 and resource = any ($3)
        and (select cells from look) = cardinality($3)
      order by resource collate "C" for no key update),
    fitting as (
      select count(*) as cells from cell join ask using (resource)
      where sheltered = 1 and (private = -1 or counted + amount <= private)),
    claim as (
      insert into quota_claim
        (subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, lineage)
      select $5, $1, $6, $7, $8, $9, $10, $11, $12 from fitting
      where cells = cardinality($3) and not exists (select 1 from quota_ticket where project_id = $1)
      on conflict do nothing
      returning subject),
    told as (
      insert into quota_history (at, kind, project_id, subject, amounts, resources, times, details)
      select $14, $15, $1, subject, $6, $16, 1, '{}' from claim)
  update quota_cell counting set
    counted = counting.counted + ask.amount, reserved = counting.reserved + ask.amount * $13
  from ask, claim
  where counting.node in ($1, $2) and counting.is_leaf = 1 and counting.resource = ask.resource`

/** What both that follow do to the leaf: `change` is a claim, with how often its amounts are counted and reserved. */
const countAtLeaf = `
    ask as (
      select key as resource, value::bigint * change.counted as counted, value::bigint * change.reserved as reserved
      from change, jsonb_each_text(change.amounts::jsonb)),
    locked as (
      select node, resource from quota_cell
      where node in (select project_id from change union all select project_id || '/self' from change)
        and resource in (select resource from ask) and is_leaf = 1
      order by resource collate "C" for no key update),
    counting as (
      update quota_cell set
        counted = quota_cell.counted + ask.counted, reserved = quota_cell.reserved + ask.reserved
      from ask join locked using (resource)
      where quota_cell.node = locked.node and quota_cell.resource = locked.resource)`

const start = `
  with change as (
      update quota_claim set state = 'committed', expires_at = null
      where subject = $1 and state = 'reserved'
      returning project_id, amounts, 0 as counted, -1 as reserved),
    ${countAtLeaf}
  select project_id from change`

const giveBack = `
  with target as (select * from quota_claim where subject = $1 and ticket is null and amounts <> '{}' for update),
    look as (
      select count(*) as cells from quota_cell cell, target
      where cell.node in (target.project_id, target.project_id || '/self') and cell.is_leaf = 1
        and jsonb_exists(target.amounts::jsonb, cell.resource)
        and cell.sheltered = 1 and (cell.private = -1 or cell.counted <= cell.private)),
    cell as (
      select cell.counted, cell.private, cell.sheltered from quota_cell cell, target
      where cell.node in (target.project_id, target.project_id || '/self') and cell.is_leaf = 1
        and jsonb_exists(target.amounts::jsonb, cell.resource)
        and (select cells from look) = (select count(*) from target, jsonb_object_keys(target.amounts::jsonb))
      order by cell.resource collate "C" for no key update of cell),
    simple as (select count(*) as cells from cell where sheltered = 1 and (private = -1 or counted <= private)),
    change as (
      delete from quota_claim using target, simple
      where quota_claim.subject = target.subject
        and simple.cells = (select count(*) from jsonb_object_keys(target.amounts::jsonb))
      returning quota_claim.subject, quota_claim.project_id, quota_claim.amounts, quota_claim.state, -1 as counted,
        case quota_claim.state when 'reserved' then -1 else 0 end as reserved),
    ${countAtLeaf},
    told as (
      insert into quota_history (at, kind, project_id, subject, amounts, resources, times, details)
      select $2, case state when 'reserved' then $3 else $4 end, project_id, subject, amounts,
        (select ',' || string_agg(key, ',' order by key collate "C") || ','
          from jsonb_object_keys(change.amounts::jsonb) key), 1, '{}'
      from change where $3::text is not null)
  select project_id, amounts, state from change`

const run = <Row>(tx: Tx, text: string, parameters: readonly unknown[]) =>
  runStatement<Row>(tx, { sqlite: text, postgresql: text }, parameters)

export const privatePartOnPostgres: PrivatePart = {
  take: async (tx, claim, { at, kind }) => {
    const { projectId, subject, amounts, state, reclaimable, priority, startedAt, expiresAt, lineage } = claim
    const names = Object.keys(amounts)
    if (names.length === 0) return false
    const place = [projectId, selfOf(projectId), names, Object.values(amounts)]
    const row = [subject, toJson(amounts), state, reclaimable, priority, startedAt, expiresAt, lineage]
    const reserved = state === 'reserved' ? 1 : 0
    const { numAffectedRows } = await run(tx, take, [...place, ...row, reserved, at, kind, namesOf(amounts)])
    return (numAffectedRows ?? 0n) > 0n
  },

  start: async (tx, subject) => (await run(tx, start, [subject])).rows.length > 0,

  giveBack: async (tx, subject, { at, kinds }) => {
    type Row = { project_id: string; amounts: string; state: 'reserved' | 'committed' }
    const { rows } = await run<Row>(tx, giveBack, [subject, at, kinds?.reserved ?? null, kinds?.committed ?? null])
    const [row] = rows
    return row && { projectId: row.project_id, amounts: fromJson(row.amounts), state: row.state }
  },
}
