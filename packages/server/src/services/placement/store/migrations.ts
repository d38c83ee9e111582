/** The tables' history. */
import type { Kysely } from 'kysely'
import { count, id, integer, json, optionalText, real, text } from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'

async function providers(schema: Kysely<unknown>): Promise<void> {
  await schema.schema
    .createTable('placement_provider')
    .addColumn('id', ...id)
    .addColumn('name', ...text)
    .addColumn('generation', ...count)
    .addColumn('parent_id', ...optionalText)
    .addColumn('root_id', ...text)
    .addUniqueConstraint('placement_provider_name', ['name'])
    .execute()
  await schema.schema
    .createTable('placement_inventory')
    .addColumn('provider_id', ...text)
    .addColumn('resource_class', ...text)
    .addColumn('total', ...integer)
    .addColumn('reserved', ...integer)
    .addColumn('min_unit', ...integer)
    .addColumn('max_unit', ...integer)
    .addColumn('step_size', ...integer)
    .addColumn('allocation_ratio', ...real)
    .addColumn('capacity', ...integer)
    .addColumn('used', ...count)
    .addPrimaryKeyConstraint('placement_inventory_key', ['provider_id', 'resource_class'])
    .execute()
  for (const [table, column] of [
    ['placement_provider_trait', 'trait'],
    ['placement_provider_aggregate', 'aggregate_id'],
  ] as const) {
    await schema.schema
      .createTable(table)
      .addColumn('provider_id', ...text)
      .addColumn(column, ...text)
      .addPrimaryKeyConstraint(`${table}_key`, ['provider_id', column])
      .execute()
  }
}

async function consumers(schema: Kysely<unknown>): Promise<void> {
  await schema.schema
    .createTable('placement_consumer')
    .addColumn('id', ...id)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('type', ...text)
    .addColumn('generation', ...count)
    .addColumn('mappings', ...json)
    .execute()
  await schema.schema
    .createIndex('placement_consumer_project')
    .on('placement_consumer')
    .columns(['project_id'])
    .execute()
  await schema.schema
    .createTable('placement_allocation')
    .addColumn('consumer_id', ...text)
    .addColumn('provider_id', ...text)
    .addColumn('resource_class', ...text)
    .addColumn('amount', ...integer)
    .addPrimaryKeyConstraint('placement_allocation_key', ['consumer_id', 'provider_id', 'resource_class'])
    .execute()
  await schema.schema
    .createIndex('placement_allocation_provider')
    .on('placement_allocation')
    .columns(['provider_id'])
    .execute()
}

export const placementMigrations = [
  defineMigration({
    id: '0001-placement',
    up: async (schema) => {
      await providers(schema)
      await consumers(schema)
      for (const table of ['placement_trait', 'placement_resource_class']) {
        await schema.schema
          .createTable(table)
          .addColumn('name', ...id)
          .execute()
      }
    },
  }),
]
