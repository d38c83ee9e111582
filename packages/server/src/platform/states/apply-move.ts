/** Moves a row through its machine by compare-and-set: never from a state that does not accept the event. */
import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import type { Executor } from '#platform/db/database.ts'
import { conflict, notFound } from '#platform/errors/errors.ts'
import type { Machine } from './machine.ts'

/** Which row, and which of its columns holds the state. */
export interface Row { table: string; id: string; column: string; idColumn?: string }

export type MoveResult<State extends string> =
  | { moved: true; state: State }
  | { moved: false; state: State | undefined }

type AnyTables = Record<string, Record<string, unknown>>

/**
 * Moves the row and sets the columns of `extra` with it. Throws `conflict` (reason `state`, with the state found) when
 * the row's state does not accept the event, and `notFound` when there is no such row.
 */
export async function applyMove<State extends string, Event extends string>(
  executor: Executor, row: Row, machine: Machine<State, Event>, event: NoInfer<Event>,
  extra: Record<string, unknown> = {},
): Promise<{ moved: true; state: State }> {
  const result = await tryMove(executor, row, machine, event, extra)
  if (result.moved) return result
  if (result.state === undefined) throw notFound(`${machine.name} ${row.id} could not be found`)
  throw conflict(`${machine.name} ${row.id} cannot take "${event}" while it is ${result.state}; it can when it is `
    + machine.sourcesOf(event).join(' or '), { reason: 'state', state: result.state, event })
}

/** The same without throwing: `moved: false` with the state found, or undefined when there is no such row. */
export async function tryMove<State extends string, Event extends string>(
  executor: Executor, row: Row, machine: Machine<State, Event>, event: NoInfer<Event>,
  extra: Record<string, unknown> = {},
): Promise<MoveResult<State>> {
  const kysely = executor.as<AnyTables>()
  const idColumn = row.idColumn ?? 'id'
  const moved = await kysely.updateTable(row.table)
    .set({ ...extra, [row.column]: targetOf(row.column, machine, event) })
    .where(idColumn, '=', row.id)
    .where(row.column, 'in', machine.sourcesOf(event))
    .returning(sql.ref<State>(row.column).as('state'))
    .executeTakeFirst()
  if (moved !== undefined) return { moved: true, state: moved.state as State }
  return { moved: false, state: await stateOf<State>(kysely, row, idColumn) }
}

/** An event may lead to different states from different ones; the database picks, so that one statement decides. */
function targetOf<State extends string, Event extends string>(
  column: string, machine: Machine<State, Event>, event: Event,
): State | RawBuilder<State> {
  const moves = machine.movesOf(event)
  const [first] = moves
  if (first !== undefined && moves.every(({ to }) => to === first.to)) return first.to
  const cases = moves.map(({ from, to }) => sql`when ${from} then ${to}`)
  return sql<State>`case ${sql.ref(column)} ${sql.join(cases, sql` `)} end`
}

async function stateOf<State extends string>(
  kysely: Kysely<AnyTables>, row: Row, idColumn: string,
): Promise<State | undefined> {
  const found = await kysely.selectFrom(row.table).select(sql.ref<State>(row.column).as('state'))
    .where(idColumn, '=', row.id).executeTakeFirst()
  return found?.state as State | undefined
}
