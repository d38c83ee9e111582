/** The rules of image data: upload, staging, download. */
import type { Readable } from 'node:stream'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, forbidden } from '#platform/errors/errors.ts'
import type { InspectedImage, StoredBlob } from '../ports.ts'
import { imageFetch, imageMove, imageTryMove } from '../store/images.ts'
import type { Image } from '../store/tables.ts'
import { imageOwned, imageSeen, viewerOf } from './access.ts'
import { countedStream } from './counted-stream.ts'
import { mibOf, type ImageQuota, type Place } from './image-quota.ts'
import type { GlanceParts } from './images.ts'

export const stagedKey = (id: string): string => `staged-${id}`

interface Receipt {
  image: { id: string; ownerId: string }
  place: Place
  data: Readable
  /** Kept for it already. */
  keptMiB: number
  /** May come even above the limit. */
  mayComeMiB: number
}

/** So often an image whose data comes says so. */
const touchMs = 60_000

export class ImageData {
  readonly #parts: GlanceParts
  readonly #quota: ImageQuota
  /** Images whose bytes this process is receiving: the tidy loop leaves them alone. */
  readonly uploading = new Set<string>()
  constructor(parts: GlanceParts, quota: ImageQuota) {
    this.#parts = parts
    this.#quota = quota
  }

  /** `sizeBytes`: what the client said it sends; undefined when it did not say. */
  async upload(ctx: RequestContext, id: string, data: Readable, sizeBytes?: number): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'upload_image')
    if (image.status !== 'queued')
      throw conflict(`Image status transition from ${image.status} to saving is not allowed`)
    assertFormats(image)
    await this.store(image, data, sizeBytes)
  }

  /** From `queued` to `active` with the bytes given, or back to `queued` with a reason. */
  async store(image: Image, data: Readable, sizeBytes?: number): Promise<void> {
    const began = await this.#begin(image, 'data', sizeBytes)
    await this.#while(image.id, async () =>
      this.activate(image, await this.receive({ ...began, image, place: 'data', data })),
    )
  }

  /** The image receives data from now on, with quota for what was announced. */
  async #begin(image: Image, place: Place, sizeBytes: number | undefined) {
    const mayComeMiB = sizeBytes === undefined ? await this.#quota.welcome(image.ownerId, place) : 0
    const keptMiB = mibOf(sizeBytes ?? 0)
    const now = this.#parts.clock.now()
    const extra = { updated_at: now, seen_at: now, [place === 'data' ? 'data_mib' : 'staged_mib']: keptMiB }
    const event = place === 'data' ? 'saved' : 'staged'
    await this.#parts.db.transaction((tx) =>
      this.#quota.follow(tx, image.id, () => imageMove(tx, image.id, event, extra)),
    )
    return { keptMiB, mayComeMiB }
  }

  async #while(id: string, work: () => Promise<void>): Promise<void> {
    this.uploading.add(id)
    try {
      await work()
    } catch (error) {
      await this.fail(id)
      throw error
    } finally {
      this.uploading.delete(id)
    }
  }

  /** Stores the bytes as far as there is quota for them. */
  receive({ image, place, data, keptMiB, mayComeMiB }: Receipt): Promise<StoredBlob> {
    const { clock, ports } = this.#parts
    let kept = keptMiB
    let seenAt = clock.now()
    const pass = (bytes: number): Promise<void> | undefined => {
      const wantedMiB = mibOf(bytes)
      if (wantedMiB <= kept && clock.now() < seenAt + touchMs) return undefined
      seenAt = clock.now()
      if (wantedMiB <= kept) return this.#quota.touch(image.id)
      return this.#quota.keep(image, place, { wantedMiB, mayComeMiB }).then((more) => void (kept = more))
    }
    return ports.blobs.write(place === 'data' ? image.id : stagedKey(image.id), countedStream(data, pass))
  }

  /** The last step of every way in: look into container images, record sizes and hashes, become `active`. */
  async activate(image: Image, blob: StoredBlob): Promise<void> {
    const inspection = await this.#inspect(image)
    const known = {
      size_bytes: blob.sizeBytes,
      checksum: blob.md5,
      hash_value: blob.sha512,
      inspection: inspection && JSON.stringify(inspection),
      data_mib: mibOf(blob.sizeBytes),
      staged_mib: 0,
    }
    await this.#parts.db.transaction(async (tx) => {
      const extra = { ...known, updated_at: this.#parts.clock.now() }
      await this.#quota.follow(tx, image.id, () => imageMove(tx, image.id, 'activated', extra))
      tx.emit('glance.image.active', { id: image.id, projectId: image.ownerId })
    })
    await this.#parts.ports.blobs.remove(stagedKey(image.id))
  }

  /** Back to `queued`, with nothing kept of its data. Idempotent. */
  async fail(id: string): Promise<void> {
    const extra = { updated_at: this.#parts.clock.now(), data_mib: 0, staged_mib: 0 }
    await this.#parts.db.transaction((tx) => this.#quota.follow(tx, id, () => imageTryMove(tx, id, 'failed', extra)))
    for (const key of [id, stagedKey(id)]) await this.#parts.ports.blobs.remove(key)
  }

  async #inspect(image: Image): Promise<InspectedImage | null> {
    if (image.containerFormat !== 'docker') return null
    return this.#parts.ports.inspector.inspect(await this.#parts.ports.blobs.read(image.id))
  }

  /** First half of `glance-direct`: the bytes wait aside until the import. */
  async stage(ctx: RequestContext, id: string, data: Readable, sizeBytes?: number): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'modify_image')
    if (image.status !== 'queued')
      throw conflict(`Image status transition from ${image.status} to uploading is not allowed`)
    const began = await this.#begin(image, 'staged', sizeBytes)
    await this.#while(id, async () => {
      const blob = await this.receive({ ...began, image, place: 'staged', data })
      await this.#quota.write(id, 'staged', mibOf(blob.sizeBytes), true)
    })
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
