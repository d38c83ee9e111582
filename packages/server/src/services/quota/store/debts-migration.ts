/** Debts that a policy calls in: since when, which a process that dies must not forget. */
import { optionalInteger, optionalTime, text, time } from '#platform/db/columns.ts'
import { defineMigration } from '#platform/db/migrate.ts'

export const debts = defineMigration({
  id: '0010-debts',
  up: async (schema) => {
    await schema.schema
      .createTable('quota_debt')
      .addColumn('project_id', ...text)
      .addColumn('resource', ...text)
      .addColumn('since', ...time)
      .addColumn('called', ...optionalInteger)
      .addColumn('called_at', ...optionalTime)
      .addPrimaryKeyConstraint('quota_debt_key', ['project_id', 'resource'])
      .execute()
  },
})
