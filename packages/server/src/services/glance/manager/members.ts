/** The rules of sharing: the owner names members, each member accepts or not. */
import type { RequestContext } from '#platform/auth/context.ts'
import { forbidden, notFound } from '#platform/errors/errors.ts'
import { memberDelete, memberFetch, memberInsert, memberSetStatus, membersList } from '../store/members.ts'
import type { Image, Member, MemberStatus } from '../store/tables.ts'
import { imageOwned, imageSeen, viewerOf } from './access.ts'
import type { GlanceParts } from './images.ts'

export class Members {
  readonly #parts: GlanceParts
  constructor(parts: GlanceParts) {
    this.#parts = parts
  }

  async add(ctx: RequestContext, imageId: string, memberId: string): Promise<Member> {
    const image = await imageOwned(this.#parts.db, imageId, ctx, 'add_member')
    if (image.visibility !== 'shared') throw forbidden('Only shared images have members.')
    const now = this.#parts.clock.now()
    const member: Member = { imageId, memberId, status: 'pending', createdAt: now, updatedAt: now }
    await memberInsert(this.#parts.db, member)
    return member
  }

  /** The owner and admins see all members; a member sees itself. */
  async list(ctx: RequestContext, imageId: string): Promise<Member[]> {
    const image = await this.#seen(ctx, imageId)
    const members = await membersList(this.#parts.db, imageId)
    return this.#owns(ctx, image) ? members : members.filter(({ memberId }) => memberId === ctx.projectId)
  }

  async fetch(ctx: RequestContext, imageId: string, memberId: string): Promise<Member> {
    const image = await this.#seen(ctx, imageId)
    const member = await memberFetch(this.#parts.db, imageId, memberId)
    if (member && (this.#owns(ctx, image) || memberId === ctx.projectId)) return member
    throw notFound(`Member ${memberId} of image ${imageId} could not be found`)
  }

  /** Only the member itself (or an admin) decides; the owner may not decide for it. */
  async decide(ctx: RequestContext, imageId: string, memberId: string, status: MemberStatus): Promise<Member> {
    const member = await this.fetch(ctx, imageId, memberId)
    if (memberId !== ctx.projectId && !ctx.isAdmin)
      throw forbidden('You are not permitted to modify members of this image: only the member itself decides.')
    const decided = { ...member, status, updatedAt: this.#parts.clock.now() }
    await memberSetStatus(this.#parts.db, decided)
    return decided
  }

  async remove(ctx: RequestContext, imageId: string, memberId: string): Promise<void> {
    const image = await imageOwned(this.#parts.db, imageId, ctx, 'delete_member')
    if (image.visibility !== 'shared') throw forbidden('Only shared images have members.')
    if (!(await memberDelete(this.#parts.db, imageId, memberId))) {
      throw notFound(`Member ${memberId} of image ${imageId} could not be found`)
    }
  }

  async #seen(ctx: RequestContext, imageId: string): Promise<Image> {
    const image = await imageSeen(this.#parts.db, imageId, viewerOf(ctx))
    if (image.visibility !== 'shared') throw forbidden('Only shared images have members.')
    return image
  }

  #owns(ctx: RequestContext, image: Image): boolean {
    return ctx.isAdmin || image.ownerId === ctx.projectId
  }
}
