/** Records of every kind in SQL: one way to write, read, list and delete them. */
import { sql } from 'kysely'
import type { Executor } from '#platform/db/database.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import type { ColumnType, Kind } from './kinds.ts'
import type { Standard } from './tables.ts'

type Row = Record<string, unknown>
/** A part of a `where`, over the kind's table. */
export type Condition = (expression: any) => any

const encoders: Record<ColumnType, (value: any) => unknown> = {
  text: (value) => value,
  integer: (value) => value,
  flag: toFlag,
  json: toJson,
}
const decoders: Record<ColumnType, (value: any) => unknown> = {
  text: (value) => value,
  integer: (value) => value,
  flag: fromFlag,
  json: fromJson,
}

/** Null and undefined are SQL's null; so is the empty JSON value of a nullable column. */
export const encode = <R extends Standard>(kind: Kind<R>, fields: Partial<R>): Row =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => name in kind.columns)
      .map(([name, value]) => [
        name,
        value === null || value === undefined ? null : encoders[kind.columns[name as keyof R]](value),
      ]),
  )

type Decoder = readonly [column: string, decode: (value: any) => unknown]
const decodersOf = new WeakMap<object, Decoder[]>()

const decodersFor = (kind: Kind<any>): Decoder[] => {
  const known = decodersOf.get(kind)
  if (known !== undefined) return known
  const made = Object.entries(kind.columns).map(([name, type]): Decoder => [name, decoders[type as ColumnType]])
  decodersOf.set(kind, made)
  return made
}

/** Lists decode thousands of fields: a loop over prepared decoders takes a third of what entries would. */
const decodeBy = (decoding: readonly Decoder[], row: Row): Row => {
  const record: Row = {}
  for (const [name, decodeOne] of decoding) record[name] = row[name] === null ? null : decodeOne(row[name])
  return record
}

export const decode = <R extends Standard>(kind: Kind<R>, row: Row): R =>
  decodeBy(decodersFor(kind), row) as unknown as R

/** Some fields of every record that the conditions choose, in no order: for views of hundreds at once. */
export const listFields = async <R extends Standard, F extends keyof R & string>(
  executor: Executor,
  kind: Kind<R>,
  fields: readonly F[],
  conditions: Condition[],
): Promise<Pick<R, F>[]> => {
  let query: any = db(executor).selectFrom(kind.table).select(fields)
  for (const condition of conditions) query = query.where(condition)
  const decoding = decodersFor(kind).filter(([name]) => (fields as readonly string[]).includes(name))
  return ((await query.execute()) as Row[]).map((row) => decodeBy(decoding, row) as unknown as Pick<R, F>)
}

const db = (executor: Executor) => executor.as<any>()

export const insert = async <R extends Standard>(executor: Executor, kind: Kind<R>, record: R): Promise<R> => {
  await db(executor).insertInto(kind.table).values(encode(kind, record)).execute()
  return record
}

export const insertMany = async <R extends Standard>(
  executor: Executor,
  kind: Kind<R>,
  records: R[],
): Promise<void> => {
  if (records.length > 0)
    await db(executor)
      .insertInto(kind.table)
      .values(records.map((record) => encode(kind, record)))
      .execute()
}

/** Inserts unless a unique key is taken; tells whether it did. The transaction stays usable either way. */
export const insertIfFree = async <R extends Standard>(
  executor: Executor,
  kind: Kind<R>,
  record: R,
): Promise<boolean> => {
  const result = await db(executor)
    .insertInto(kind.table)
    .values(encode(kind, record))
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}

export const fetch = async <R extends Standard>(
  executor: Executor,
  kind: Kind<R>,
  id: string,
): Promise<R | undefined> => {
  const row = await db(executor).selectFrom(kind.table).selectAll().where('id', '=', id).executeTakeFirst()
  return row && decode(kind, row)
}

const idsMax = 500

/** By id, in no order. Unknown ids are left out. */
export const fetchMany = async <R extends Standard>(
  executor: Executor,
  kind: Kind<R>,
  ids: Iterable<string>,
): Promise<R[]> => {
  const wanted = [...new Set(ids)]
  const found: R[] = []
  for (let at = 0; at < wanted.length; at += idsMax) {
    found.push(
      ...(await list(executor, kind, { conditions: [(where) => where('id', 'in', wanted.slice(at, at + idsMax))] })),
    )
  }
  return found
}

export interface Listing {
  conditions?: Condition[]
  sort?: SortKey[]
  /** The record after which the page starts. */
  after?: Standard
  limit?: number
}

export const list = async <R extends Standard>(
  executor: Executor,
  kind: Kind<R>,
  listing: Listing = {},
): Promise<R[]> => {
  let query: any = db(executor).selectFrom(kind.table).selectAll()
  for (const condition of listing.conditions ?? []) query = query.where(condition)
  const after = listing.after && encode(kind, listing.after as R)
  const rows = await paged(query, {
    sort: listing.sort ?? [{ column: 'id', direction: 'asc' }],
    after,
    limit: listing.limit,
  }).execute()
  return (rows as Row[]).map((row) => decode(kind, row))
}

export const equals =
  (column: string, value: string | number): Condition =>
  (where) =>
    where(column, '=', value)
/** An empty list holds nothing; PostgreSQL has no `in ()`. */
export const isIn =
  (column: string, values: readonly (string | number)[]): Condition =>
  (where) =>
    values.length === 0 ? nothing : where(column, 'in', values)
const nothing = sql<boolean>`1 = 0`

/** Writes the fields and counts the revision up; returns the record as it is now. */
export const update = async <R extends Standard>(
  executor: Executor,
  kind: Kind<R>,
  before: R,
  changes: Partial<R>,
  now: number,
): Promise<R> => {
  const after = { ...before, ...changes, revision_number: before.revision_number + 1, updated_at: now }
  const {
    id: _id,
    project_id: _project,
    created_at: _created,
    ...fields
  } = encode(kind, {
    ...changes,
    revision_number: after.revision_number,
    updated_at: now,
  } as Partial<R>)
  await db(executor).updateTable(kind.table).set(fields).where('id', '=', before.id).execute()
  return after
}

/** Tells whether there was one. */
export const remove = async <R extends Standard>(executor: Executor, kind: Kind<R>, id: string): Promise<boolean> => {
  const result = await db(executor).deleteFrom(kind.table).where('id', '=', id).executeTakeFirst()
  return Number(result.numDeletedRows) > 0
}
