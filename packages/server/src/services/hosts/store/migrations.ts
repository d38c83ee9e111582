/** The tables' history. */
import { id, optionalText, optionalTime, text, time } from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'

export const hostsMigrations = [
  defineMigration({
    id: '0001-tokens-and-members',
    up: async (schema) => {
      await schema.schema
        .createTable('host_token')
        .addColumn('id', ...id)
        .addColumn('hash', ...text)
        .addColumn('host_name', ...optionalText)
        .addColumn('created_at', ...time)
        .addColumn('expires_at', ...optionalTime)
        .addColumn('revoked_at', ...optionalTime)
        .addUniqueConstraint('host_token_hash', ['hash'])
        .execute()
      await schema.schema
        .createTable('host_member')
        .addColumn('name', ...id)
        .addColumn('key_hash', ...text)
        .addColumn('address', ...text)
        .addColumn('version', ...text)
        .addColumn('token_id', ...text)
        .addColumn('joined_at', ...time)
        .addColumn('seen_at', ...time)
        .execute()
    },
  }),
]
