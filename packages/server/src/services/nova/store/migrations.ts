/** Nova's tables, step by step. */
import type { Kysely } from 'kysely'
import {
  autoId, count, flag, flagOn, id, integer, json, optionalInteger, optionalJson, optionalText, optionalTime, real, text,
  time,
} from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import { namedClassesMigration } from './quota-classes.ts'
import { passwordsMigration } from './server-passwords.ts'
import { volumesMigration } from './volume-attachments.ts'
import { waitingMigration } from './waiting.ts'

type Schema = Kysely<any>

const createServers = async ({ schema }: Schema): Promise<void> => {
  await schema.createTable('nova_server')
    .addColumn('id', ...id)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('name', ...text)
    .addColumn('description', ...optionalText)
    .addColumn('hostname', ...text)
    .addColumn('image_id', ...optionalText)
    .addColumn('flavor', ...json)
    .addColumn('flavor_id', ...text)
    .addColumn('old_flavor', ...optionalJson)
    .addColumn('key_name', ...optionalText)
    .addColumn('key_data', ...optionalText)
    .addColumn('metadata', ...json)
    .addColumn('tags', ...json)
    .addColumn('user_data', ...optionalText)
    .addColumn('config_drive', ...flag)
    .addColumn('disk_config', ...text)
    .addColumn('access_ip_v4', ...optionalText)
    .addColumn('access_ip_v6', ...optionalText)
    .addColumn('pinned_zone', ...optionalText)
    .addColumn('zone', ...optionalText)
    .addColumn('launch_index', ...count)
    .addColumn('reservation_id', ...text)
    .addColumn('locked_by', ...optionalText)
    .addColumn('locked_reason', ...optionalText)
    .addColumn('group_id', ...optionalText)
    .addColumn('hints', ...json)
    .addColumn('security_groups', ...json)
    .addColumn('trusted_certs', ...optionalJson)
    .addColumn('vm_state', ...text)
    .addColumn('task_state', ...optionalText)
    .addColumn('power_state', ...integer)
    .addColumn('forced_state', ...optionalText)
    .addColumn('progress', ...count)
    .addColumn('host', ...optionalText)
    .addColumn('fault', ...optionalJson)
    .addColumn('awaited', ...count)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .addColumn('launched_at', ...optionalTime)
    .addColumn('terminated_at', ...optionalTime)
    .addColumn('deleted_at', ...optionalTime)
    .addColumn('deleted', ...flag)
    .execute()
  await schema.createIndex('nova_server_project').on('nova_server').columns([
    'project_id', 'deleted', 'created_at',
  ]).execute()
  await schema.createIndex('nova_server_host').on('nova_server').columns(['host', 'deleted']).execute()
  await schema.createIndex('nova_server_group_of').on('nova_server').columns(['group_id', 'deleted']).execute()
  await schema.createTable('nova_server_tag')
    .addColumn('server_id', ...text)
    .addColumn('tag', ...text)
    .addPrimaryKeyConstraint('nova_server_tag_key', ['server_id', 'tag'])
    .execute()
}

const createActions = async (db: Schema): Promise<void> => {
  await db.schema.createTable('nova_action')
    .addColumn('id', ...autoId(db))
    .addColumn('server_id', ...text)
    .addColumn('action', ...text)
    .addColumn('event', ...text)
    .addColumn('request_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('project_id', ...text)
    .addColumn('generation', ...optionalInteger)
    .addColumn('host', ...optionalText)
    .addColumn('message', ...optionalText)
    .addColumn('result', ...optionalText)
    .addColumn('details', ...optionalText)
    .addColumn('started_at', ...time)
    .addColumn('finished_at', ...optionalTime)
    .addColumn('updated_at', ...time)
    .execute()
  await db.schema.createIndex('nova_action_server').on('nova_action').columns(['server_id', 'id']).execute()
  await db.schema.createTable('nova_snapshot')
    .addColumn('image_id', ...id)
    .addColumn('server_id', ...text)
    .addColumn('action_id', ...integer)
    .addColumn('image', ...json)
    .addColumn('tries', ...count)
    .addColumn('created_at', ...time)
    .execute()
  await db.schema.createTable('nova_migration')
    .addColumn('number', ...autoId(db))
    .addColumn('uuid', ...text)
    .addColumn('server_id', ...text)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('type', ...text)
    .addColumn('status', ...text)
    .addColumn('host', ...text)
    .addColumn('old_flavor_id', ...text)
    .addColumn('new_flavor_id', ...text)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...time)
    .execute()
  await db.schema.createIndex('nova_migration_server').on('nova_migration').column('server_id').execute()
}

const createFlavors = async (db: Schema): Promise<void> => {
  await db.schema.createTable('nova_flavor')
    .addColumn('number', ...autoId(db))
    .addColumn('id', ...text)
    .addColumn('name', ...text)
    .addColumn('description', ...optionalText)
    .addColumn('vcpus', ...integer)
    .addColumn('ram_mib', ...integer)
    .addColumn('disk_gib', ...integer)
    .addColumn('ephemeral_gib', ...integer)
    .addColumn('swap_mib', ...integer)
    .addColumn('rxtx_factor', ...real)
    .addColumn('is_public', ...flagOn)
    .addColumn('extra_specs', ...json)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...optionalTime)
    .addUniqueConstraint('nova_flavor_id', ['id'])
    .addUniqueConstraint('nova_flavor_name', ['name'])
    .execute()
  await db.schema.createTable('nova_flavor_access')
    .addColumn('flavor_id', ...text)
    .addColumn('project_id', ...text)
    .addPrimaryKeyConstraint('nova_flavor_access_key', ['flavor_id', 'project_id'])
    .execute()
}

const createKeypairs = async (db: Schema): Promise<void> => {
  await db.schema.createTable('nova_keypair')
    .addColumn('number', ...autoId(db))
    .addColumn('user_id', ...text)
    .addColumn('name', ...text)
    .addColumn('type', ...text)
    .addColumn('fingerprint', ...text)
    .addColumn('public_key', ...text)
    .addColumn('created_at', ...time)
    .addUniqueConstraint('nova_keypair_name', ['user_id', 'name'])
    .execute()
}

const createOperatorTables = async (db: Schema): Promise<void> => {
  await db.schema.createTable('nova_server_group')
    .addColumn('id', ...id)
    .addColumn('project_id', ...text)
    .addColumn('user_id', ...text)
    .addColumn('name', ...text)
    .addColumn('policy', ...text)
    .addColumn('rules', ...json)
    .addColumn('created_at', ...time)
    .execute()
  await db.schema.createTable('nova_aggregate')
    .addColumn('number', ...autoId(db))
    .addColumn('uuid', ...text)
    .addColumn('name', ...text)
    .addColumn('zone', ...optionalText)
    .addColumn('metadata', ...json)
    .addColumn('hosts', ...json)
    .addColumn('created_at', ...time)
    .addColumn('updated_at', ...optionalTime)
    .addUniqueConstraint('nova_aggregate_name', ['name'])
    .execute()
  await db.schema.createTable('nova_forced_down').addColumn('host', ...id).addColumn('since', ...time).execute()
  await db.schema.createTable('nova_quota_class').addColumn('resource', ...id).addColumn('amount', ...integer).execute()
}

const createReclaims = async (db: Schema): Promise<void> => {
  await db.schema.createTable('nova_reclaim')
    .addColumn('server_id', ...id)
    .addColumn('action_id', ...integer)
    .addColumn('deadline_at', ...time)
    .addColumn('tagged', ...flag)
    .execute()
}

const createParked = async (db: Schema): Promise<void> => {
  await db.schema.createTable('nova_parked').addColumn('server_id', ...id).addColumn('released', ...flag).execute()
}

export const migrations = [
  defineMigration({
    id: '0001-servers',
    up: async (schema) => {
      await createServers(schema)
      await createActions(schema)
    },
  }),
  defineMigration({
    id: '0002-flavors-keypairs',
    up: async (schema) => {
      await createFlavors(schema)
      await createKeypairs(schema)
    },
  }),
  defineMigration({ id: '0003-operator', up: createOperatorTables }),
  defineMigration({ id: '0004-reclaims', up: createReclaims }),
  defineMigration({ id: '0005-parked', up: createParked }),
  passwordsMigration,
  waitingMigration,
  volumesMigration,
  namedClassesMigration,
]
