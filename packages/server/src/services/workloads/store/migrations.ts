/** The tables' history. */
import {
  count,
  flag,
  flagOn,
  id,
  integer,
  json,
  optionalInteger,
  optionalJson,
  optionalText,
  optionalTime,
  text,
  time,
} from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import { volumesMigration } from './volumes.ts'

export const workloadsMigrations = [
  defineMigration({
    id: '0001-workloads',
    up: async ({ schema }) => {
      await schema
        .createTable('workload')
        .addColumn('id', ...id)
        .addColumn('owner_service', ...text)
        .addColumn('project_id', ...text)
        .addColumn('user_id', ...text)
        .addColumn('name', ...text)
        .addColumn('spec', ...json)
        .addColumn('image_id', ...text)
        .addColumn('group_id', ...optionalText)
        .addColumn('desired', ...text)
        .addColumn('state', ...text)
        .addColumn('step', ...optionalText)
        .addColumn('pending', ...optionalJson)
        .addColumn('generation', ...integer)
        .addColumn('done_generation', ...integer)
        .addColumn('build_generation', ...integer)
        .addColumn('todo', ...flag)
        .addColumn('host_name', ...optionalText)
        .addColumn('container_id', ...optionalText)
        .addColumn('pid', ...count)
        .addColumn('exit_code', ...optionalInteger)
        .addColumn('oom_killed', ...flag)
        .addColumn('fault', ...optionalJson)
        .addColumn('launched_at', ...optionalTime)
        .addColumn('terminated_at', ...optionalTime)
        .addColumn('created_at', ...time)
        .addColumn('updated_at', ...time)
        .execute()
      await schema.createIndex('workload_todo').on('workload').columns(['todo', 'state', 'updated_at']).execute()
      await schema.createIndex('workload_host_name').on('workload').columns(['host_name', 'state']).execute()
      await schema.createIndex('workload_group').on('workload').columns(['group_id']).execute()
      await schema.createIndex('workload_image_id').on('workload').columns(['image_id']).execute()
    },
  }),
  defineMigration({
    id: '0002-hosts',
    up: async ({ schema }) => {
      await schema
        .createTable('workload_host')
        .addColumn('name', ...id)
        .addColumn('id', ...text)
        .addColumn('enabled', ...flagOn)
        .addColumn('disabled_reason', ...optionalText)
        .addColumn('availability_zone', ...text)
        .addColumn('up', ...flag)
        .addColumn('address', ...text)
        .addColumn('info', ...json)
        .addColumn('started_at', ...time)
        .addColumn('seen_at', ...time)
        .execute()
      await schema
        .createTable('workload_image')
        .addColumn('host_name', ...text)
        .addColumn('image_id', ...text)
        .addColumn('reference', ...text)
        .addColumn('has_command', ...flag)
        .addColumn('architecture', ...text)
        .addColumn('size_bytes', ...count)
        .addColumn('loaded_at', ...time)
        .addPrimaryKeyConstraint('workload_image_key', ['host_name', 'image_id'])
        .execute()
    },
  }),
  volumesMigration,
]
