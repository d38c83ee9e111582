/** Makes a Glance image of a container: commit, save, upload; the commit's own image does not stay on the host. */
import type { Host } from '#services/deps.ts'
import type { WorkloadRecord } from '../store/workloads.ts'
import { imageReference } from './container-spec.ts'
import type { Parts } from './parts.ts'

/** May be repeated: the commit is tagged by the image's id, and Glance leaves an active image alone. */
export async function snapshot(
  { glance, log }: Parts,
  { record, host, containerId, imageId }: { record: WorkloadRecord; host: Host; containerId: string; imageId: string },
): Promise<void> {
  const reference = snapshotReference(imageId)
  await host.runtime.commit(containerId, reference, { 'org.quaystone.snapshot-of': record.id })
  try {
    const tar = await host.runtime.imageSave(reference)
    try {
      await glance.snapshotUpload(imageId, tar)
    } finally {
      tar.destroy()
    }
  } finally {
    await host.runtime.imageRemove(reference).catch((error: unknown) => {
      log.warn({ err: error, image: reference }, 'The image of a snapshot could not be removed from its host')
    })
  }
}

/** Apart from the handles of loaded images, so that a reaper knows one from the other. */
export const snapshotReference = (imageId: string): string => imageReference(`snapshot-${imageId}`)
