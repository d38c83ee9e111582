/** Many claims inside private parts at once, on PostgreSQL: decided, counted, told and committed in one flight. */
import type { Database } from '#platform/db/database.ts'
import { outboxInsert } from '#platform/db/statement.ts'
import { claimLists } from './claims.ts'
import type { StoredClaim } from './claims.ts'
import { namesOf } from './history.ts'
import type { NewHappening } from './history.ts'
import { selfOf } from './private-claims.ts'

/** A claim, no other of them with its subject, how the history tells of it, and the bus. */
export interface Taking {
  claim: StoredClaim
  told: NewHappening
  event: { topic: string; payload: string }
}

/**
 * $1 to $9 are the claims, $10 of how many resources each is; $11 at which nodes any of them may be counted, $12 of
 * what any of them is; $13 to $15 their history, $16 and $17 the events of it. All cells are locked in the order of
 * their names. Who comes later among them finds taken what those before it ask for, granted or not: who is refused so
 * is asked about again, by itself. Lists are selected, so that PostgreSQL does not plan anew for each length of them.
 */
const takeEach = `
  with request as (
      select * from unnest((select $1::text[]), (select $2::text[]), (select $3::text[]), (select $4::text[]),
          (select $5::text[]), (select $6::bigint[]), (select $7::bigint[]), (select $8::bigint[]),
          (select $9::text[]), (select $10::int[]))
        with ordinality as request (subject, project_id, amounts, state, reclaimable, priority, started_at,
          expires_at, lineage, resources, place)),
    ask as (
      select place, project_id, key as resource, value::bigint as amount,
        sum(value::bigint) over (partition by project_id, key order by place) as so_far
      from request, jsonb_each_text(amounts::jsonb)),
    cell as (
      select node, resource, counted, private, sheltered from quota_cell
      where node = any ((select $11::text[])::text[]) and resource = any ((select $12::text[])::text[])
        and is_leaf = 1
      order by node collate "C", resource collate "C" for no key update),
    asked as (
      select ask.place, cell.node, ask.resource, ask.amount, ask.so_far, cell.counted, cell.private, cell.sheltered
      from ask join cell on cell.node in (ask.project_id, ask.project_id || '/self') and cell.resource = ask.resource),
    fitting as (
      select place from asked join request using (place)
      where sheltered = 1 and (private = -1 or counted + so_far <= private)
      group by place, resources having count(*) = resources),
    claim as (
      insert into quota_claim
        (subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, lineage)
      select subject, project_id, amounts, state, reclaimable, priority, started_at, expires_at, lineage
      from request join fitting using (place)
      where not exists (select 1 from quota_ticket where quota_ticket.project_id = request.project_id)
      on conflict do nothing
      returning subject),
    made as (select request.* from claim join request using (subject)),
    granted as (
      select node, resource, sum(amount) as amount,
        sum(case state when 'reserved' then amount else 0 end) as reserved
      from made join asked using (place) group by node, resource),
    counting as (
      update quota_cell set
        counted = quota_cell.counted + granted.amount, reserved = quota_cell.reserved + granted.reserved
      from granted
      where quota_cell.node = granted.node and quota_cell.resource = granted.resource),
    telling as (
      select told.at, told.kind, made.project_id, subject, made.amounts, told.names, told.topic, told.payload
      from made join unnest((select $1::text[]), (select $13::bigint[]), (select $14::text[]), (select $15::text[]),
          (select $16::text[]), (select $17::text[])) as told (subject, at, kind, names, topic, payload)
        using (subject)
      order by made.place),
    told as (
      insert into quota_history (at, kind, project_id, subject, amounts, resources, times, details)
      select at, kind, project_id, subject, amounts, names, 1, '{}' from telling),
    sent as (${outboxInsert('select topic, payload, at from telling')})
  select subject from made`

/** Each by itself: the subjects of those that were made. What holds nothing is for others to decide. */
export async function takeTogether(db: Database, takings: readonly Taking[]): Promise<Set<string>> {
  const asking = takings.filter(({ claim }) => Object.keys(claim.amounts).length > 0)
  if (asking.length === 0) return new Set()
  const claims = asking.map(({ claim }) => claim),
    names = claims.map(({ amounts }) => Object.keys(amounts))
  const nodes = [...new Set(claims.flatMap(({ projectId }) => [projectId, selfOf(projectId)]))]
  const places = [names.map(({ length }) => length), nodes, [...new Set(names.flat())]]
  const history = [
    asking.map(({ told }) => told.at),
    asking.map(({ told }) => told.kind),
    claims.map(({ amounts }) => namesOf(amounts)),
  ]
  const events = [asking.map(({ event }) => event.topic), asking.map(({ event }) => event.payload)]
  const lists = [...claimLists(claims), ...places, ...history, ...events]
  const { rows } = await db.alone<{ subject: string }>({ sqlite: takeEach, postgresql: takeEach }, lists)
  return new Set(rows.map(({ subject }) => subject))
}
