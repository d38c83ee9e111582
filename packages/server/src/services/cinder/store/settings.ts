/** SQL over small settings of the operator: limits of the quota class, sizes of one volume, services out of use. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromJson, toJson } from '#platform/db/json.ts'
import type { CinderTables } from './tables.ts'

/** `quota-class` is the class `default`, which everybody's limits start from. */
export type SettingKind = 'quota-class' | `quota-class:${string}` | 'per-volume' | 'service'

const db = (executor: Executor) => executor.as<CinderTables>()

export const settingsOf = async <Value>(
  executor: Executor,
  kind: SettingKind,
): Promise<Map<string, { value: Value; updatedAt: number }>> => {
  const rows = await db(executor).selectFrom('cinder_setting').selectAll().where('kind', '=', kind).execute()
  return new Map(rows.map((row) => [row.name, { value: fromJson<Value>(row.value), updatedAt: row.updated_at }]))
}

export const settingWrite = async (
  tx: Tx,
  kind: SettingKind,
  { name, value, at }: { name: string; value: unknown; at: number },
): Promise<void> => {
  const text = toJson(value)
  await db(tx)
    .insertInto('cinder_setting')
    .values({ kind, name, value: text, updated_at: at })
    .onConflict((on) => on.columns(['kind', 'name']).doUpdateSet({ value: text, updated_at: at }))
    .execute()
}

export const settingDelete = async (tx: Tx, kind: SettingKind, name: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_setting').where('kind', '=', kind).where('name', '=', name).execute()
}
