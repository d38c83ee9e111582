/** Rows of hosts and of the images known to be on them. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { WorkloadHostRow, WorkloadImageRow, WorkloadTables } from './tables.ts'

export const hostsList = (executor: Executor): Promise<WorkloadHostRow[]> =>
  executor.as<WorkloadTables>().selectFrom('workload_host').selectAll().orderBy('name').execute()

export const hostFetch = (executor: Executor, name: string): Promise<WorkloadHostRow | undefined> =>
  executor.as<WorkloadTables>().selectFrom('workload_host').selectAll().where('name', '=', name).executeTakeFirst()

export async function hostInsert(tx: Tx, row: WorkloadHostRow): Promise<void> {
  await tx
    .as<WorkloadTables>()
    .insertInto('workload_host')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function hostPatch(executor: Executor, name: string, change: Partial<WorkloadHostRow>): Promise<void> {
  await executor.as<WorkloadTables>().updateTable('workload_host').set(change).where('name', '=', name).execute()
}

export const imageFetch = (
  executor: Executor,
  hostName: string,
  imageId: string,
): Promise<WorkloadImageRow | undefined> =>
  executor
    .as<WorkloadTables>()
    .selectFrom('workload_image')
    .selectAll()
    .where('host_name', '=', hostName)
    .where('image_id', '=', imageId)
    .executeTakeFirst()

/** Everything known of these images, on whatever host. */
export async function imagesKnown(executor: Executor, imageIds: readonly string[]): Promise<WorkloadImageRow[]> {
  if (imageIds.length === 0) return []
  return await executor
    .as<WorkloadTables>()
    .selectFrom('workload_image')
    .selectAll()
    .where('image_id', 'in', [...imageIds])
    .execute()
}

export const imagesOfHost = (executor: Executor, hostName: string): Promise<WorkloadImageRow[]> =>
  executor.as<WorkloadTables>().selectFrom('workload_image').selectAll().where('host_name', '=', hostName).execute()

export async function imageWrite(executor: Executor, row: WorkloadImageRow): Promise<void> {
  const { host_name: _host, image_id: _image, ...change } = row
  await executor
    .as<WorkloadTables>()
    .insertInto('workload_image')
    .values(row)
    .onConflict((conflict) => conflict.columns(['host_name', 'image_id']).doUpdateSet(change))
    .execute()
}

export async function imageForget(executor: Executor, hostName: string, imageId: string): Promise<void> {
  await executor
    .as<WorkloadTables>()
    .deleteFrom('workload_image')
    .where('host_name', '=', hostName)
    .where('image_id', '=', imageId)
    .execute()
}

/** Image ids that a workload that is not deleted was made from. */
export async function imagesInUse(executor: Executor): Promise<Set<string>> {
  const rows = await executor
    .as<WorkloadTables>()
    .selectFrom('workload')
    .select('image_id')
    .distinct()
    .where('state', '!=', 'deleted')
    .execute()
  return new Set(rows.map((row) => row.image_id))
}
