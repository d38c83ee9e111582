/** Glance's JSON: images, members and tasks as clients see them. */
import { isoSeconds } from '#platform/clock/clock.ts'
import type { Image, Member, Task } from '../store/tables.ts'

export const imageView = (image: Image) => ({
  ...image.properties,
  id: image.id,
  name: image.name,
  status: image.status,
  visibility: image.visibility,
  owner: image.ownerId,
  protected: image.protected,
  os_hidden: image.hidden,
  container_format: image.containerFormat,
  disk_format: image.diskFormat,
  size: image.sizeBytes,
  virtual_size: null,
  min_disk: image.minDiskGiB,
  min_ram: image.minRamMiB,
  checksum: image.checksum,
  os_hash_algo: image.hashValue && 'sha512',
  os_hash_value: image.hashValue,
  tags: image.tags,
  created_at: isoSeconds(image.createdAt),
  updated_at: isoSeconds(image.updatedAt),
  self: `/v2/images/${image.id}`,
  file: `/v2/images/${image.id}/file`,
  schema: '/v2/schemas/image',
})

export const memberView = (member: Member) => ({
  image_id: member.imageId,
  member_id: member.memberId,
  status: member.status,
  created_at: isoSeconds(member.createdAt),
  updated_at: isoSeconds(member.updatedAt),
  schema: '/v2/schemas/member',
})

const day = 86_400_000

export const taskView = (task: Task) => ({
  id: task.id,
  type: 'api_image_import',
  status: task.status,
  owner: task.ownerId,
  message: task.message,
  image_id: task.imageId,
  request_id: task.requestId,
  user_id: task.userId,
  input: {
    image_id: task.imageId,
    import_req: { method: { name: task.method, ...(task.source && { uri: task.source }) } },
  },
  result: task.status === 'success' ? { image_id: task.imageId } : null,
  created_at: isoSeconds(task.createdAt),
  updated_at: isoSeconds(task.updatedAt),
  expires_at: isoSeconds(task.updatedAt + 2 * day),
  self: `/v2/tasks/${task.id}`,
  schema: '/v2/schemas/task',
})
