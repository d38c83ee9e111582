/** Glance's tables. */
import { sql } from 'kysely'
import { defineMigration } from '#platform/db/migrate.ts'
import {
  count,
  flag,
  id,
  integer,
  json,
  optionalJson,
  optionalText,
  optionalTime,
  reference,
  text,
  time,
} from '#platform/db/columns.ts'

export const migrations = [
  defineMigration({
    id: '0001-images',
    up: async (schema) => {
      await schema.schema
        .createTable('glance_image')
        .addColumn('id', ...id)
        .addColumn('name', ...text)
        .addColumn('status', ...text)
        .addColumn('visibility', ...text)
        .addColumn('owner_id', ...text)
        .addColumn('container_format', ...text)
        .addColumn('disk_format', ...text)
        .addColumn('size_bytes', ...integer)
        .addColumn('min_disk', ...integer)
        .addColumn('min_ram', ...integer)
        .addColumn('checksum', ...optionalText)
        .addColumn('hash_value', ...optionalText)
        .addColumn('protected', ...flag)
        .addColumn('hidden', ...flag)
        .addColumn('inspection', ...optionalJson)
        .addColumn('properties', ...json)
        .addColumn('tags', ...json)
        .addColumn('created_at', ...time)
        .addColumn('updated_at', ...time)
        .addColumn('deleted_at', ...optionalTime)
        .execute()
      await schema.schema
        .createIndex('glance_image_owner')
        .on('glance_image')
        .columns(['owner_id', 'status'])
        .execute()
      await schema.schema
        .createTable('glance_member')
        .addColumn('image_id', ...reference('glance_image.id', { cascade: true }))
        .addColumn('member_id', ...text)
        .addColumn('status', ...text)
        .addColumn('created_at', ...time)
        .addColumn('updated_at', ...time)
        .addPrimaryKeyConstraint('glance_member_pk', ['image_id', 'member_id'])
        .execute()
      await schema.schema.createIndex('glance_member_member').on('glance_member').column('member_id').execute()
      await schema.schema
        .createTable('glance_task')
        .addColumn('id', ...id)
        .addColumn('image_id', ...text)
        .addColumn('owner_id', ...text)
        .addColumn('user_id', ...text)
        .addColumn('request_id', ...text)
        .addColumn('method', ...text)
        .addColumn('source', ...optionalText)
        .addColumn('status', ...text)
        .addColumn('message', ...text)
        .addColumn('created_at', ...time)
        .addColumn('updated_at', ...time)
        .execute()
    },
  }),
  defineMigration({
    id: '0002-image-quota',
    up: async (schema) => {
      for (const column of ['data_mib', 'staged_mib', 'seen_at'])
        await schema.schema
          .alterTable('glance_image')
          .addColumn(column, ...count)
          .execute()
      await schema
        .updateTable('glance_image')
        .set({ data_mib: sql<number>`(size_bytes + 1048575) / 1048576`, seen_at: sql<number>`updated_at` })
        .where('size_bytes', '>', 0)
        .execute()
    },
  }),
]
