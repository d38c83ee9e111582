/** SQL over quota classes: `default` holds everybody's defaults, of the others nothing follows. */
import type { Kysely } from 'kysely'
import { integer, text } from '#platform/db/columns.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { defineMigration } from '#platform/db/migrate.ts'

interface Tables {
  nova_quota_class: { resource: string; amount: number }
  nova_named_quota_class: { class_name: string; resource: string; amount: number }
}

const db = (executor: Executor) => executor.as<Tables>()
export const defaultClass = 'default'

export const namedClassesMigration = defineMigration({
  id: '0009-named-quota-classes',
  up: async ({ schema }: Kysely<any>) => {
    await schema
      .createTable('nova_named_quota_class')
      .addColumn('class_name', ...text)
      .addColumn('resource', ...text)
      .addColumn('amount', ...integer)
      .addPrimaryKeyConstraint('nova_named_quota_class_key', ['class_name', 'resource'])
      .execute()
  },
})

export const quotaClassRead = async (executor: Executor, name = defaultClass): Promise<Record<string, number>> => {
  const rows = name === defaultClass
    ? await db(executor).selectFrom('nova_quota_class').selectAll().execute()
    : await db(executor).selectFrom('nova_named_quota_class').selectAll().where('class_name', '=', name).execute()
  return Object.fromEntries(rows.map((row) => [row.resource, row.amount]))
}

export const quotaClassWrite = async (tx: Tx, name: string, amounts: Record<string, number>): Promise<void> => {
  const write = name === defaultClass ? writeDefault : writeNamed
  for (const [resource, amount] of Object.entries(amounts)) await write(tx, name, { resource, amount })
}

interface Entry { resource: string; amount: number }

const writeDefault = async (tx: Tx, _name: string, entry: Entry): Promise<void> => {
  await db(tx).insertInto('nova_quota_class').values(entry)
    .onConflict((clash) => clash.column('resource').doUpdateSet({ amount: entry.amount })).execute()
}

const writeNamed = async (tx: Tx, name: string, entry: Entry): Promise<void> => {
  await db(tx).insertInto('nova_named_quota_class').values({ class_name: name, ...entry })
    .onConflict((clash) => clash.columns(['class_name', 'resource']).doUpdateSet({ amount: entry.amount })).execute()
}
