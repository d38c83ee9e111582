/** Cinder's JSON: volumes, snapshots and what belongs to them, as clients see them at the newest version. */
import type { RequestContext } from '#platform/auth/context.ts'
import { since, T } from '#platform/api-kit/schema.ts'
import { poolOf } from '../manager/hosts.ts'
import { connectionOf } from '../manager/connections.ts'
import type { Attachment, Message, Qos, Snapshot, Transfer, Volume, VolumeType } from '../manager/model.ts'
import type { SeenVolume } from '../manager/seen.ts'
import { changed, linksOf, moment } from './manners.ts'

/** Which fields a volume has from which version on; the others it always had. */
export const VolumeView = T.Object({
  group_id: T.Unknown(since('3.13')),
  provider_id: T.Unknown(since('3.21')),
  shared_targets: T.Unknown(since('3.48')),
  service_uuid: T.Unknown(since('3.48')),
  cluster_name: T.Unknown(since('3.61')),
  volume_type_id: T.Unknown(since('3.63')),
  consumes_quota: T.Unknown(since('3.65')),
})

export const SnapshotView = T.Object({
  group_snapshot_id: T.Unknown(since('3.14')),
  user_id: T.Unknown(since('3.41')),
  consumes_quota: T.Unknown(since('3.65')),
})

export const TransferView = T.Object({
  no_snapshots: T.Unknown(since('3.55')),
  destination_project_id: T.Unknown(since('3.57')),
  source_project_id: T.Unknown(since('3.57')),
  accepted: T.Unknown(since('3.57')),
})

export const volumeSummary = (ctx: RequestContext, { volume: { id, name } }: SeenVolume) => ({
  id,
  name,
  links: linksOf(ctx, `volumes/${id}`),
})

const attachmentOfVolume = (ctx: RequestContext, attachment: Attachment) => ({
  id: attachment.volumeId,
  attachment_id: attachment.id,
  volume_id: attachment.volumeId,
  server_id: attachment.serverId,
  host_name: ctx.isAdmin || ctx.roles.includes('service') ? attachment.hostName : null,
  device: attachment.device,
  attached_at: attachment.attachedAt === null ? null : moment(attachment.attachedAt),
})

/** What upstream keeps apart and shows with the owner's own: the modes. */
const shownMetadata = ({ volume, attachments }: SeenVolume): Record<string, string> => ({
  ...volume.metadata,
  ...(volume.readOnly !== null && { readonly: volume.readOnly ? 'True' : 'False' }),
  ...(attachments[0]?.status === 'attached' && { attached_mode: attachments[0].mode }),
})

const migrationOf = ({ task }: Volume): string | null => (task?.do === 'move' ? 'migrating' : null)

const operatorsPart = (volume: Volume) => ({
  'os-vol-host-attr:host': volume.hostName && poolOf(volume.hostName),
  'os-vol-mig-status-attr:migstat': migrationOf(volume),
  'os-vol-mig-status-attr:name_id': null,
})

/** As it is told to who made or changed it. */
export const volumeMade = (ctx: RequestContext, seen: SeenVolume) => {
  const { volume, attachments, typeName } = seen
  const held = attachments.filter(({ status }) => status === 'attached' || status === 'detaching')
  return {
    id: volume.id,
    status: volume.status,
    size: volume.sizeGiB,
    availability_zone: volume.zone,
    created_at: moment(volume.createdAt),
    updated_at: changed(volume),
    name: volume.name,
    description: volume.description || null,
    volume_type: typeName,
    snapshot_id: volume.snapshotId,
    source_volid: volume.sourceId,
    metadata: shownMetadata(seen),
    links: linksOf(ctx, `volumes/${volume.id}`),
    user_id: volume.userId,
    bootable: String(volume.bootable),
    encrypted: false,
    replication_status: null,
    consistencygroup_id: null,
    multiattach: volume.multiattach,
    attachments: held.map((attachment) => attachmentOfVolume(ctx, attachment)),
    group_id: null,
    shared_targets: false,
    service_uuid: null,
    volume_type_id: volume.typeId,
    consumes_quota: true,
    ...(ctx.isAdmin && { migration_status: migrationOf(volume), provider_id: null, cluster_name: null }),
  }
}

/** As it is shown and listed. */
export const volumeDetail = (ctx: RequestContext, seen: SeenVolume) => {
  const { volume } = seen
  return {
    ...volumeMade(ctx, seen),
    'os-vol-tenant-attr:tenant_id': volume.projectId,
    ...(volume.imageMetadata && { volume_image_metadata: volume.imageMetadata }),
    ...(ctx.isAdmin && operatorsPart(volume)),
  }
}

export const snapshotSummary = (snapshot: Snapshot) => ({
  id: snapshot.id,
  created_at: moment(snapshot.createdAt),
  updated_at: changed(snapshot),
  name: snapshot.name,
  description: snapshot.description || null,
  volume_id: snapshot.volumeId,
  status: snapshot.status,
  size: snapshot.sizeGiB,
  metadata: snapshot.metadata,
  group_snapshot_id: null,
  user_id: snapshot.userId,
  consumes_quota: true,
})

export const snapshotDetail = (snapshot: Snapshot) => ({
  ...snapshotSummary(snapshot),
  'os-extended-snapshot-attributes:project_id': snapshot.projectId,
  'os-extended-snapshot-attributes:progress': snapshot.progress,
})

export const attachmentSummary = ({ id, status, serverId, volumeId }: Attachment) => ({
  id,
  status,
  instance: serverId,
  volume_id: volumeId,
})

export const attachmentDetail = (attachment: Attachment) => ({
  ...attachmentSummary(attachment),
  attached_at: attachment.attachedAt === null ? '' : moment(attachment.attachedAt),
  detached_at: '',
  attach_mode: attachment.mode,
  connection_info: attachment.connector
    ? {
        ...connectionOf({ id: attachment.volumeId, hostName: attachment.hostName }, attachment.mode),
        attachment_id: attachment.id,
      }
    : {},
})

/** Specs that everybody sees; others are the operator's. */
const visibleSpecs = ['RESKEY:availability_zones', 'multiattach', 'replication_enabled']

/** As it is told to who changed it. */
export const typeChanged = (ctx: RequestContext, type: VolumeType) => {
  const specs = ctx.can('volume_extension:types_extra_specs:read_sensitive')
    ? type.extraSpecs
    : Object.fromEntries(Object.entries(type.extraSpecs).filter(([key]) => visibleSpecs.includes(key)))
  return {
    id: type.id,
    name: type.name,
    is_public: type.isPublic,
    description: type.description || null,
    ...(ctx.can('volume_extension:access_types_extra_specs') && { extra_specs: specs }),
  }
}

/** To who made it, and to all who look. */
export const typeMade = (ctx: RequestContext, type: VolumeType) => ({
  ...typeChanged(ctx, type),
  'os-volume-type-access:is_public': type.isPublic,
})

export const typeView = (ctx: RequestContext, type: VolumeType) => ({
  ...typeMade(ctx, type),
  ...(ctx.can('volume_extension:access_types_qos_specs_id') && { qos_specs_id: type.qosId }),
})

export const transferSummary = (ctx: RequestContext, { id, volumeId, name }: Transfer) => ({
  id,
  volume_id: volumeId,
  name,
  links: linksOf(ctx, `os-volume-transfer/${id}`),
})

export const transferDetail = (ctx: RequestContext, transfer: Transfer) => ({
  ...transferSummary(ctx, transfer),
  created_at: moment(transfer.createdAt),
  no_snapshots: transfer.noSnapshots,
  destination_project_id: transfer.destinationProjectId,
  source_project_id: transfer.projectId,
  accepted: transfer.accepted,
})

export const messageView = (ctx: RequestContext, message: Message) => ({
  id: message.id,
  event_id: message.eventId,
  user_message: message.text,
  message_level: message.level,
  created_at: moment(message.createdAt),
  guaranteed_until: moment(message.expiresAt),
  request_id: message.requestId,
  links: linksOf(ctx, `messages/${message.id}`),
  resource_type: message.resourceType,
  resource_uuid: message.resourceId,
})

export const qosView = ({ id, name, consumer, specs }: Qos) => ({ id, name, consumer, specs })
