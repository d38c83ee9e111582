/** `block_device_mapping_v2` and the older form of a create: the image to boot from, and the data volumes. */
import type { RequestContext } from '#platform/auth/context.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { VolumeAsk } from '../manager/model.ts'
import { atLeast } from './manners.ts'
import type { ServerDraft } from './server-bodies.ts'
import { wholeOf } from './shapes.ts'

type Device = NonNullable<ServerDraft['block_device_mapping_v2']>[number]
type OldDevice = NonNullable<ServerDraft['block_device_mapping']>[number]

/** What the devices of a create come to. */
export interface DevicesAsk { imageId?: string; volumes: VolumeAsk[] }

const wrong = (words: string, field = 'block_device_mapping_v2') =>
  badRequest(`Block Device Mapping is Invalid: ${words}`, { field })

const noBoot = (field?: string) => wrong(
  "a server's root file system is the image it is made from, so it cannot boot from a volume: give imageRef, and "
  + 'attach the volume beside it (boot_index -1).', field,
)

const isPlainImage = (one: Device): boolean =>
  one.source_type === 'image' && (one.destination_type ?? 'local') === 'local' && Number(one.boot_index ?? 0) === 0

/** As with networks: tags came, went and came back. */
const tagAllowed = (ctx: RequestContext): boolean =>
  (atLeast(ctx, '2.32') && !atLeast(ctx, '2.33')) || atLeast(ctx, '2.42')

const assertDataVolume = (ctx: RequestContext, { source_type: source, ...one }: Device): void => {
  if (!source) throw wrong('source_type is missing: volume, snapshot, image or blank')
  const usual = source === 'blank' || source === 'image' ? 'local' : 'volume'
  if ((one.destination_type ?? usual) === 'local') throw wrong(
    `a ${source} device with destination_type local would be an ephemeral disk: containers have their root file `
    + 'system for that. Use destination_type volume.',
  )
  if (Number(one.boot_index ?? -1) >= 0) throw noBoot()
  if (one.tag !== undefined && !tagAllowed(ctx)) throw badRequest(
    "Additional properties are not allowed ('tag' was unexpected)", { field: 'block_device_mapping_v2' },
  )
  if (one.guest_format && one.guest_format !== 'ext4') throw wrong(
    `guest_format ${one.guest_format}: a blank volume is given ext4`,
  )
}

/** Older clients name the source in a field of its own. */
const sourceIdOf = ({ uuid, source_type, volume_id, snapshot_id, image_id }: Device): string | undefined =>
  uuid ?? { volume: volume_id, snapshot: snapshot_id, image: image_id }[source_type ?? '']

const newVolume = (ctx: RequestContext, one: Device): VolumeAsk => {
  assertDataVolume(ctx, one)
  const sourceId = sourceIdOf(one)
  return {
    source: one.source_type as VolumeAsk['source'], ...(sourceId && { sourceId }), ...sizeOf(one.volume_size),
    ...(one.device_name && { device: one.device_name }), ...(one.tag && { tag: one.tag }),
    deleteOnTermination: isTrue(one.delete_on_termination), ...(one.volume_type && { typeName: one.volume_type }),
  }
}

const sizeOf = (size: number | string | undefined) => size === undefined ? {} : { sizeGiB: wholeOf(size) }

const oldVolume = (one: OldDevice): VolumeAsk => {
  const field = 'block_device_mapping'
  if (/^(?:\/dev\/)?x?[a-z]da\d*$/.test(one.device_name ?? '')) throw noBoot(field)
  const sourceId = one.volume_id ?? one.snapshot_id
  if (!sourceId) throw wrong('volume_id or snapshot_id is missing', field)
  return {
    source: one.volume_id ? 'volume' : 'snapshot', sourceId, ...sizeOf(one.volume_size),
    ...(one.device_name && { device: one.device_name }), deleteOnTermination: isTrue(one.delete_on_termination),
  }
}

/** Devices that `no_device` takes away were never there. */
const isWanted = ({ no_device }: { no_device?: unknown }): boolean => no_device === undefined || no_device === null

export const devicesAsk = (ctx: RequestContext, draft: ServerDraft): DevicesAsk => {
  const old = (draft.block_device_mapping ?? []).filter(isWanted)
  const devices = (draft.block_device_mapping_v2 ?? []).filter(isWanted)
  if (old.length && devices.length) throw badRequest(
    'Using different block_device_mapping syntaxes is not allowed in the same request.',
  )
  const plain = devices.find(isPlainImage)
  const imageId = plain && (plain.uuid ?? plain.image_id)
  const others = devices.filter((one) => one !== plain)
  if (!draft.imageRef && !imageId && others.length + old.length > 0) throw noBoot()
  const volumes = [...old.map(oldVolume), ...others.map((one) => newVolume(ctx, one))]
  if (volumes.length) ctx.enforce('os_compute_api:servers:create:attach_volume')
  return { ...(imageId && { imageId }), volumes }
}
