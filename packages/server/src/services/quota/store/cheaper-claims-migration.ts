/** What every claim pays for is less: counters change where they are, and indexes know only whom they are asked for. */
import { defineMigration } from '#platform/db/migrate.ts'
import { leaveRoom } from '#platform/db/pages.ts'

/** Most claims never expire and nobody has asked them to end. */
const rare = [
  ['quota_claim_expiry', 'expires_at'],
  ['quota_claim_ticket', 'ticket'],
] as const

export const cheaperClaims = defineMigration({
  id: '0008-cheaper-claims',
  up: async (schema) => {
    await leaveRoom(schema, 'quota_cell', 50)
    for (const [index, column] of rare) {
      await schema.schema.dropIndex(index).execute()
      await schema.schema
        .createIndex(index)
        .on('quota_claim')
        .column(column)
        .where(column, 'is not', null)
        .execute()
    }
  },
})
