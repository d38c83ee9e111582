/** What volumes and snapshots hold of quota by Cinder's own account, so that quota can be recounted from it. */
import type { Executor } from '#platform/db/database.ts'
import type { HeldByRow, QuotaOwner } from '#services/quota/facade.ts'
import { backupFetch, backupIdsAfter } from '../store/backups.ts'
import { snapshotFetch, snapshotIdsAfter } from '../store/snapshots.ts'
import { typeFetch } from '../store/types.ts'
import { volumeFetch, volumeIdsAfter } from '../store/volumes.ts'
import type { CinderParts } from './parts.ts'
import {
  backupAmounts,
  backupPrefix,
  snapshotAmounts,
  snapshotPrefix,
  volumeAmounts,
  volumePrefix,
} from './quota-words.ts'

const typeName = async (executor: Executor, typeId: string): Promise<string> =>
  (await typeFetch(executor, typeId))?.name ?? typeId

/** A volume that grows holds what it will have. */
const volumeHeld = async (executor: Executor, id: string): Promise<HeldByRow | undefined> => {
  const volume = await volumeFetch(executor, id)
  if (!volume) return undefined
  const { projectId, sizeGiB, typeId, task } = volume
  const size = task?.do === 'extend' ? task.sizeGiB : sizeGiB
  return { key: id, projectId, amounts: volumeAmounts(size, await typeName(executor, typeId)) }
}

const snapshotHeld = async (executor: Executor, id: string): Promise<HeldByRow | undefined> => {
  const snapshot = await snapshotFetch(executor, id)
  if (!snapshot) return undefined
  const { projectId, sizeGiB, typeId } = snapshot
  return { key: id, projectId, amounts: snapshotAmounts(sizeGiB, await typeName(executor, typeId)) }
}

const backupHeld = async (executor: Executor, id: string): Promise<HeldByRow | undefined> => {
  const backup = await backupFetch(executor, id)
  return backup && { key: id, projectId: backup.projectId, amounts: backupAmounts(backup.sizeGiB) }
}

const ownerOf = (
  { db }: Pick<CinderParts, 'db'>,
  prefix: string,
  idsAfter: (executor: Executor, after: string, limit: number) => Promise<string[]>,
  look: QuotaOwner['look'],
): QuotaOwner => ({
  name: 'cinder',
  prefix,
  look,
  list: async (after, limit) => {
    const rows = await Promise.all((await idsAfter(db, after, limit)).map((id) => look(db, id)))
    return rows.filter((row) => row !== undefined)
  },
})

export const volumesHeld = (parts: Pick<CinderParts, 'db'>): QuotaOwner[] => [
  ownerOf(parts, volumePrefix, volumeIdsAfter, volumeHeld),
  ownerOf(parts, snapshotPrefix, snapshotIdsAfter, snapshotHeld),
  ownerOf(parts, backupPrefix, backupIdsAfter, backupHeld),
]
