/** SQL over QoS specs. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { isUniqueViolation } from '#platform/db/db-errors.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import { conflict } from '#platform/errors/errors.ts'
import type { Qos } from '../manager/model.ts'
import type { CinderTables, QosRow } from './tables.ts'

const toQos = (row: QosRow): Qos => ({
  id: row.id,
  name: row.name,
  consumer: row.consumer as Qos['consumer'],
  specs: fromJson(row.specs),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const toRow = (qos: Qos): QosRow => ({
  id: qos.id,
  name: qos.name,
  consumer: qos.consumer,
  specs: toJson(qos.specs),
  created_at: qos.createdAt,
  updated_at: qos.updatedAt,
})

const db = (executor: Executor) => executor.as<CinderTables>()

export const qosInsert = async (tx: Tx, qos: Qos): Promise<void> => {
  try {
    await db(tx).insertInto('cinder_qos').values(toRow(qos)).execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw conflict(`QoS Specs ${qos.name} already exists.`, { field: 'name' }, error)
  }
}

export const qosUpdate = async (tx: Tx, qos: Qos): Promise<void> => {
  const { id, ...fields } = toRow(qos)
  await db(tx).updateTable('cinder_qos').set(fields).where('id', '=', id).execute()
}

export const qosFetch = async (executor: Executor, id: string): Promise<Qos | undefined> => {
  const row = await db(executor).selectFrom('cinder_qos').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toQos(row)
}

export const qosList = async (executor: Executor): Promise<Qos[]> => {
  const query = db(executor).selectFrom('cinder_qos').selectAll()
  return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').execute()).map(toQos)
}

export const qosDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_qos').where('id', '=', id).execute()
}

/** The types that a spec is associated with. */
export const qosTypes = async (executor: Executor, qosId: string): Promise<{ id: string; name: string }[]> =>
  db(executor).selectFrom('cinder_type').select(['id', 'name']).where('qos_id', '=', qosId).orderBy('id').execute()

export const qosAssociate = async (tx: Tx, typeId: string, qosId: string | null): Promise<void> => {
  await db(tx).updateTable('cinder_type').set({ qos_id: qosId }).where('id', '=', typeId).execute()
}

export const qosDisassociateAll = async (tx: Tx, qosId: string): Promise<void> => {
  await db(tx).updateTable('cinder_type').set({ qos_id: null }).where('qos_id', '=', qosId).execute()
}
