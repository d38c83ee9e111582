/** A volume with what its view needs besides its own row: the attachments and the type's name. */
import type { Executor } from '#platform/db/database.ts'
import type { AttachmentInfo, VolumeInfo } from '../facade.ts'
import { attachmentsOfVolumes } from '../store/attachments.ts'
import { typesList } from '../store/types.ts'
import type { Attachment, Volume } from './model.ts'

export interface SeenVolume {
  volume: Volume
  typeName: string
  attachments: Attachment[]
}

export const seenMany = async (executor: Executor, volumes: readonly Volume[]): Promise<SeenVolume[]> => {
  if (volumes.length === 0) return []
  const names = new Map((await typesList(executor)).map(({ id, name }) => [id, name]))
  const attachments = await attachmentsOfVolumes(
    executor,
    volumes.map(({ id }) => id),
  )
  return volumes.map((volume) => ({
    volume,
    typeName: names.get(volume.typeId) ?? volume.typeId,
    attachments: attachments.get(volume.id) ?? [],
  }))
}

export const seen = async (executor: Executor, volume: Volume): Promise<SeenVolume> =>
  (await seenMany(executor, [volume]))[0]!

export const attachmentInfo = (attachment: Attachment): AttachmentInfo => {
  const { id, volumeId, serverId, status, hostName, device, mode, attachedAt, detachedAt } = attachment
  return { id, volumeId, serverId, status, hostName, device, mode, attachedAt, detachedAt }
}

export const volumeInfo = ({ volume, typeName, attachments }: SeenVolume): VolumeInfo => ({
  id: volume.id,
  projectId: volume.projectId,
  userId: volume.userId,
  name: volume.name,
  description: volume.description,
  status: volume.status,
  sizeGiB: volume.sizeGiB,
  hostName: volume.hostName,
  movingTo: volume.task?.do === 'move' ? volume.task.hostName : null,
  availabilityZone: volume.zone,
  typeName,
  bootable: volume.bootable,
  multiattach: volume.multiattach,
  readOnly: volume.readOnly ?? false,
  metadata: volume.metadata,
  attachments: attachments.map(attachmentInfo),
})
