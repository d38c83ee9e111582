/** Projects that are gone, and where what is left of them counts: kept as long as that place is there. */
import { id, text } from '#platform/db/columns.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { defineMigration } from '#platform/db/migrate.ts'
import { bothTexts, runStatement } from '#platform/db/statement.ts'
import type { QuotaTables } from './tables.ts'

export const forgottenProjects = defineMigration({
  id: '0009-forgotten-projects',
  up: async (schema) => {
    await schema.schema
      .createTable('quota_forgotten')
      .addColumn('project_id', ...id)
      .addColumn('heir_id', ...text)
      .execute()
    await schema.schema.createIndex('quota_forgotten_heir').on('quota_forgotten').column('heir_id').execute()
  },
})

const heir = bothTexts('select heir_id from quota_forgotten where project_id = ?')

/** Undefined: it is not gone, or nothing of it counts anywhere. */
export async function heirOf(executor: Executor, projectId: string): Promise<string | undefined> {
  const [row] = (await runStatement<{ heir_id: string }>(executor, heir, [projectId])).rows
  return row?.heir_id
}

/** What has been left to the project goes on to its own heir; without one it is nobody's. */
export async function forgottenWrite(tx: Tx, projectId: string, heirId: string | null): Promise<void> {
  const quota = tx.as<QuotaTables>()
  if (heirId === null) {
    await quota.deleteFrom('quota_forgotten').where('heir_id', '=', projectId).execute()
    return
  }
  await quota.updateTable('quota_forgotten').set({ heir_id: heirId }).where('heir_id', '=', projectId).execute()
  await quota
    .insertInto('quota_forgotten')
    .values({ project_id: projectId, heir_id: heirId })
    .onConflict((known) => known.column('project_id').doUpdateSet({ heir_id: heirId }))
    .execute()
}

/** The project is there again. */
export async function forgottenDelete(tx: Tx, projectId: string): Promise<void> {
  await tx.as<QuotaTables>().deleteFrom('quota_forgotten').where('project_id', '=', projectId).execute()
}
