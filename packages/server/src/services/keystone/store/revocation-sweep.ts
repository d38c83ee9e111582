/** Finds and removes revocations that concern no living token any more. */
import type { Executor } from '#platform/db/database.ts'
import type { Revocation } from './tables.ts'

interface Tables { identity_revocation: Revocation }

export const expiredRevocations = async (db: Executor, now: number, limit: number): Promise<string[]> => {
  const rows = await db.as<Tables>().selectFrom('identity_revocation').select('id').where(
    'expires_at', '<=', now,
  ).orderBy('id').limit(limit).execute()
  return rows.map((row) => row.id)
}

export const removeRevocations = async (db: Executor, ids: string[]): Promise<void> => {
  if (ids.length > 0) await db.as<Tables>().deleteFrom('identity_revocation').where('id', 'in', ids).execute()
}
