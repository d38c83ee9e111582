/** Grants that are counted up to the root: the counters, the claims and their history, together or not at all. */
import type { Tx } from '#platform/db/database.ts'
import { runStatement } from '#platform/db/statement.ts'
import { cellsCount, changeColumns, lockedChange } from './cells.ts'
import type { CellChange } from './cells.ts'
import { claimInsert, claimLists } from './claims.ts'
import type { StoredClaim } from './claims.ts'
import { historyColumns, historyInsert, historyLists } from './history.ts'
import type { NewHappening } from './history.ts'

export interface Grants {
  /** In the order of locking: the lowest first, then by name. */
  changes: readonly CellChange[]
  claims: readonly StoredClaim[]
  history: readonly NewHappening[]
}

/**
 * `changed`: a counter is not what it was, and nothing has been done. `known`: there is such a claim already; of
 * several some may have been made, so that the transaction must not be committed.
 */
export type Granted = 'done' | 'changed' | 'known'

const claimColumns = 'subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, lineage'

/** One statement, so that what all count at is locked for as short as can be. */
const grantAll = `
  with ${lockedChange},
    claim as (
      insert into quota_claim (${claimColumns})
      select claim.* from right_still, unnest($9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::bigint[], $15::bigint[], $16::bigint[], $17::text[]) as claim
      where right_still.cells = cardinality($1)
      on conflict do nothing
      returning subject),
    made as (select count(*) as claims from claim),
    counting as (
      update quota_cell set
        counted = quota_cell.counted + change.counted, subtree = quota_cell.subtree + change.subtree,
        reserved = quota_cell.reserved + change.reserved
      from change, made
      where made.claims = cardinality($9)
        and quota_cell.node = change.node and quota_cell.resource = change.resource),
    told as (
      insert into quota_history (${historyColumns.join(', ')})
      select happening.* from made, unnest($18::bigint[], $19::text[], $20::text[], $21::text[], $22::text[],
        $23::text[], $24::text[], $25::bigint[], $26::text[]) as happening
      where made.claims = cardinality($9))
  select right_still.cells = cardinality($1) as is_right, made.claims from right_still, made`

export const grantAlong = (tx: Tx, grants: Grants): Promise<Granted> =>
  tx.dialect === 'postgresql' ? grantOnPostgres(tx, grants) : grantOnSqlite(tx, grants)

const grantOnPostgres = async (tx: Tx, { changes, claims, history }: Grants): Promise<Granted> => {
  const parameters = [...changeColumns(changes), ...claimLists(claims), ...historyLists(history)]
  const texts = { sqlite: grantAll, postgresql: grantAll }
  const [row] = (await runStatement<{ is_right: boolean; claims: number }>(tx, texts, parameters)).rows
  if (!row!.is_right) return 'changed'
  return row!.claims === claims.length ? 'done' : 'known'
}

const grantOnSqlite = async (tx: Tx, { changes, claims, history }: Grants): Promise<Granted> => {
  for (const claim of claims) if (!(await claimInsert(tx, claim))) return 'known'
  await cellsCount(tx, changes)
  await historyInsert(tx, history)
  return 'done'
}
