/** SQL over key pairs, which belong to users, not projects. */
import type { Selectable } from 'kysely'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { Keypair } from '../manager/model.ts'
import type { KeypairRow, NovaTables } from './tables.ts'

const keypairOf = (row: Selectable<KeypairRow>): Keypair => ({
  number: row.number, userId: row.user_id, name: row.name, type: row.type, fingerprint: row.fingerprint,
  publicKey: row.public_key, createdAt: row.created_at,
})

export const keypairFetch = async (executor: Executor, userId: string, name: string): Promise<Keypair | undefined> => {
  const row = await executor.as<NovaTables>().selectFrom('nova_keypair').selectAll()
    .where('user_id', '=', userId).where('name', '=', name).executeTakeFirst()
  return row && keypairOf(row)
}

export const keypairsList = async (
  executor: Executor, userId: string, page: { afterName?: string; limit?: number } = {},
): Promise<Keypair[]> => {
  let query = executor.as<NovaTables>().selectFrom('nova_keypair').selectAll().where(
    'user_id', '=', userId,
  ).orderBy('name')
  if (page.afterName !== undefined) query = query.where('name', '>', page.afterName)
  if (page.limit !== undefined) query = query.limit(page.limit)
  return (await query.execute()).map(keypairOf)
}

/** Undefined: the user has a key pair of that name. */
export const keypairInsert = async (tx: Tx, keypair: Omit<Keypair, 'number'>): Promise<Keypair | undefined> => {
  const row = await tx.as<NovaTables>().insertInto('nova_keypair').values({
    user_id: keypair.userId, name: keypair.name, type: keypair.type, fingerprint: keypair.fingerprint,
    public_key: keypair.publicKey, created_at: keypair.createdAt,
  }).onConflict((clash) => clash.doNothing()).returning('number').executeTakeFirst()
  return row && { ...keypair, number: row.number }
}

export const keypairDelete = async (tx: Tx, userId: string, name: string): Promise<boolean> => {
  const result = await tx.as<NovaTables>().deleteFrom('nova_keypair')
    .where('user_id', '=', userId).where('name', '=', name).executeTakeFirst()
  return result.numDeletedRows > 0n
}
