/** One table's rows as plain things: flags become booleans and JSON values on the way out, and back on the way in. */
import type { Executor } from '#platform/db/database.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import { flagColumns, jsonColumns, type Entities } from './tables.ts'

type Row = Record<string, unknown>

/** PostgreSQL's text holds neither NUL nor half a character. */
const isStorable = (value: unknown): boolean => typeof value !== 'string' || (
  !value.includes('\0') && value.isWellFormed()
)

const encode = (values: Row): Row => {
  const row: Row = {}
  for (const [column, value] of Object.entries(values)) {
    if (value === undefined) continue
    if (!isStorable(value)) {
      throw badRequest(
        `${column} holds a character that cannot be stored: NUL or half a surrogate pair`, { field: column },
      )
    }
    row[column] = flagColumns[column]
      ? toFlag(value as boolean) : jsonColumns[column] && value !== null ? toJson(value) : value
  }
  return row
}

const decode = <T>(row: Row): T => {
  for (const column of Object.keys(row)) {
    if (flagColumns[column]) row[column] = fromFlag(row[column] as number)
    else if (jsonColumns[column] && row[column] !== null) row[column] = fromJson(row[column] as string)
  }
  return row as T
}

/** Values to match: one, any of several, or null. */
export type Match<T> = { [K in keyof T]?: T[K] | readonly T[K][] }

export interface EntityStore<T> {
  fetch(db: Executor, id: string): Promise<T | undefined>
  find(db: Executor, match: Match<T>): Promise<T | undefined>
  /** In order of their ids, unless told another column. */
  list(db: Executor, match?: Match<T>, order?: keyof T & string): Promise<T[]>
  insert(db: Executor, entity: T): Promise<void>
  /** False when there is no such row. */
  update(db: Executor, id: string, changes: Partial<T>): Promise<boolean>
  remove(db: Executor, id: string): Promise<boolean>
  /** How many went. An empty match is refused: it would empty the table. */
  removeWhere(db: Executor, match: Match<T>): Promise<number>
}

// The query builder's types cannot follow a table that is chosen at run time; the entity's type is the contract here.
const tablesOf = (db: Executor): any => db.as()

const matching = (query: any, match: object): any => {
  let result = query
  for (const [column, value] of Object.entries(match)) {
    if (value === undefined) continue
    if (Array.isArray(value)) result = result.where(column, 'in', value)
    else if (value === null) result = result.where(column, 'is', null)
    else result = result.where(column, '=', flagColumns[column] ? toFlag(value) : value)
  }
  return result
}

/** `in ()` and a text that cannot be stored match nothing, and not every database takes them. */
const isHopeless = (match: object): boolean =>
  Object.values(match).some((value) => (
    Array.isArray(value) && value.length === 0
  ) || ![value].flat().every(isStorable))

export const entityStore = <K extends keyof Entities>(table: K): EntityStore<Entities[K]> => {
  type T = Entities[K]
  return {
    async fetch(db, id) {
      if (!isStorable(id)) return undefined
      const row = await tablesOf(db).selectFrom(table).selectAll().where('id', '=', id).executeTakeFirst()
      return row && decode<T>({ ...row })
    },
    async find(db, match) {
      if (isHopeless(match)) return undefined
      const row = await matching(tablesOf(db).selectFrom(table).selectAll(), match).limit(1).executeTakeFirst()
      return row && decode<T>({ ...row })
    },
    async list(db, match = {}, order = 'id' as never) {
      if (isHopeless(match)) return []
      const rows = await matching(tablesOf(db).selectFrom(table).selectAll(), match).orderBy(order).execute()
      return rows.map((row: Row) => decode<T>({ ...row }))
    },
    async insert(db, entity) {
      await tablesOf(db).insertInto(table).values(encode(entity as unknown as Row)).execute()
    },
    async update(db, id, changes) {
      if (!isStorable(id)) return false
      const values = encode(changes as Row)
      if (Object.keys(values).length === 0) return true
      const result = await tablesOf(db).updateTable(table).set(values).where('id', '=', id).executeTakeFirst()
      return Number(result.numUpdatedRows) > 0
    },
    async remove(db, id) {
      if (!isStorable(id)) return false
      const result = await tablesOf(db).deleteFrom(table).where('id', '=', id).executeTakeFirst()
      return Number(result.numDeletedRows) > 0
    },
    async removeWhere(db, match) {
      if (Object.values(match).every((value) => value === undefined)) throw new Error(
        `removeWhere on ${table} needs a condition`
      )
      if (isHopeless(match)) return 0
      const result = await matching(tablesOf(db).deleteFrom(table), match).executeTakeFirst()
      return Number(result.numDeletedRows)
    },
  }
}

export const projects = entityStore('identity_project')
export const users = entityStore('identity_user')
export const passwords = entityStore('identity_password')
export const groups = entityStore('identity_group')
export const memberships = entityStore('identity_membership')
export const roles = entityStore('identity_role')
export const impliedRoles = entityStore('identity_implied_role')
export const assignments = entityStore('identity_assignment')
export const regions = entityStore('identity_region')
export const services = entityStore('identity_service')
export const endpoints = entityStore('identity_endpoint')
export const credentials = entityStore('identity_credential')
export const applicationCredentials = entityStore('identity_application_credential')
export const accessRules = entityStore('identity_access_rule')
export const trusts = entityStore('identity_trust')
export const policies = entityStore('identity_policy')
export const policyAssociations = entityStore('identity_policy_association')
export const registeredLimits = entityStore('identity_registered_limit')
export const limits = entityStore('identity_limit')
export const revocations = entityStore('identity_revocation')
export const domainConfigs = entityStore('identity_domain_config')
export const endpointGroups = entityStore('identity_endpoint_group')
export const projectEndpoints = entityStore('identity_project_endpoint')
export const projectEndpointGroups = entityStore('identity_project_endpoint_group')
