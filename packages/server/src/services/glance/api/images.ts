/** Routes of image records, tags and state. */
import { defineRoute, jsonBody, reply, type Route } from '#platform/api-kit/route.ts'
import { Nullable, T } from '#platform/api-kit/schema.ts'
import { badRequest, forbidden } from '#platform/errors/errors.ts'
import {
  containerFormats,
  diskFormats,
  readOnlyFields,
  reservedFields,
  visibilities,
  writableFields,
  type NewImage,
} from '../manager/fields.ts'
import { importMethods } from '../manager/imports.ts'
import type { GlanceApi } from './glance-api.ts'
import { filterOf, pageOf } from './listing.ts'
import { operationsOf, patchMediaTypes } from './patch-body.ts'
import { imageView } from './views.ts'

const formatOf = (formats: string[]) => T.Optional(T.Union([T.Enum(formats as [string]), T.Null()]))

const NewImageBody = T.Object(
  {
    id: T.Optional(
      T.String({
        pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
      }),
    ),
    name: T.Optional(Nullable(T.String({ maxLength: 255 }))),
    visibility: T.Optional(T.Enum(visibilities)),
    owner: T.Optional(Nullable(T.String({ maxLength: 255 }))),
    container_format: formatOf(containerFormats),
    disk_format: formatOf(diskFormats),
    min_disk: T.Optional(T.Integer({ minimum: 0, maximum: 2_147_483_647 })),
    min_ram: T.Optional(T.Integer({ minimum: 0, maximum: 2_147_483_647 })),
    protected: T.Optional(T.Boolean()),
    os_hidden: T.Optional(T.Boolean()),
    tags: T.Optional(T.Array(T.String({ maxLength: 255 }), { maxItems: 128 })),
  },
  { additionalProperties: Nullable(T.String()) },
)

/** Splits a body into fields and custom properties, and refuses the names that only Glance writes. */
const newImage = (body: Record<string, unknown>): NewImage => {
  const fields: Record<string, unknown> = {}
  const properties: Record<string, string> = {}
  for (const [name, value] of Object.entries(body)) {
    if (name === 'id' || name in writableFields) fields[name] = value
    else if (readOnlyFields.has(name)) throw forbidden(`Attribute '${name}' is read-only.`)
    else if (reservedFields.has(name)) throw forbidden(`Attribute '${name}' is reserved.`)
    else if (value === null)
      throw badRequest(`Invalid input for field/attribute ${name}. Value: null. Custom properties are text`, {
        field: name,
      })
    else properties[name] = String(value)
  }
  return { ...fields, properties }
}

const nextOf = (url: string, marker: string): string => {
  const params = new URLSearchParams(url.split('?')[1])
  params.set('marker', marker)
  return `/v2/images?${params}`
}

const firstOf = (url: string): string => {
  const params = new URLSearchParams(url.split('?')[1])
  params.delete('marker')
  return params.size ? `/v2/images?${params}` : '/v2/images'
}

const tagRoute = (
  method: 'PUT' | 'DELETE',
  act: (glance: GlanceApi, ...rest: Parameters<GlanceApi['images']['tagAdd']>) => Promise<void>,
) =>
  defineRoute<GlanceApi>({
    id: `tags.${method.toLowerCase()}`,
    method,
    path: '/images/{image_id}/tags/{tag}',
    summary: `${method} a tag`,
    policy: 'modify_image',
    reply: { status: 204 },
    errors: [404],
    handler: (glance, ctx, { params }) => act(glance, ctx, params.image_id!, params.tag!),
  })

const stateRoute = (verb: 'deactivate' | 'reactivate') =>
  defineRoute<GlanceApi>({
    id: `images.${verb}`,
    method: 'POST',
    path: `/images/{image_id}/actions/${verb}`,
    summary: `${verb} an image`,
    policy: verb,
    reply: { status: 204 },
    errors: [404, 409],
    handler: (glance, ctx, { params }) => glance.images.setActive(ctx, params.image_id!, verb === 'reactivate'),
  })

export const imageRoutes: Route<GlanceApi>[] = [
  defineRoute<GlanceApi, undefined, typeof NewImageBody>({
    id: 'images.create',
    method: 'POST',
    path: '/images',
    summary: 'Create an image record',
    policy: 'add_image',
    body: NewImageBody,
    reply: { status: 201 },
    errors: [409, 413],
    handler: async (glance, ctx, { body }) => {
      const image = await glance.images.create(ctx, newImage(body))
      const headers = {
        Location: `${ctx.baseUrl}/images/${image.id}`,
        'OpenStack-image-import-methods': importMethods.join(','),
      }
      return reply({ headers, body: imageView(image) })
    },
  }),
  defineRoute<GlanceApi>({
    id: 'images.list',
    method: 'GET',
    path: '/images',
    summary: 'List images',
    policy: 'get_images',
    reply: { status: 200 },
    handler: async (glance, ctx, { query, url }) => {
      const { images, more } = await glance.images.list(ctx, filterOf(query), pageOf(query))
      const next = more && images.length ? { next: nextOf(url, images.at(-1)!.id) } : {}
      return { images: images.map(imageView), first: firstOf(url), schema: '/v2/schemas/images', ...next }
    },
  }),
  defineRoute<GlanceApi>({
    id: 'images.show',
    method: 'GET',
    path: '/images/{image_id}',
    summary: 'Show an image',
    policy: 'get_image',
    reply: { status: 200 },
    errors: [404],
    handler: async (glance, ctx, { params }) => imageView(await glance.images.fetch(ctx, params.image_id!)),
  }),
  defineRoute({
    id: 'images.update',
    method: 'PATCH',
    path: '/images/{image_id}',
    summary: 'Change an image by JSON Patch',
    policy: 'modify_image',
    body: jsonBody(patchMediaTypes, T.Array(T.Unknown())),
    reply: { status: 200 },
    errors: [403, 404, 409],
    handler: async (glance: GlanceApi, ctx, { params, body }) =>
      imageView(await glance.images.patch(ctx, params.image_id!, operationsOf(body))),
  }),
  defineRoute<GlanceApi>({
    id: 'images.delete',
    method: 'DELETE',
    path: '/images/{image_id}',
    summary: 'Delete an image',
    policy: 'delete_image',
    reply: { status: 204 },
    errors: [403, 404],
    handler: (glance, ctx, { params }) => glance.images.remove(ctx, params.image_id!),
  }),
  tagRoute('PUT', (glance, ...rest) => glance.images.tagAdd(...rest)),
  tagRoute('DELETE', (glance, ...rest) => glance.images.tagRemove(...rest)),
  stateRoute('deactivate'),
  stateRoute('reactivate'),
]
