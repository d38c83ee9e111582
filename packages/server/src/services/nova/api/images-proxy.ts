/** Images as Nova's API showed them until 2.35: a look through to the image service. */
import { isoSeconds } from '#platform/clock/clock.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import { isUuid } from '#platform/ids/ids.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { linksOf } from './manners.ts'
import type { NovaApi } from './nova-api.ts'

const statuses: Partial<Record<ImageInfo['status'], string>> = {
  active: 'ACTIVE', queued: 'SAVING', saving: 'SAVING', importing: 'SAVING', uploading: 'SAVING', deleted: 'DELETED',
  pending_delete: 'DELETED',
}

const view = (ctx: RequestContext, image: ImageInfo) => ({
  id: image.id,
  name: image.name,
  status: statuses[image.status] ?? 'UNKNOWN',
  progress: image.status === 'active' ? 100 : image.status === 'saving' ? 50 : 25,
  minDisk: image.minDiskGiB,
  minRam: image.minRamMiB,
  metadata: image.properties,
  created: isoSeconds(image.createdAt),
  updated: isoSeconds(image.updatedAt),
  'OS-EXT-IMG-SIZE:size': image.sizeBytes ?? 0,
  links: [
    ...linksOf(ctx, `images/${image.id}`),
    { rel: 'alternate', type: 'application/vnd.openstack.image', href: `${ctx.hostUrl}/image/images/${image.id}` },
  ],
})

const find = async (api: NovaApi, ctx: RequestContext, id: string): Promise<ImageInfo> => {
  const image = isUuid(id)
    ? await api.glance.imageFetch(id, { projectId: ctx.projectId, isAdmin: ctx.isAdmin })
    : undefined
  if (!image) throw notFound('Image not found.')
  return image
}

export const imageProxyRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'images.show', method: 'GET', path: '/images/{image_id}', summary: 'Show an image, as older clients ask',
    policy: 'authenticated', until: '2.35', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => ({ image: view(ctx, await find(api, ctx, params.image_id!)) }),
  }),
  defineRoute<NovaApi>({
    id: 'images.delete', method: 'DELETE', path: '/images/{image_id}', summary: 'Delete an image, as older clients ask',
    policy: 'authenticated', until: '2.35', reply: { status: 307 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const image = await find(api, ctx, params.image_id!)
      // Only the image service deletes images, by rules of its own: clients ask it with the same token.
      return reply({ status: 307, headers: { Location: `${ctx.hostUrl}/image/v2/images/${image.id}` } })
    },
  }),
  defineRoute<NovaApi>({
    id: 'images.metadataItem', method: 'GET', path: '/images/{image_id}/metadata/{key}',
    summary: 'Show one property of an image, as older clients ask', policy: 'authenticated', until: '2.38',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const value = (await find(api, ctx, params.image_id!)).properties[params.key!]
      if (value === undefined) throw notFound('Metadata item was not found')
      return { meta: { [params.key!]: value } }
    },
  }),
  defineRoute<NovaApi>({
    id: 'images.metadata', method: 'GET', path: '/images/{image_id}/metadata',
    summary: "List an image's properties, as older clients ask", policy: 'authenticated', until: '2.38',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => ({ metadata: (await find(api, ctx, params.image_id!)).properties }),
  }),
]
