/** The rows of Glance's tables and the values they hold. */
import type { ImageInfo } from '../facade.ts'
import type { InspectedImage } from '../ports.ts'

export type Visibility = ImageInfo['visibility']
export type MemberStatus = 'pending' | 'accepted' | 'rejected'

export interface ImageRow {
  id: string
  name: string
  status: string
  visibility: string
  owner_id: string
  container_format: string
  disk_format: string
  size_bytes: number
  min_disk: number
  min_ram: number
  checksum: string | null
  hash_value: string | null
  protected: number
  hidden: number
  inspection: string | null
  properties: string
  tags: string
  created_at: number
  updated_at: number
  deleted_at: number | null
  /** MiB that its data has of quota, begun ones whole; while it comes, what is kept for it. */
  data_mib: number
  /** The same of data that waits aside for an import. */
  staged_mib: number
  /** When data last came. */
  seen_at: number
}
export interface MemberRow {
  image_id: string
  member_id: string
  status: string
  created_at: number
  updated_at: number
}
export interface TaskRow {
  id: string
  image_id: string
  owner_id: string
  user_id: string
  request_id: string
  method: string
  source: string | null
  status: string
  message: string
  created_at: number
  updated_at: number
}
export interface GlanceTables {
  glance_image: ImageRow
  glance_member: MemberRow
  glance_task: TaskRow
}

export interface Image {
  id: string
  name: string | null
  status: ImageInfo['status']
  visibility: Visibility
  ownerId: string
  containerFormat: string | null
  diskFormat: string | null
  sizeBytes: number | null
  minDiskGiB: number
  minRamMiB: number
  checksum: string | null
  hashValue: string | null
  protected: boolean
  hidden: boolean
  inspection: InspectedImage | null
  properties: Record<string, string>
  tags: string[]
  createdAt: number
  updatedAt: number
}

export interface Member {
  imageId: string
  memberId: string
  status: MemberStatus
  createdAt: number
  updatedAt: number
}
export interface Task {
  id: string
  imageId: string
  ownerId: string
  userId: string
  requestId: string
  method: string
  source: string | null
  status: 'pending' | 'processing' | 'success' | 'failure'
  message: string
  createdAt: number
  updatedAt: number
}
