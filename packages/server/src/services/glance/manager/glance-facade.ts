/** Answers Glance's facade from its managers. */
import type { Readable } from 'node:stream'
import type { GlanceFacade, ImageInfo } from '../facade.ts'
import type { Tx } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { imageFetch, imageInsert, imagesOwnedWith, imageTryMove } from '../store/images.ts'
import type { Image } from '../store/tables.ts'
import { imageSeen } from './access.ts'
import type { ImageData } from './data.ts'
import type { ImageQuota } from './image-quota.ts'
import type { GlanceParts } from './images.ts'

const infoOf = (image: Image): ImageInfo => ({
  id: image.id,
  name: image.name ?? '',
  status: image.status,
  visibility: image.visibility,
  ownerId: image.ownerId,
  containerFormat: image.containerFormat,
  diskFormat: image.diskFormat,
  sizeBytes: image.sizeBytes,
  minDiskGiB: image.minDiskGiB,
  minRamMiB: image.minRamMiB,
  protected: image.protected,
  tags: image.tags,
  properties: image.properties,
  inspection: image.inspection,
  createdAt: image.createdAt,
  updatedAt: image.updatedAt,
})

type Snapshot = Parameters<GlanceFacade['snapshotEnsure']>[0]

export class GlanceFront implements GlanceFacade {
  readonly #parts: GlanceParts
  readonly #data: ImageData
  readonly #quota: ImageQuota
  constructor(parts: GlanceParts, data: ImageData, quota: ImageQuota) {
    this.#parts = parts
    this.#data = data
    this.#quota = quota
  }

  async imageFetch(id: string, viewer: { projectId: string; isAdmin: boolean }): Promise<ImageInfo | undefined> {
    try {
      return infoOf(await imageSeen(this.#parts.db, id, viewer))
    } catch (error) {
      if (isRefusal(error) && error.kind === 'notFound') return undefined
      throw error
    }
  }

  imageData(id: string) {
    return this.#data.read(id)
  }

  snapshotEnsure(asked: Snapshot, tx?: Tx): Promise<void> {
    if (tx) return this.#snapshotIn(tx, asked)
    return this.#parts.db.transaction((own) => this.#snapshotIn(own, asked))
  }

  async #snapshotIn(tx: Tx, asked: Snapshot): Promise<void> {
    if (await imageFetch(tx, asked.id)) return
    const now = this.#parts.clock.now()
    const image: Image = {
      id: asked.id,
      name: asked.name,
      status: 'queued',
      visibility: asked.visibility ?? 'private',
      ownerId: asked.ownerId,
      containerFormat: asked.containerFormat,
      diskFormat: asked.diskFormat,
      sizeBytes: null,
      minDiskGiB: asked.minDiskGiB,
      minRamMiB: asked.minRamMiB,
      checksum: null,
      hashValue: null,
      protected: false,
      hidden: false,
      inspection: null,
      properties: asked.properties,
      tags: [],
      createdAt: now,
      updatedAt: now,
    }
    await this.#quota.follow(tx, image.id, () => imageInsert(tx, image))
  }

  async snapshotUpload(id: string, data: Readable): Promise<void> {
    const image = await imageFetch(this.#parts.db, id)
    if (!image || image.status === 'active') return void data.destroy()
    // A process died over the first try.
    if (image.status === 'saving') await this.#data.fail(id)
    await this.#data.store({ ...image, status: 'queued' }, data)
  }

  async imagesWith(ownerId: string, properties: Record<string, string>): Promise<ImageInfo[]> {
    return (await imagesOwnedWith(this.#parts.db, ownerId, properties)).map(infoOf)
  }

  async imageDelete(id: string): Promise<boolean> {
    const image = await imageFetch(this.#parts.db, id)
    if (!image) return true
    if (image.protected) return false
    const now = this.#parts.clock.now()
    return this.#parts.db.transaction(async (tx) => {
      const gone = { deleted_at: now, updated_at: now }
      const moved = await this.#quota.follow(tx, id, () => imageTryMove(tx, id, 'deleted', gone))
      if (moved) tx.emit('glance.image.deleted', { id, projectId: image.ownerId })
      return moved
    })
  }

  async snapshotFail(id: string): Promise<void> {
    const gone = { deleted_at: this.#parts.clock.now() }
    await this.#parts.db.transaction((tx) => this.#quota.follow(tx, id, () => imageTryMove(tx, id, 'deleted', gone)))
    await this.#parts.ports.blobs.remove(id)
  }
}
