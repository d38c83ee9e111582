/** SQL over flavors and who may use the private ones. */
import type { Selectable } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import type { Flavor } from '../manager/model.ts'
import type { FlavorRow, NovaTables } from './tables.ts'

const flavorOf = (row: Selectable<FlavorRow>): Flavor => ({
  id: row.id,
  name: row.name,
  description: row.description,
  vcpus: row.vcpus,
  ramMiB: row.ram_mib,
  diskGiB: row.disk_gib,
  ephemeralGiB: row.ephemeral_gib,
  swapMiB: row.swap_mib,
  rxtxFactor: row.rxtx_factor,
  isPublic: fromFlag(row.is_public),
  extraSpecs: fromJson<Record<string, string>>(row.extra_specs),
})

export const flavorSortColumns = {
  created_at: 'created_at', description: 'description', disabled: 'id', ephemeral_gb: 'ephemeral_gib', flavorid: 'id',
  id: 'number',
  is_public: 'is_public', memory_mb: 'ram_mib', name: 'name', root_gb: 'disk_gib', rxtx_factor: 'rxtx_factor',
  swap: 'swap_mib',
  updated_at: 'updated_at', vcpu_weight: 'id', vcpus: 'vcpus',
} as const satisfies Record<string, keyof FlavorRow>

export type FlavorSortKey = keyof typeof flavorSortColumns

export interface FlavorQuery {
  /** Private flavors are shown only to a project that was let in; undefined shows all. */
  visibleTo?: string
  isPublic?: boolean
  ramMinMiB?: number
  diskMinGiB?: number
  sortKey: FlavorSortKey
  descending: boolean
}

const flavors = (executor: Executor) => executor.as<NovaTables>().selectFrom('nova_flavor')

export const flavorsList = async (executor: Executor, asked: FlavorQuery): Promise<Flavor[]> => {
  let query = flavors(executor).selectAll()
  const { visibleTo } = asked
  if (visibleTo !== undefined) {
    query = query.where((is) => is.or([
      is('is_public', '=', 1),
      is('id', 'in', is.selectFrom('nova_flavor_access').select('flavor_id').where('project_id', '=', visibleTo)),
    ]))
  }
  if (asked.isPublic !== undefined) query = query.where('is_public', '=', toFlag(asked.isPublic))
  if (asked.ramMinMiB !== undefined) query = query.where('ram_mib', '>=', asked.ramMinMiB)
  if (asked.diskMinGiB !== undefined) query = query.where('disk_gib', '>=', asked.diskMinGiB)
  const direction = asked.descending ? 'desc' : 'asc'
  const rows = await query.orderBy(flavorSortColumns[asked.sortKey], direction).orderBy('number', direction).execute()
  return rows.map(flavorOf)
}

export const flavorFetch = async (executor: Executor, id: string): Promise<Flavor | undefined> => {
  const row = await flavors(executor).selectAll().where('id', '=', id).executeTakeFirst()
  return row && flavorOf(row)
}

/** False: a flavor of that id or name exists. */
export const flavorInsert = async (tx: Tx, flavor: Flavor, at: number): Promise<boolean> => {
  const result = await tx.as<NovaTables>().insertInto('nova_flavor').values({
    id: flavor.id, name: flavor.name, description: flavor.description, vcpus: flavor.vcpus, ram_mib: flavor.ramMiB,
    disk_gib: flavor.diskGiB, ephemeral_gib: flavor.ephemeralGiB, swap_mib: flavor.swapMiB,
    rxtx_factor: flavor.rxtxFactor,
    is_public: toFlag(flavor.isPublic), extra_specs: toJson(flavor.extraSpecs), created_at: at, updated_at: null,
  }).onConflict((clash) => clash.doNothing()).executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}

export const flavorUpdate = async (
  tx: Tx, id: string, change: { description?: string | null; extraSpecs?: Record<string, string> }, at: number,
): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_flavor').set({
    updated_at: at,
    ...(change.description !== undefined && { description: change.description }),
    ...(change.extraSpecs !== undefined && { extra_specs: toJson(change.extraSpecs) }),
  }).where('id', '=', id).execute()
}

export const flavorDelete = async (tx: Tx, id: string): Promise<boolean> => {
  await tx.as<NovaTables>().deleteFrom('nova_flavor_access').where('flavor_id', '=', id).execute()
  const result = await tx.as<NovaTables>().deleteFrom('nova_flavor').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}

export const flavorAccessList = async (executor: Executor, flavorId: string): Promise<string[]> => {
  const rows = await executor.as<NovaTables>().selectFrom('nova_flavor_access').select('project_id')
    .where('flavor_id', '=', flavorId).orderBy('project_id').execute()
  return rows.map((row) => row.project_id)
}

export const flavorAccessAdd = async (tx: Tx, flavorId: string, projectId: string): Promise<boolean> => {
  const result = await tx.as<NovaTables>().insertInto('nova_flavor_access').values({
    flavor_id: flavorId, project_id: projectId,
  })
    .onConflict((clash) => clash.doNothing()).executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}

export const flavorAccessRemove = async (tx: Tx, flavorId: string, projectId: string): Promise<boolean> => {
  const result = await tx.as<NovaTables>().deleteFrom('nova_flavor_access')
    .where('flavor_id', '=', flavorId).where('project_id', '=', projectId).executeTakeFirst()
  return result.numDeletedRows > 0n
}
