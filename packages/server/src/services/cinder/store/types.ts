/** SQL over volume types, who may use the private ones, and what a project takes when it names none. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { isUniqueViolation } from '#platform/db/db-errors.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { VolumeType } from '../manager/model.ts'
import type { CinderTables, TypeRow } from './tables.ts'

const toType = (row: TypeRow): VolumeType => ({
  id: row.id,
  name: row.name,
  description: row.description,
  isPublic: fromFlag(row.is_public),
  extraSpecs: fromJson(row.extra_specs),
  qosId: row.qos_id,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const toRow = (type: VolumeType): TypeRow => ({
  id: type.id,
  name: type.name,
  description: type.description,
  is_public: toFlag(type.isPublic),
  extra_specs: toJson(type.extraSpecs),
  qos_id: type.qosId,
  created_at: type.createdAt,
  updated_at: type.updatedAt,
})

const db = (executor: Executor) => executor.as<CinderTables>()

const nameTaken = (error: unknown, name: string): unknown =>
  isUniqueViolation(error) ? conflict(`Volume Type ${name} already exists.`, { field: 'name' }, error) : error

export const typeInsert = async (tx: Tx, type: VolumeType): Promise<void> => {
  try {
    await db(tx).insertInto('cinder_type').values(toRow(type)).execute()
  } catch (error) {
    throw nameTaken(error, type.name)
  }
}

export const typeUpdate = async (tx: Tx, type: VolumeType): Promise<void> => {
  const { id, created_at: _, ...fields } = toRow(type)
  try {
    await db(tx).updateTable('cinder_type').set(fields).where('id', '=', id).execute()
  } catch (error) {
    throw nameTaken(error, type.name)
  }
}

export const typeFetch = async (executor: Executor, id: string): Promise<VolumeType | undefined> => {
  const row = await db(executor).selectFrom('cinder_type').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toType(row)
}

export const typeNamed = async (executor: Executor, name: string): Promise<VolumeType | undefined> => {
  const row = await db(executor).selectFrom('cinder_type').selectAll().where('name', '=', name).executeTakeFirst()
  return row && toType(row)
}

/** The newest first, as upstream. */
export const typesList = async (executor: Executor): Promise<VolumeType[]> => {
  const query = db(executor).selectFrom('cinder_type').selectAll()
  return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').execute()).map(toType)
}

export const typeDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_type').where('id', '=', id).execute()
}

export const accessProjects = async (executor: Executor, typeId: string): Promise<string[]> => {
  const query = db(executor).selectFrom('cinder_type_access').select('project_id').where('type_id', '=', typeId)
  return (await query.orderBy('project_id').execute()).map((row) => row.project_id)
}

/** The private types that a project may use. */
export const accessTypes = async (executor: Executor, projectId: string): Promise<Set<string>> => {
  const query = db(executor).selectFrom('cinder_type_access').select('type_id').where('project_id', '=', projectId)
  return new Set((await query.execute()).map((row) => row.type_id))
}

/** False when it had access already. */
export const accessAdd = async (tx: Tx, typeId: string, projectId: string): Promise<boolean> => {
  const insert = db(tx).insertInto('cinder_type_access').values({ type_id: typeId, project_id: projectId })
  const result = await insert.onConflict((on) => on.doNothing()).executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** False when it had none. */
export const accessRemove = async (tx: Tx, typeId: string, projectId: string): Promise<boolean> => {
  const query = db(tx).deleteFrom('cinder_type_access').where('type_id', '=', typeId)
  return (await query.where('project_id', '=', projectId).executeTakeFirst()).numDeletedRows > 0n
}

export const defaultTypes = async (executor: Executor): Promise<{ projectId: string; typeId: string }[]> => {
  const rows = await db(executor).selectFrom('cinder_default_type').selectAll().orderBy('project_id').execute()
  return rows.map((row) => ({ projectId: row.project_id, typeId: row.type_id }))
}

export const defaultTypeOf = async (executor: Executor, projectId: string): Promise<string | undefined> => {
  const query = db(executor).selectFrom('cinder_default_type').select('type_id').where('project_id', '=', projectId)
  return (await query.executeTakeFirst())?.type_id
}

export const defaultTypeSet = async (tx: Tx, projectId: string, typeId: string): Promise<void> => {
  await db(tx)
    .insertInto('cinder_default_type')
    .values({ project_id: projectId, type_id: typeId })
    .onConflict((on) => on.column('project_id').doUpdateSet({ type_id: typeId }))
    .execute()
}

export const defaultTypeUnset = async (tx: Tx, projectId: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_default_type').where('project_id', '=', projectId).execute()
}
