/** Cinder's tables. */
import type { Kysely } from 'kysely'
import {
  flag,
  id,
  integer,
  json,
  optionalFlag,
  optionalJson,
  optionalText,
  optionalTime,
  reference,
  text,
  time,
} from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'

export const migrations = [
  defineMigration({
    id: '0001-volumes',
    up: async ({ schema }) => {
      await typesUp(schema)
      await volumesUp(schema)
      await snapshotsUp(schema)
      await attachmentsUp(schema)
      await restUp(schema)
    },
  }),
  defineMigration({
    id: '0002-snapshot-progress',
    up: async ({ schema }) => {
      const progress = schema.alterTable('cinder_snapshot')
      await progress.addColumn('progress', 'text', (column) => column.notNull().defaultTo('100%')).execute()
    },
  }),
  defineMigration({ id: '0003-backups', up: ({ schema }) => backupsUp(schema) }),
]

type Schema = Kysely<any>['schema']

const typesUp = async (schema: Schema): Promise<void> => {
  await schema
    .createTable('cinder_qos')
    .addColumn('id', ...id)
    .addColumn('name', ...text)
    .addColumn('consumer', ...text)
    .addColumn('specs', ...json)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .addUniqueConstraint('cinder_qos_name', ['name'])
    .execute()
  await schema
    .createTable('cinder_type')
    .addColumn('id', ...id)
    .addColumn('name', ...text)
    .addColumn('description', ...text)
    .addColumn('is_public', ...flag)
    .addColumn('extra_specs', ...json)
    .addColumn('qos_id', ...optionalText)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .addUniqueConstraint('cinder_type_name', ['name'])
    .execute()
  await schema
    .createTable('cinder_type_access')
    .addColumn('type_id', ...reference('cinder_type.id', { cascade: true }))
    .addColumn('project_id', ...text)
    .addPrimaryKeyConstraint('cinder_type_access_pk', ['type_id', 'project_id'])
    .execute()
  await schema
    .createTable('cinder_default_type')
    .addColumn('project_id', ...text)
    .addColumn('type_id', ...reference('cinder_type.id', { cascade: true }))
    .addPrimaryKeyConstraint('cinder_default_type_pk', ['project_id'])
    .execute()
}

const volumesUp = async (schema: Schema): Promise<void> => {
  await schema
    .createTable('cinder_volume')
    .addColumn('id', ...id)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('name', ...text)
    .addColumn('description', ...text)
    .addColumn('size', ...integer)
    .addColumn('status', ...text)
    .addColumn('task', ...optionalText)
    .addColumn('task_args', ...json)
    .addColumn('tries', ...integer)
    .addColumn('previous_status', ...text)
    .addColumn('type_id', ...text)
    .addColumn('host', ...text)
    .addColumn('zone', ...text)
    .addColumn('bootable', ...flag)
    .addColumn('multiattach', ...flag)
    .addColumn('read_only', ...optionalFlag)
    .addColumn('snapshot_id', ...text)
    .addColumn('source_id', ...text)
    .addColumn('image_id', ...text)
    .addColumn('metadata', ...json)
    .addColumn('image_metadata', ...optionalJson)
    .addColumn('charges', ...json)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .execute()
  await schema
    .createIndex('cinder_volume_project')
    .on('cinder_volume')
    .columns(['project_id', 'created_at'])
    .execute()
  await schema.createIndex('cinder_volume_task').on('cinder_volume').column('task').execute()
}

const snapshotsUp = async (schema: Schema): Promise<void> => {
  await schema
    .createTable('cinder_snapshot')
    .addColumn('id', ...id)
    .addColumn('volume_id', ...text)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('name', ...text)
    .addColumn('description', ...text)
    .addColumn('size', ...integer)
    .addColumn('status', ...text)
    .addColumn('task', ...optionalText)
    .addColumn('tries', ...integer)
    .addColumn('type_id', ...text)
    .addColumn('host', ...text)
    .addColumn('metadata', ...json)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .execute()
  await schema.createIndex('cinder_snapshot_volume').on('cinder_snapshot').column('volume_id').execute()
  await schema
    .createIndex('cinder_snapshot_project')
    .on('cinder_snapshot')
    .columns(['project_id', 'created_at'])
    .execute()
  await schema.createIndex('cinder_snapshot_task').on('cinder_snapshot').column('task').execute()
}

const backupsUp = async (schema: Schema): Promise<void> => {
  await schema
    .createTable('cinder_backup')
    .addColumn('id', ...id)
    .addColumn('volume_id', ...text)
    .addColumn('snapshot_id', ...text)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('name', ...text)
    .addColumn('description', ...text)
    .addColumn('container', ...text)
    .addColumn('size', ...integer)
    .addColumn('status', ...text)
    .addColumn('task', ...optionalText)
    .addColumn('tries', ...integer)
    .addColumn('fail_reason', ...optionalText)
    .addColumn('volume', ...json)
    .addColumn('metadata', ...json)
    .addColumn('data_at', ...time)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .execute()
  await schema
    .createIndex('cinder_backup_project')
    .on('cinder_backup')
    .columns(['project_id', 'created_at'])
    .execute()
  await schema.createIndex('cinder_backup_task').on('cinder_backup').column('task').execute()
}

const attachmentsUp = async (schema: Schema): Promise<void> => {
  await schema
    .createTable('cinder_attachment')
    .addColumn('id', ...id)
    .addColumn('volume_id', ...reference('cinder_volume.id', { cascade: true }))
    .addColumn('project_id', ...text)
    .addColumn('server_id', ...optionalText)
    .addColumn('status', ...text)
    .addColumn('host', ...optionalText)
    .addColumn('device', ...optionalText)
    .addColumn('mode', ...text)
    .addColumn('connector', ...optionalJson)
    .addColumn('by_compute', ...flag)
    .addColumn('attached_at', ...optionalTime)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .execute()
  await schema.createIndex('cinder_attachment_volume').on('cinder_attachment').column('volume_id').execute()
  await schema.createIndex('cinder_attachment_server').on('cinder_attachment').column('server_id').execute()
}

const restUp = async (schema: Schema): Promise<void> => {
  await schema
    .createTable('cinder_transfer')
    .addColumn('id', ...id)
    .addColumn('volume_id', ...text)
    .addColumn('project_id', ...text)
    .addColumn('name', ...text)
    .addColumn('salt', ...text)
    .addColumn('key_hash', ...text)
    .addColumn('no_snapshots', ...flag)
    .addColumn('destination_project_id', ...optionalText)
    .addColumn('accepted', ...flag)
    .addColumn('created_at', ...time)
    .execute()
  await schema
    .createTable('cinder_message')
    .addColumn('id', ...id)
    .addColumn('project_id', ...text)
    .addColumn('request_id', ...text)
    .addColumn('resource_type', ...text)
    .addColumn('resource_id', ...text)
    .addColumn('event_id', ...text)
    .addColumn('text', ...text)
    .addColumn('level', ...text)
    .addColumn('created_at', ...time)
    .addColumn('expires_at', ...time)
    .execute()
  await schema.createIndex('cinder_message_project').on('cinder_message').column('project_id').execute()
  await schema
    .createTable('cinder_setting')
    .addColumn('kind', ...text)
    .addColumn('name', ...text)
    .addColumn('value', ...text)
    .addColumn('updated_at', ...time)
    .addPrimaryKeyConstraint('cinder_setting_pk', ['kind', 'name'])
    .execute()
}
