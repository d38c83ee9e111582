/** The rules of image records: create, list, change, delete, tags. */
import type { Clock } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Database } from '#platform/db/database.ts'
import type { SortKey } from '#platform/api-kit/paging.ts'
import { badRequest, forbidden, notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { Facades } from '#services/deps.ts'
import type { GlancePorts } from '../ports.ts'
import { imageInsert, imageMove, imagesList, imageUpdate, type ImageFilter } from '../store/images.ts'
import type { Image, Visibility } from '../store/tables.ts'
import { assertUnprotected, imageOwned, imageSeen, viewerOf } from './access.ts'
import type { ImageQuota } from './image-quota.ts'
import { applyPatch, type PatchOperation } from './patch.ts'
import { assertWritable, type NewImage } from './fields.ts'

export interface GlanceParts {
  db: Database
  clock: Clock
  ports: GlancePorts
  facades: Pick<Facades, 'quota'>
  /** Data whose length nobody said, when quota is used up on the way: refused, or finished once, as upstream does. */
  unsizedUploads: 'refuse' | 'finish'
}

const visibilityRules: Partial<Record<Visibility, string>> = {
  public: 'publicize_image',
  community: 'communitize_image',
}
const tagsMax = 128

const presets = {
  name: null,
  visibility: 'shared' as Visibility,
  container_format: null,
  disk_format: null,
  min_disk: 0,
  min_ram: 0,
  protected: false,
  os_hidden: false,
  tags: [] as string[],
}

/** A record in `queued`: what was asked for over the presets, and nothing known of its bytes. */
const newImage = (asked: NewImage, ownerId: string, now: number): Image => {
  const given = { ...presets, ...asked }
  return {
    id: given.id ?? uuid(),
    name: given.name,
    status: 'queued',
    visibility: given.visibility,
    ownerId,
    containerFormat: given.container_format,
    diskFormat: given.disk_format,
    minDiskGiB: given.min_disk,
    minRamMiB: given.min_ram,
    sizeBytes: null,
    checksum: null,
    hashValue: null,
    inspection: null,
    protected: given.protected,
    hidden: given.os_hidden,
    properties: given.properties,
    tags: [...new Set(given.tags)],
    createdAt: now,
    updatedAt: now,
  }
}

export class Images {
  readonly #parts: GlanceParts
  readonly #quota: ImageQuota
  constructor(parts: GlanceParts, quota: ImageQuota) {
    this.#parts = parts
    this.#quota = quota
  }

  async create(ctx: RequestContext, asked: NewImage): Promise<Image> {
    const ownerId = asked.owner ?? ctx.projectId
    if (ownerId !== ctx.projectId && !ctx.isAdmin)
      throw forbidden('You are not permitted to create images owned by another project.')
    const image = newImage(asked, ownerId, this.#parts.clock.now())
    this.#mayShow(ctx, image.visibility)
    assertWritable(image)
    await this.#parts.db.transaction(async (tx) => {
      await this.#quota.follow(tx, image.id, () => imageInsert(tx, image))
      tx.emit('glance.image.created', { id: image.id, projectId: ownerId })
    })
    return image
  }

  fetch(ctx: RequestContext, id: string): Promise<Image> {
    return imageSeen(this.#parts.db, id, viewerOf(ctx))
  }

  /** One more than `limit` is asked for, to know whether there is a next page. */
  async list(
    ctx: RequestContext,
    filter: Omit<ImageFilter, 'viewer'>,
    page: { sort: SortKey[]; marker?: string; limit: number },
  ) {
    const viewer = viewerOf(ctx)
    const after = page.marker === undefined ? undefined : await this.#marker(ctx, page.marker)
    const found = await imagesList(
      this.#parts.db,
      { ...filter, viewer },
      { sort: page.sort, after, limit: page.limit + 1 },
    )
    return { images: found.slice(0, page.limit), more: found.length > page.limit }
  }

  async #marker(ctx: RequestContext, id: string): Promise<Image> {
    try {
      return await imageSeen(this.#parts.db, id, viewerOf(ctx))
    } catch (error) {
      throw badRequest(`Invalid marker: image ${id} is not in the list`, { field: 'marker' }, error)
    }
  }

  async patch(ctx: RequestContext, id: string, operations: PatchOperation[]): Promise<Image> {
    const before = await imageOwned(this.#parts.db, id, ctx, 'modify_image')
    const after = applyPatch(before, operations)
    if (after.visibility !== before.visibility) this.#mayShow(ctx, after.visibility)
    if (after.ownerId !== before.ownerId && !ctx.isAdmin) throw forbidden("Owner can't be updated by non admin.")
    assertWritable(after)
    return this.#save(after)
  }

  async remove(ctx: RequestContext, id: string): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'delete_image')
    assertUnprotected(image)
    const now = this.#parts.clock.now()
    await this.#parts.db.transaction(async (tx) => {
      await this.#quota.follow(tx, id, () => imageMove(tx, id, 'deleted', { deleted_at: now, updated_at: now }))
      tx.emit('glance.image.deleted', { id, projectId: image.ownerId })
    })
  }

  async tagAdd(ctx: RequestContext, id: string, tag: string): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'modify_image')
    const tags = [...new Set([...image.tags, tag])]
    if (tags.length > tagsMax) throw badRequest(`An image may have at most ${tagsMax} tags`, { field: 'tags' })
    await this.#save({ ...image, tags })
  }

  async tagRemove(ctx: RequestContext, id: string, tag: string): Promise<void> {
    const image = await imageOwned(this.#parts.db, id, ctx, 'modify_image')
    if (!image.tags.includes(tag)) throw notFound(`Image ${id} has no tag "${tag}"`)
    await this.#save({ ...image, tags: image.tags.filter((one) => one !== tag) })
  }

  async setActive(ctx: RequestContext, id: string, active: boolean): Promise<void> {
    const rule = active ? 'reactivate' : 'deactivate'
    const image = await imageOwned(this.#parts.db, id, ctx, rule)
    if (image.status === (active ? 'active' : 'deactivated')) return
    await imageMove(this.#parts.db, id, active ? 'reactivated' : 'deactivated', {
      updated_at: this.#parts.clock.now(),
    })
  }

  async #save(image: Image): Promise<Image> {
    const saved = { ...image, updatedAt: this.#parts.clock.now() }
    await this.#parts.db.transaction((tx) => this.#quota.follow(tx, saved.id, () => imageUpdate(tx, saved)))
    return saved
  }

  #mayShow(ctx: RequestContext, visibility: Visibility): void {
    const rule = visibilityRules[visibility]
    if (rule) ctx.enforce(rule)
  }
}
