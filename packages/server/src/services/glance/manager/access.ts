/** Who may see an image and who may change it. What a viewer may not see does not exist for them. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor } from '#platform/db/database.ts'
import { forbidden, notFound } from '#platform/errors/errors.ts'
import { imageFetch, type Viewer } from '../store/images.ts'
import { memberFetch } from '../store/members.ts'
import type { Image } from '../store/tables.ts'

export const viewerOf = (ctx: RequestContext): Viewer => ({ projectId: ctx.projectId, isAdmin: ctx.isAdmin })

const isVisible = async (executor: Executor, image: Image, viewer: Viewer): Promise<boolean> => {
  if (viewer.isAdmin || image.ownerId === viewer.projectId) return true
  if (image.visibility === 'public' || image.visibility === 'community') return true
  return image.visibility === 'shared' && (await memberFetch(executor, image.id, viewer.projectId)) !== undefined
}

export const imageSeen = async (executor: Executor, id: string, viewer: Viewer): Promise<Image> => {
  const image = await imageFetch(executor, id)
  if (image && await isVisible(executor, image, viewer)) return image
  throw notFound(`No image found with ID ${id}`)
}

/** The image, for its owner or an admin; a mere viewer is refused by the rule's name. */
export const imageOwned = async (executor: Executor, id: string, ctx: RequestContext, rule: string): Promise<Image> => {
  const image = await imageSeen(executor, id, viewerOf(ctx))
  ctx.enforce(rule, { project_id: image.ownerId, owner: image.ownerId })
  return image
}

export const assertUnprotected = (image: Image): void => {
  if (image.protected) throw forbidden(`Image ${image.id} is protected and cannot be deleted.`)
}
