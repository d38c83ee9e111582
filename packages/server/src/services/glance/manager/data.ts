/** The rules of image data: upload, staging, download. */
import type { Readable } from 'node:stream'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, forbidden } from '#platform/errors/errors.ts'
import type { InspectedImage, StoredBlob } from '../ports.ts'
import { imageFetch, imageMove, imageTryMove } from '../store/images.ts'
import type { Image } from '../store/tables.ts'
import { imageOwned, imageSeen, viewerOf } from './access.ts'
import type { GlanceParts } from './images.ts'

export const stagedKey = (id: string): string => `staged-${id}`

export class ImageData {
  readonly #parts: GlanceParts
  /** Images whose bytes this process is receiving: the tidy loop leaves them alone. */
  readonly uploading = new Set<string>()
  constructor(parts: GlanceParts) {
    this.#parts = parts
  }

  async upload(ctx: RequestContext, id: string, data: Readable): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'upload_image')
    if (image.status !== 'queued')
      throw conflict(`Image status transition from ${image.status} to saving is not allowed`)
    assertFormats(image)
    await this.store(image, data)
  }

  /** From `queued` to `active` with the bytes given, or back to `queued` with a reason. */
  async store(image: Image, data: Readable): Promise<void> {
    await imageMove(this.#parts.db, image.id, 'saved', { updated_at: this.#parts.clock.now() })
    this.uploading.add(image.id)
    try {
      await this.activate(image, await this.#parts.ports.blobs.write(image.id, data))
    } catch (error) {
      await this.fail(image.id)
      throw error
    } finally {
      this.uploading.delete(image.id)
    }
  }

  /** The last step of every way in: look into container images, record sizes and hashes, become `active`. */
  async activate(image: Image, blob: StoredBlob): Promise<void> {
    const inspection = await this.#inspect(image)
    await this.#parts.db.transaction(async (tx) => {
      await imageMove(tx, image.id, 'activated', {
        size_bytes: blob.sizeBytes,
        checksum: blob.md5,
        hash_value: blob.sha512,
        updated_at: this.#parts.clock.now(),
        inspection: inspection && JSON.stringify(inspection),
      })
      tx.emit('glance.image.active', { id: image.id, projectId: image.ownerId })
    })
  }

  async fail(id: string): Promise<void> {
    await imageTryMove(this.#parts.db, id, 'failed', { updated_at: this.#parts.clock.now() })
    await this.#parts.ports.blobs.remove(id)
  }

  async #inspect(image: Image): Promise<InspectedImage | null> {
    if (image.containerFormat !== 'docker') return null
    return this.#parts.ports.inspector.inspect(await this.#parts.ports.blobs.read(image.id))
  }

  /** First half of `glance-direct`: the bytes wait aside until the import. */
  async stage(ctx: RequestContext, id: string, data: Readable): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'modify_image')
    if (image.status !== 'queued')
      throw conflict(`Image status transition from ${image.status} to uploading is not allowed`)
    this.uploading.add(id)
    try {
      await imageMove(this.#parts.db, id, 'staged', { updated_at: this.#parts.clock.now() })
      await this.#parts.ports.blobs.write(stagedKey(id), data)
    } catch (error) {
      await imageTryMove(this.#parts.db, id, 'failed', { updated_at: this.#parts.clock.now() })
      throw error
    } finally {
      this.uploading.delete(id)
    }
  }

  /** The image and its bytes; no stream when there is no data yet. */
  async download(
    ctx: RequestContext,
    id: string,
    range?: (sizeBytes: number) => { start: number; end: number } | undefined,
  ) {
    const image = await imageSeen(this.#parts.db, id, viewerOf(ctx))
    ctx.enforce('download_image', { project_id: ctx.projectId, owner: image.ownerId, visibility: image.visibility })
    if (image.status === 'deactivated' && !ctx.isAdmin)
      throw forbidden('The requested image has been deactivated. Image data download is forbidden.')
    if (image.sizeBytes === null) return { image }
    const part = range?.(image.sizeBytes)
    return { image, part, stream: await this.#parts.ports.blobs.read(id, part) }
  }

  /** For hosts: the bytes of an active image, whoever asks. */
  async read(id: string): Promise<{ stream: Readable; sizeBytes: number; sha512: string }> {
    const image = await imageFetch(this.#parts.db, id)
    if (!image || image.status !== 'active' || image.sizeBytes === null)
      throw conflict(`Image ${id} has no data to boot from`)
    return {
      stream: await this.#parts.ports.blobs.read(id),
      sizeBytes: image.sizeBytes,
      sha512: image.hashValue ?? '',
    }
  }
}

const assertFormats = (image: Image): void => {
  const missing = [image.diskFormat ? '' : 'disk_format', image.containerFormat ? '' : 'container_format'].filter(
    Boolean,
  )
  if (missing.length)
    throw badRequest(`Properties ${missing.join(', ')} must be set prior to saving data.`, { field: missing[0]! })
}
