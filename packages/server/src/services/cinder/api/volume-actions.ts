/** `POST /volumes/{id}/action`: what is done with a volume, by the body's one key. */
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, type Action, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, since, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { CinderApi } from './cinder-api.ts'
import { hostNameOf } from './hosts-words.ts'
import { atLeast, moment } from './manners.ts'
import { Anything, Bool, Id, MetadataBody, opt, pairs, Size, sizeOf } from './shapes.ts'

const rule = (verb: string): string => `volume_extension:volume_actions:${verb}`
const adminRule = (verb: string): string => `volume_extension:volume_admin_actions:${verb}`

const AttachBody = Strict({
  instance_uuid: opt(Id),
  host_name: opt(T.String({ maxLength: 255 })),
  mountpoint: T.String({ minLength: 1, maxLength: 255 }),
  mode: opt(T.Enum(['rw', 'ro'])),
})
const DetachBody = Nullable(Strict({ attachment_id: opt(Nullable(Id)) }))
const ConnectorBody = Strict({
  connector: Nullable(T.Union([T.Object({}, { additionalProperties: true }), T.String()])),
})
const ForceDetachBody = Strict({
  attachment_id: opt(Nullable(Id)),
  connector: opt(Nullable(T.Union([T.Object({}, { additionalProperties: true }), T.String()]))),
})
const UploadBody = Strict({
  image_name: T.String({ minLength: 1, maxLength: 255 }),
  force: opt(Bool()),
  disk_format: opt(T.Enum(['raw', 'vmdk', 'vdi', 'qcow2', 'vhd', 'vhdx', 'ploop'])),
  container_format: opt(Nullable(T.String({ maxLength: 255 }))),
  visibility: opt(T.Enum(['community', 'public', 'private', 'shared'], since('3.1'))),
  protected: opt(T.Union([T.Boolean(), T.String(), T.Integer()], since('3.1'))),
})
const statuses = [
  'creating',
  'available',
  'deleting',
  'error',
  'error_deleting',
  'error_managing',
  'managing',
  'attaching',
  'detaching',
  'in-use',
  'maintenance',
  'reserved',
  'error_extending',
  'awaiting-transfer',
]
const ResetBody = T.Object(
  {
    status: opt(Nullable(T.Enum(statuses as [string]))),
    attach_status: opt(
      Nullable(
        T.Enum([
          'detached',
          'attached',
          'attaching',
          'detaching',
          'reserved',
          'error_attaching',
          'error_detaching',
          'deleted',
        ]),
      ),
    ),
    migration_status: opt(Nullable(T.Enum(['migrating', 'error', 'success', 'completing', 'none', 'starting']))),
  },
  { additionalProperties: false, minProperties: 1 },
)

const objectOf = (connector: unknown): Record<string, unknown> =>
  connector !== null && typeof connector === 'object' ? (connector as Record<string, unknown>) : {}

const attaching: Action<CinderApi>[] = [
  defineAction<CinderApi, typeof AttachBody>({
    key: 'os-attach',
    id: 'volumes.attach',
    summary: 'Say that a server or a host has the volume',
    policy: rule('attach'),
    body: AttachBody,
    handler: ({ connections }, ctx, { params, body }) => {
      if (body.instance_uuid === undefined && body.host_name === undefined)
        throw badRequest("Invalid input for field/attribute os-attach. 'instance_uuid' or 'host_name' is required.")
      return connections.attach(ctx, params.volume_id!, {
        serverId: body.instance_uuid ?? null,
        hostName: body.host_name ?? null,
        device: body.mountpoint,
        mode: (body.mode ?? 'rw') as 'rw' | 'ro',
      })
    },
  }),
  defineAction<CinderApi, typeof DetachBody>({
    key: 'os-detach',
    id: 'volumes.detach',
    summary: 'Say that nobody has the volume any more',
    policy: rule('detach'),
    body: DetachBody,
    handler: ({ connections }, ctx, { params, body }) =>
      connections.detach(ctx, params.volume_id!, body?.attachment_id ?? undefined),
  }),
  defineAction<CinderApi, typeof ForceDetachBody>({
    key: 'os-force_detach',
    id: 'volumes.forceDetach',
    summary: 'Detach a volume that thinks it is attached',
    policy: adminRule('force_detach'),
    body: ForceDetachBody,
    handler: ({ connections }, ctx, { params, body }) =>
      connections.forceDetach(ctx, params.volume_id!, body.attachment_id ?? undefined),
  }),
  defineAction<CinderApi>({
    key: 'os-reserve',
    id: 'volumes.reserve',
    summary: 'Keep the volume for somebody who will attach it',
    policy: rule('reserve'),
    body: Anything,
    handler: ({ connections }, ctx, { params }) => connections.reserve(ctx, params.volume_id!),
  }),
  defineAction<CinderApi>({
    key: 'os-unreserve',
    id: 'volumes.unreserve',
    summary: 'Let go of a volume that was kept',
    policy: rule('unreserve'),
    body: Anything,
    handler: ({ connections }, ctx, { params }) => connections.unreserve(ctx, params.volume_id!),
  }),
  defineAction<CinderApi>({
    key: 'os-begin_detaching',
    id: 'volumes.beginDetaching',
    summary: 'Say that the volume is being detached',
    policy: rule('begin_detaching'),
    body: Anything,
    handler: ({ connections }, ctx, { params }) => connections.beginDetaching(ctx, params.volume_id!),
  }),
  defineAction<CinderApi>({
    key: 'os-roll_detaching',
    id: 'volumes.rollDetaching',
    summary: 'Say that it is not being detached after all',
    policy: rule('roll_detaching'),
    body: Anything,
    handler: ({ connections }, ctx, { params }) => connections.rollDetaching(ctx, params.volume_id!),
  }),
  defineAction<CinderApi, typeof ConnectorBody>({
    key: 'os-initialize_connection',
    id: 'volumes.initializeConnection',
    summary: 'Tell where the volume is',
    policy: rule('initialize_connection'),
    body: ConnectorBody,
    reply: { status: 200 },
    handler: async ({ connections }, ctx, { params, body }) => ({
      connection_info: await connections.initialize(ctx, params.volume_id!, objectOf(body.connector)),
    }),
  }),
  defineAction<CinderApi, typeof ConnectorBody>({
    key: 'os-terminate_connection',
    id: 'volumes.terminateConnection',
    summary: 'End a connection',
    policy: rule('terminate_connection'),
    body: ConnectorBody,
    handler: ({ connections }, ctx, { params }) => connections.terminate(ctx, params.volume_id!),
  }),
]

const ExtendBody = Strict({ new_size: Size })
const RetypeBody = Strict({
  new_type: T.String({ minLength: 1, maxLength: 255 }),
  migration_policy: opt(Nullable(T.Enum(['on-demand', 'never']))),
})
const BootableBody = Strict({ bootable: Bool() })
const ReadOnlyBody = Strict({ readonly: Bool() })
const RevertBody = T.Object({ snapshot_id: opt(Nullable(T.String())) }, { additionalProperties: true })

const changing: Action<CinderApi>[] = [
  defineAction<CinderApi, typeof ExtendBody>({
    key: 'os-extend',
    id: 'volumes.extend',
    summary: 'Make the volume larger',
    policy: 'volume:extend',
    body: ExtendBody,
    handler: ({ actions }, ctx, { params, body }) =>
      actions.extend(ctx, params.volume_id!, sizeOf(body.new_size)!, { online: atLeast(ctx, '3.42') }),
  }),
  defineAction<CinderApi, typeof RetypeBody>({
    key: 'os-retype',
    id: 'volumes.retype',
    summary: 'Give the volume another type',
    policy: 'volume:retype',
    body: RetypeBody,
    handler: ({ actions }, ctx, { params, body }) => actions.retype(ctx, params.volume_id!, body.new_type),
  }),
  defineAction<CinderApi, typeof BootableBody>({
    key: 'os-set_bootable',
    id: 'volumes.setBootable',
    summary: 'Say whether it can be booted from',
    policy: 'volume:update',
    body: BootableBody,
    reply: { status: 200 },
    handler: ({ actions }, ctx, { params, body }) =>
      actions.setBootable(ctx, params.volume_id!, isTrue(String(body.bootable).trim())),
  }),
  defineAction<CinderApi, typeof ReadOnlyBody>({
    key: 'os-update_readonly_flag',
    id: 'volumes.setReadOnly',
    summary: 'Say whether it may be written to',
    policy: 'volume:update_readonly_flag',
    body: ReadOnlyBody,
    handler: ({ actions }, ctx, { params, body }) =>
      actions.setReadOnly(ctx, params.volume_id!, isTrue(String(body.readonly).trim())),
  }),
  defineAction<CinderApi, typeof RevertBody>({
    key: 'revert',
    id: 'volumes.revert',
    summary: 'Go back to the latest snapshot',
    policy: 'volume:revert_to_snapshot',
    since: '3.40',
    body: RevertBody,
    handler: ({ actions }, ctx, { params, body }) => actions.revert(ctx, params.volume_id!, body.snapshot_id ?? null),
  }),
  defineAction<CinderApi, typeof UploadBody>({
    key: 'os-volume_upload_image',
    id: 'volumes.upload',
    summary: 'Make an image of the volume',
    policy: rule('upload_image'),
    body: UploadBody,
    handler: async ({ actions, types }, ctx, { params, body }) => {
      const { volume, image } = await actions.upload(ctx, params.volume_id!, {
        imageName: body.image_name,
        force: isTrue(String(body.force ?? false)),
        diskFormat: body.disk_format ?? 'raw',
        containerFormat: body.container_format ?? 'bare',
        visibility: body.visibility ?? 'private',
        protected: isTrue(String(body.protected ?? false)),
      })
      const type = await types.fetch({ projectId: volume.projectId, isAdmin: true }, volume.typeId)
      return {
        'os-volume_upload_image': {
          id: volume.id,
          updated_at: moment(volume.updatedAt),
          status: 'uploading',
          display_description: volume.description || null,
          size: volume.sizeGiB,
          volume_type: { id: type.id, name: type.name, is_public: type.isPublic, description: type.description },
          image_id: image.id,
          container_format: image.containerFormat,
          disk_format: image.diskFormat,
          image_name: image.name,
          ...(atLeast(ctx, '3.1') && { visibility: image.visibility, protected: false }),
        },
      }
    },
  }),
]

const MigrateBody = T.Object(
  {
    host: opt(Nullable(T.String({ maxLength: 255 }))),
    cluster: opt(Nullable(T.String({ maxLength: 255 }))),
    force_host_copy: opt(Bool()),
    lock_volume: opt(Bool()),
  },
  { additionalProperties: false },
)

const operating: Action<CinderApi>[] = [
  defineAction<CinderApi, typeof ResetBody>({
    key: 'os-reset_status',
    id: 'volumes.resetStatus',
    summary: 'Set what the volume says of itself',
    policy: adminRule('reset_status'),
    body: ResetBody,
    handler: ({ volumes }, ctx, { params, body }) => {
      const attach = body.attach_status ?? body.migration_status ?? undefined
      return volumes.resetStatus(ctx, params.volume_id!, { status: body.status ?? undefined, attach })
    },
  }),
  defineAction<CinderApi>({
    key: 'os-force_delete',
    id: 'volumes.forceDelete',
    summary: 'Delete the volume whatever its status',
    policy: adminRule('force_delete'),
    body: Anything,
    handler: ({ volumes }, ctx, { params }) =>
      volumes.delete(ctx, params.volume_id!, { cascade: false, force: true }),
  }),
  defineAction<CinderApi, typeof MigrateBody>({
    key: 'os-migrate_volume',
    id: 'volumes.migrate',
    summary: 'Bring the volume to another host',
    policy: adminRule('migrate_volume'),
    body: MigrateBody,
    handler: ({ actions }, ctx, { params, body }) => actions.migrate(ctx, params.volume_id!, hostNameOf(body.host)),
  }),
]

const UnsetBody = Strict({ key: T.String({ minLength: 1, maxLength: 255 }) })

const imageMetadata: Action<CinderApi>[] = [
  defineAction<CinderApi, typeof MetadataBody>({
    key: 'os-set_image_metadata',
    id: 'volumes.setImageMetadata',
    summary: 'Add to what the image said',
    policy: 'volume_extension:volume_image_metadata:set',
    body: MetadataBody,
    reply: { status: 200 },
    handler: async ({ volumes }, ctx, { params, body }) => ({
      metadata: await volumes.imageMetadataSet(ctx, params.volume_id!, pairs(body.metadata)),
    }),
  }),
  defineAction<CinderApi, typeof UnsetBody>({
    key: 'os-unset_image_metadata',
    id: 'volumes.unsetImageMetadata',
    summary: 'Forget a key of what the image said',
    policy: 'volume_extension:volume_image_metadata:remove',
    body: UnsetBody,
    reply: { status: 200 },
    handler: ({ volumes }, ctx, { params, body }) => volumes.imageMetadataUnset(ctx, params.volume_id!, body.key),
  }),
  defineAction<CinderApi>({
    key: 'os-show_image_metadata',
    id: 'volumes.showImageMetadata',
    summary: 'Show what the image said',
    policy: 'volume_extension:volume_image_metadata:show',
    body: Anything,
    reply: { status: 200 },
    handler: async ({ volumes }, ctx, { params }) => ({
      metadata: (await volumes.show(ctx, params.volume_id!)).volume.imageMetadata ?? {},
    }),
  }),
]

/** What upstream has and hosts here cannot do: said as it is. */
const absent = (key: string, reason: string, window: { since?: string } = {}): Action<CinderApi> =>
  defineAction<CinderApi>({
    key,
    id: `volumes.${key}`,
    summary: reason,
    policy: adminRule('migrate_volume'),
    body: Anything,
    ...window,
    handler: () => {
      throw badRequest(reason, { reason: 'ABSENT', action: key })
    },
  })

const absents = [
  absent('os-migrate_volume_completion', 'Volumes move in one step here: there is nothing to complete.'),
  absent('os-extend_volume_completion', 'Volumes grow in one step here: there is nothing to complete.', {
    since: '3.71',
  }),
  absent('os-unmanage', 'Volumes are files of this cloud: one cannot be left to itself. Upload it as an image.'),
  absent('os-reimage', 'A volume is filled from an image when it is made: make another one.', { since: '3.68' }),
]

export const volumeActionRoutes: Route<CinderApi>[] = [
  actionRoute<CinderApi>({
    id: 'volumes.action',
    path: '/volumes/{volume_id}/action',
    summary: 'Do something with a volume',
    actions: [...attaching, ...changing, ...operating, ...imageMetadata, ...absents],
    errors: [404, 409, 413],
  }),
]
