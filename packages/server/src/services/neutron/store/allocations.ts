/** Addresses of ports in SQL. The key (subnet, address) decides between concurrent takers. */
import type { Executor } from '#platform/db/database.ts'
import type { AllocationRow, LinkTables } from './tables.ts'

const db = (executor: Executor) => executor.as<LinkTables>()

/** Takes the address for the port; false when somebody has it. */
export const addressTake = async (executor: Executor, row: AllocationRow): Promise<boolean> => {
  const result = await db(executor)
    .insertInto('neutron_allocation')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}

export const addressesRelease = async (
  executor: Executor,
  portId: string,
  addresses: { subnet_id: string; ip_address: string }[],
): Promise<void> => {
  for (const { subnet_id, ip_address } of addresses) {
    await db(executor)
      .deleteFrom('neutron_allocation')
      .where('port_id', '=', portId)
      .where('subnet_id', '=', subnet_id)
      .where('ip_address', '=', ip_address)
      .execute()
  }
}

export const addressesOfSubnet = async (executor: Executor, subnetId: string): Promise<AllocationRow[]> =>
  db(executor).selectFrom('neutron_allocation').selectAll().where('subnet_id', '=', subnetId).execute()

export const addressHolder = async (
  executor: Executor,
  subnetId: string,
  ip: string,
): Promise<string | undefined> => {
  const row = await db(executor)
    .selectFrom('neutron_allocation')
    .select('port_id')
    .where('subnet_id', '=', subnetId)
    .where('ip_address', '=', ip)
    .executeTakeFirst()
  return row?.port_id
}

/** Used addresses by subnet. */
export const addressCounts = async (executor: Executor, subnetIds: string[]): Promise<Map<string, number>> => {
  if (subnetIds.length === 0) return new Map()
  const rows = await db(executor)
    .selectFrom('neutron_allocation')
    .select((select) => ['subnet_id', select.fn.countAll<number>().as('used')])
    .where('subnet_id', 'in', subnetIds)
    .groupBy('subnet_id')
    .execute()
  return new Map(rows.map(({ subnet_id, used }) => [subnet_id, Number(used)]))
}
