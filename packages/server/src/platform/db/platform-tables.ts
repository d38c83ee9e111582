/** The platform's own tables: events to send, leases, and which migrations have run. */
import type { Generated } from 'kysely'
import { autoId, count, id, optionalText, optionalTime, text, time } from './columns.ts'
import { defineMigration } from './migration.ts'

export interface PlatformTables {
  schema_migration: { service: string; id: string; applied_at: number }
  outbox: {
    id: Generated<number>
    topic: string
    payload: string
    at: number
    /** Which relay is sending the row now, and until when others leave it alone. */
    claimed_by: Generated<string | null>
    claimed_until: Generated<number | null>
  }
  lease: { resource: string; owner: string; expires_at: number; epoch: number }
}

/** Run by `migrate` before those of any service. `schema_migration` itself is made by `migrate`. */
export const platformMigrations = [
  defineMigration({
    id: '0001-outbox',
    up: async (schema) => {
      await schema.schema.createTable('outbox')
        .addColumn('id', ...autoId(schema))
        .addColumn('topic', ...text)
        .addColumn('payload', ...text)
        .addColumn('at', ...time)
        .addColumn('claimed_by', ...optionalText)
        .addColumn('claimed_until', ...optionalTime)
        .execute()
    },
  }),
  defineMigration({
    id: '0002-lease',
    up: async (schema) => {
      await schema.schema.createTable('lease')
        .addColumn('resource', ...id)
        .addColumn('owner', ...text)
        .addColumn('expires_at', ...time)
        .addColumn('epoch', ...count)
        .execute()
    },
  }),
]
