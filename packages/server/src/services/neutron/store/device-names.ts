/** Names that devices have besides their host names, in SQL: aliases for everybody, links for the device alone. */
import type { Kysely } from 'kysely'
import { defineMigration } from '#platform/db/migrate.ts'
import type { Executor } from '#platform/db/database.ts'

/** `target_id`: the device that a link leads to; empty for an alias. Names are in lower case. */
export interface DeviceName {
  device_id: string
  name: string
  target_id: string
}

interface Tables {
  neutron_device_name: DeviceName
  neutron_port: { device_id: string; network_id: string }
}

const db = (executor: Executor) => executor.as<Tables>()

export const deviceNamesMigration = defineMigration({
  id: '0004-device-names',
  up: async ({ schema }: Kysely<any>) => {
    await schema
      .createTable('neutron_device_name')
      .addColumn('device_id', 'varchar(64)', (column) => column.notNull())
      .addColumn('name', 'varchar(255)', (column) => column.notNull())
      .addColumn('target_id', 'varchar(64)', (column) => column.notNull())
      .addPrimaryKeyConstraint('neutron_device_name_key', ['device_id', 'name', 'target_id'])
      .execute()
  },
})

/** Puts these in the place of all that the device had. */
export const deviceNamesReplace = async (
  executor: Executor,
  deviceId: string,
  names: Omit<DeviceName, 'device_id'>[],
): Promise<void> => {
  await db(executor).deleteFrom('neutron_device_name').where('device_id', '=', deviceId).execute()
  if (names.length === 0) return
  const rows = names.map((name) => ({ ...name, device_id: deviceId }))
  await db(executor)
    .insertInto('neutron_device_name')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export const namesOfDevices = async (executor: Executor, deviceIds: string[]): Promise<DeviceName[]> =>
  deviceIds.length === 0
    ? []
    : db(executor).selectFrom('neutron_device_name').selectAll().where('device_id', 'in', deviceIds).execute()

/** Of all devices that have a port on one of the networks. */
export const namesOnNetworks = async (executor: Executor, networkIds: string[]): Promise<DeviceName[]> =>
  networkIds.length === 0
    ? []
    : db(executor)
        .selectFrom('neutron_device_name')
        .selectAll()
        .where('device_id', 'in', (select) =>
          select.selectFrom('neutron_port').select('device_id').where('network_id', 'in', networkIds),
        )
        .execute()
