/** Tags of any record. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import { update } from '../store/records.ts'
import { type Collection, viewerOf } from './collection.ts'
import type { NeutronParts } from './parts.ts'

const tagsMax = 50

export class Tags {
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
  }

  async list(ctx: RequestContext, collection: Collection<any>, id: string): Promise<string[]> {
    return (await collection.fetch(viewerOf(ctx), id)).tags
  }

  async assertHas(
    ctx: RequestContext,
    collection: Collection<any>,
    { id, tag }: { id: string; tag: string },
  ): Promise<void> {
    if (!(await this.list(ctx, collection, id)).includes(tag)) throw tagMissing(tag)
  }

  set(
    ctx: RequestContext,
    collection: Collection<any>,
    { id, tags }: { id: string; tags: string[] },
  ): Promise<string[]> {
    return this.#change(ctx, collection, id, () => tags)
  }

  add(ctx: RequestContext, collection: Collection<any>, { id, tag }: { id: string; tag: string }): Promise<string[]> {
    return this.#change(ctx, collection, id, (tags) => [...tags, tag])
  }

  remove(
    ctx: RequestContext,
    collection: Collection<any>,
    { id, tag }: { id: string; tag: string },
  ): Promise<string[]> {
    return this.#change(ctx, collection, id, (tags) => {
      if (!tags.includes(tag)) throw tagMissing(tag)
      return tags.filter((one) => one !== tag)
    })
  }

  #change(
    ctx: RequestContext,
    collection: Collection<any>,
    id: string,
    change: (tags: string[]) => string[],
  ): Promise<string[]> {
    return this.#parts.db.transaction(async (tx) => {
      const record = await collection.owned(tx, ctx, id, `update_${collection.kind.plural}_tags`)
      const tags = [...new Set(change(record.tags))]
      if (tags.length > tagsMax)
        throw badRequest(`A resource may have at most ${tagsMax} tags, not ${tags.length}.`, {
          type: 'HTTPBadRequest',
          field: 'tags',
        })
      const wrong = tags.find((tag) => tag.length > 255 || tag === '' || tag.includes('\0'))
      if (wrong !== undefined)
        throw badRequest(`Invalid input for tags. Reason: '${wrong.slice(0, 80)}' must have 1 to 255 characters.`, {
          type: 'HTTPBadRequest',
          field: 'tags',
        })
      await update(tx, collection.kind, record, { tags }, this.#parts.clock.now())
      return tags
    })
  }
}

const tagMissing = (tag: string) => notFound(`Tag ${tag} could not be found.`, { type: 'TagNotFound' })
