/** What an image holds of its owner's quota, in SQL: the same columns for counting, and for counting again. */
import type { Executor } from '#platform/db/database.ts'
import { gone } from '#platform/errors/errors.ts'
import { imageStates } from '../states/image.ts'
import type { GlanceTables, ImageRow } from './tables.ts'

/** By quota's names. Bytes are counted in MiB that are begun. */
export interface HeldImage {
  id: string
  ownerId: string
  amounts: Record<'image_count_total' | 'image_size_total' | 'image_stage_total' | 'image_count_uploading', number>
}

const columns = ['id', 'owner_id', 'status', 'data_mib', 'staged_mib'] as const
type Counted = Pick<ImageRow, (typeof columns)[number]>

const toHeld = ({ id, owner_id, status, data_mib, staged_mib }: Counted): HeldImage => ({
  id,
  ownerId: owner_id,
  amounts: {
    image_count_total: 1,
    image_size_total: data_mib,
    image_stage_total: staged_mib,
    image_count_uploading: imageStates.receiving.has(status) ? 1 : 0,
  },
})

const alive = (executor: Executor) =>
  executor.as<GlanceTables>().selectFrom('glance_image').select(columns).where('deleted_at', 'is', null)

/** Nothing of an image that is deleted. */
export const heldFetch = async (executor: Executor, id: string): Promise<HeldImage | undefined> => {
  const row = await alive(executor).where('id', '=', id).executeTakeFirst()
  return row && toHeld(row)
}

export const heldAfter = async (executor: Executor, after: string, limit: number): Promise<HeldImage[]> =>
  (await alive(executor).where('id', '>', after).orderBy('id').limit(limit).execute()).map(toHeld)

/** Every image that is not deleted, and when data last came for it. */
export interface LivingImage {
  id: string
  status: string
  seenAt: number
}

export const imagesAlive = async (executor: Executor): Promise<LivingImage[]> => {
  const images = executor.as<GlanceTables>().selectFrom('glance_image').where('deleted_at', 'is', null)
  const rows = await images.select(['id', 'status', 'seen_at']).execute()
  return rows.map(({ id, status, seen_at }) => ({ id, status, seenAt: seen_at }))
}

/** So much of an image's data has come, or will. Throws `gone` when the image no longer receives any. */
export const heldWrite = async (
  executor: Executor,
  id: string,
  held: Partial<Pick<ImageRow, 'data_mib' | 'staged_mib'>> & { seen_at: number },
): Promise<void> => {
  const result = await executor
    .as<GlanceTables>()
    .updateTable('glance_image')
    .set(held)
    .where('id', '=', id)
    .where('status', 'in', [...imageStates.receiving])
    .executeTakeFirst()
  if (Number(result.numUpdatedRows) === 0)
    throw gone(`Image ${id} could not be found after upload. It may have been deleted during the upload.`)
}
