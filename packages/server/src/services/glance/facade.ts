/** What other services may ask of Glance. */
import type { Readable } from 'node:stream'
import type { Tx } from '#platform/db/database.ts'

export interface ImageInfo {
  id: string
  name: string
  status:
    | 'queued'
    | 'saving'
    | 'active'
    | 'importing'
    | 'killed'
    | 'deleted'
    | 'pending_delete'
    | 'deactivated'
    | 'uploading'
  visibility: 'public' | 'private' | 'shared' | 'community'
  ownerId: string
  containerFormat: string | null
  diskFormat: string | null
  sizeBytes: number | null
  minDiskGiB: number
  minRamMiB: number
  protected: boolean
  tags: string[]
  /** Custom properties: `os_command_line`, `docker_image_ref`, … */
  properties: Record<string, string>
  /** What a look into a container image found; null for other formats. */
  inspection: {
    kind: 'docker-archive' | 'oci-layout' | 'rootfs'
    hasCommand: boolean
    architecture: string | null
  } | null
  createdAt: number
  updatedAt: number
}

export interface GlanceFacade {
  /** The image if `projectId` may see it (public, community, its own, shared with it, or `isAdmin`). */
  imageFetch(id: string, viewer: { projectId: string; isAdmin: boolean }): Promise<ImageInfo | undefined>
  /** The image's bytes, whatever the viewer: for hosts that load it. Throws `notFound` or `conflict` (no data yet). */
  imageData(id: string): Promise<{ stream: Readable; sizeBytes: number; sha512: string }>
  /**
   * Makes an image record in `queued` for a snapshot, in the caller's transaction if there is one. Idempotent by id.
   * Throws `overLimit` when its owner may have no more images.
   */
  snapshotEnsure(
    image: {
      id: string
      name: string
      ownerId: string
      containerFormat: string
      diskFormat: string
      minDiskGiB: number
      minRamMiB: number
      properties: Record<string, string>
      visibility?: 'private' | 'public'
    },
    tx?: Tx,
  ): Promise<void>
  /**
   * Stores the snapshot's bytes and makes it `active`. Idempotent: an active image is left alone. Throws `overLimit`
   * when its owner may not store so much; nothing of it is kept then.
   */
  snapshotUpload(id: string, data: Readable): Promise<void>
  /** A project's images that have all these properties, the newest first. */
  imagesWith(ownerId: string, properties: Record<string, string>): Promise<ImageInfo[]>
  /** Deletes an image, unless it is protected. Idempotent; tells whether it is gone. */
  imageDelete(id: string): Promise<boolean>
  /** Marks a snapshot that cannot be made as failed (it disappears from lists). */
  snapshotFail(id: string): Promise<void>
}
