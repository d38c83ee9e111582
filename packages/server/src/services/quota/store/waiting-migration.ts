/** Lines: what waits in one project for the same amounts stands in one, so that nobody but its first is looked at. */
import { sql } from 'kysely'
import { flag, optionalText, text } from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'

export const waitingLines = defineMigration({
  id: '0005-waiting-lines',
  up: async (schema) => {
    for (const [name, column] of [
      ['root_id', text],
      ['line', text],
    ] as const) {
      const [type, build] = column
      await schema.schema
        .alterTable('quota_waiting')
        .addColumn(name, type, (builder) => build(builder).defaultTo(''))
        .execute()
    }
    await schema.schema
      .alterTable('quota_waiting')
      .addColumn('gathers', ...flag)
      .execute()
    const backfill = sql`
      update quota_waiting set line = project_id || ' ' || amounts, root_id = coalesce(
        (select root_id from quota_project where quota_project.id = quota_waiting.project_id), project_id)`
    await backfill.execute(schema)
    await schema.schema
      .createIndex('quota_waiting_line')
      .on('quota_waiting')
      .columns(['root_id', 'line', 'priority desc', 'since', 'subject'])
      .execute()
    await schema.schema
      .createIndex('quota_waiting_gathers')
      .on('quota_waiting')
      .columns(['gathers', 'root_id'])
      .execute()
    await schema.schema
      .createIndex('quota_waiting_expiry')
      .on('quota_waiting')
      .columns(['root_id', 'expires_at'])
      .execute()
  },
})

/** What is taken back for a request that waits is for it alone. */
export const ticketsOfAsks = defineMigration({
  id: '0006-tickets-of-asks',
  up: async (schema) => {
    await schema.schema
      .alterTable('quota_ticket')
      .addColumn('subject', ...optionalText)
      .execute()
  },
})
