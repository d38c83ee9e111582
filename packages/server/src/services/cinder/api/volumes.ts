/** Routes of volumes: make, list, show, change, delete. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import type { VolumeOrder } from '../facade.ts'
import type { SeenVolume } from '../manager/seen.ts'
import type { CinderApi } from './cinder-api.ts'
import { volumeFilterOf } from './filters.ts'
import { AnyQuery, atLeast, last, nextLinks, pageOf, trimmed, type Query } from './manners.ts'
import { Bool, Description, Id, Name, opt, Pairs, pairs, refuseUnknown, Size, sizeOf } from './shapes.ts'
import { VolumeView, volumeDetail, volumeMade, volumeSummary } from './views.ts'

const fields = {
  name: opt(Name),
  description: opt(Description),
  display_name: opt(Name),
  display_description: opt(Description),
  volume_type: opt(Nullable(T.String({ maxLength: 255 }))),
  metadata: opt(Nullable(Pairs)),
  snapshot_id: opt(Nullable(Id)),
  source_volid: opt(Nullable(Id)),
  consistencygroup_id: opt(Nullable(Id)),
  group_id: opt(Nullable(T.String({ maxLength: 255 }))),
  backup_id: opt(Nullable(Id)),
  size: opt(Nullable(Size)),
  availability_zone: opt(Nullable(T.String({ minLength: 1, maxLength: 255 }))),
  multiattach: opt(Nullable(Bool())),
  image_id: opt(Nullable(T.String({ maxLength: 255 }))),
  imageRef: opt(Nullable(T.String({ maxLength: 255 }))),
}

const NewVolumeBody = Strict({
  volume: T.Object(fields, { additionalProperties: true }),
  'OS-SCH-HNT:scheduler_hints': opt(Nullable(T.Object({}, { additionalProperties: true }))),
})

const ChangeBody = Strict({
  volume: Strict({
    name: opt(Name),
    description: opt(Description),
    display_name: opt(Name),
    display_description: opt(Description),
    metadata: opt(Pairs),
  }),
})

type NewFields = {
  [Key in keyof typeof fields]?: Key extends 'size' ? number | string | null : any
}

/** What upstream knows and this cloud does not have, each with its reason. */
const refuseAbsent = ({ group_id, consistencygroup_id, multiattach }: NewFields): void => {
  if (isTrue(multiattach)) {
    throw badRequest(
      'multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. ' +
        'Contact your administrator to create a multiattach enabled volume type and use it to create multiattach ' +
        'volumes.',
      { field: 'multiattach' },
    )
  }
  if (group_id || consistencygroup_id)
    throw badRequest('Groups of volumes are not kept here: leave group_id out.', { field: 'group_id' })
}

/** The last of the sources wins nothing: each that is named is used alone. */
const sourceOf = (body: NewFields): VolumeOrder['source'] => {
  const image = body.imageRef ?? body.image_id
  if (body.snapshot_id) return { kind: 'snapshot', snapshotId: body.snapshot_id }
  if (body.source_volid) return { kind: 'volume', volumeId: body.source_volid }
  if (image) return { kind: 'image', imageId: String(image).split('/').at(-1)! }
  return undefined
}

const orderOf = (ctx: RequestContext, body: NewFields): VolumeOrder => {
  if (atLeast(ctx, '3.53')) refuseUnknown(body, Object.keys(fields))
  refuseAbsent(body)
  const sizeGiB = sizeOf(body.size)
  return {
    id: uuid(),
    projectId: ctx.projectId,
    userId: ctx.userId,
    name: trimmed(body.name ?? body.display_name) ?? '',
    description: trimmed(body.description ?? body.display_description) ?? '',
    metadata: pairs(body.metadata),
    source: sourceOf(body),
    ...(sizeGiB !== undefined && { sizeGiB }),
    ...(body.volume_type && { typeName: body.volume_type }),
    ...(body.availability_zone && { availabilityZone: body.availability_zone }),
  }
}

const listRoute = (id: string, path: string, view: (ctx: RequestContext, seen: SeenVolume) => { id: string }) =>
  defineRoute<CinderApi, typeof AnyQuery>({
    id,
    method: 'GET',
    path,
    summary: 'List volumes',
    policy: 'volume:get_all',
    query: AnyQuery,
    reply: { status: 200, schema: T.Object({ volumes: T.Array(VolumeView) }) },
    errors: [404],
    handler: async (cinder, ctx, { query: asked, url }) => {
      const query = asked as Query
      const filter = volumeFilterOf(ctx, query)
      const volumes = (await cinder.volumes.list(ctx, filter, pageOf(query))).map((seen) => view(ctx, seen))
      const isCounted = atLeast(ctx, '3.45') && isTrue(last(query, 'with_count'))
      return {
        volumes,
        ...nextLinks({ ctx, url, name: 'volumes', query }, volumes),
        ...(isCounted && { count: (await cinder.volumes.sum(filter)).count }),
      }
    },
  })

const path = '/volumes/{volume_id}'

export const volumeRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, undefined, typeof NewVolumeBody>({
    id: 'volumes.create',
    method: 'POST',
    path: '/volumes',
    summary: 'Make a volume: empty, or from a snapshot, a volume or an image',
    policy: 'volume:create',
    body: NewVolumeBody,
    reply: { status: 202, schema: T.Object({ volume: VolumeView }) },
    errors: [404, 413],
    handler: async (cinder, ctx, { body }) => {
      const asked = body.volume as NewFields
      const order = orderOf(ctx, asked)
      const backupId: string | undefined = (atLeast(ctx, '3.47') && asked.backup_id) || undefined
      const made = backupId ? cinder.backups.volumeOf(ctx, backupId, order) : cinder.volumes.create(ctx, order)
      return { volume: volumeMade(ctx, await made) }
    },
  }),
  listRoute('volumes.list', '/volumes', volumeSummary),
  listRoute('volumes.detail', '/volumes/detail', volumeDetail),
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'volumes.summary',
    method: 'GET',
    path: '/volumes/summary',
    summary: 'How many volumes there are, and how large they are together',
    policy: 'volume:get_all',
    since: '3.12',
    query: AnyQuery,
    reply: { status: 200 },
    handler: async (cinder, ctx, { query }) => {
      const filter = volumeFilterOf(ctx, query as Query)
      const { count, sizeGiB } = await cinder.volumes.sum(filter)
      const metadata = atLeast(ctx, '3.36') && { metadata: await cinder.volumes.metadataSummary(filter) }
      return { 'volume-summary': { total_count: count, total_size: sizeGiB, ...metadata } }
    },
  }),
  defineRoute<CinderApi>({
    id: 'volumes.show',
    method: 'GET',
    path,
    summary: 'Show a volume',
    policy: 'authenticated',
    reply: { status: 200, schema: T.Object({ volume: VolumeView }) },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      volume: volumeDetail(ctx, await cinder.volumes.show(ctx, params.volume_id!)),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof ChangeBody>({
    id: 'volumes.update',
    method: 'PUT',
    path,
    summary: "Change a volume's name, description or metadata",
    policy: 'authenticated',
    body: ChangeBody,
    reply: { status: 200, schema: T.Object({ volume: VolumeView }) },
    errors: [404],
    handler: async (cinder, ctx, { params, body: { volume: asked } }) => {
      const name = trimmed(asked.name ?? asked.display_name)
      const description = trimmed(asked.description ?? asked.display_description)
      if (Object.keys(asked).length === 0 && atLeast(ctx, '3.53'))
        throw badRequest('Give at least one of name, description and metadata.', { field: 'volume' })
      const changes = {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(asked.metadata && { metadata: pairs(asked.metadata) }),
      }
      return { volume: volumeMade(ctx, await cinder.volumes.update(ctx, params.volume_id!, changes)) }
    },
  }),
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'volumes.delete',
    method: 'DELETE',
    path,
    summary: 'Delete a volume',
    policy: 'authenticated',
    query: AnyQuery,
    reply: { status: 202 },
    errors: [404],
    handler: (cinder, ctx, { params, query }) => {
      const force = atLeast(ctx, '3.23') && isTrue(last(query as Query, 'force'))
      const cascade = isTrue(last(query as Query, 'cascade'))
      return cinder.volumes.delete(ctx, params.volume_id!, { cascade, force })
    },
  }),
]
