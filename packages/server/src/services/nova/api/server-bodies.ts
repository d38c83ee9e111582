/** The bodies that make and change servers, with the window of every field. */
import { since, Strict, T, until } from '#platform/api-kit/schema.ts'
import type { Static } from '#platform/api-kit/schema.ts'
import { priorityHint, priorityMax, reclaimableHint } from '../manager/quota-words.ts'
import {
  Base64, Bool, Description, DiskConfig, HostName, Ip, IpV4, IpV6, Metadata, Name, Tag, Uuid, Whole,
} from './shapes.ts'

const opt = T.Optional

const NetworkItem = Strict({
  uuid: opt(T.String()),
  port: opt(T.Union([Uuid(), T.Null()])),
  fixed_ip: opt(Ip()),
  tag: opt(Tag(since('2.32'))),
})

const Personality = T.Array(Strict({ path: opt(T.String()), contents: opt(Base64()) }), until('2.56'))
const TrustedCerts = T.Union(
  [T.Array(T.String({ minLength: 1, maxLength: 255 }), { minItems: 1, maxItems: 50, uniqueItems: true }), T.Null()],
  since('2.63'),
)
const FlavorRef = T.Union([T.String({ minLength: 1 }), T.Integer()])

const blockDeviceBase = {
  virtual_name: opt(T.String({ maxLength: 255 })),
  volume_id: opt(Uuid()),
  snapshot_id: opt(Uuid()),
  volume_size: opt(Whole(1)),
  device_name: opt(T.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9._/-]*$' })),
  delete_on_termination: opt(Bool()),
  no_device: opt(T.Unknown()),
  connection_info: opt(T.String()),
}

const choice = (...values: string[]) => T.Unsafe<string>({ type: 'string', enum: values })

const BlockDeviceV2 = Strict({
  ...blockDeviceBase,
  source_type: opt(choice('volume', 'image', 'snapshot', 'blank')),
  destination_type: opt(choice('local', 'volume')),
  uuid: opt(T.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9._-]*$' })),
  image_id: opt(Uuid()),
  guest_format: opt(T.String({ maxLength: 255 })),
  device_type: opt(T.String({ maxLength: 255 })),
  disk_bus: opt(T.String({ maxLength: 255 })),
  boot_index: opt(T.Union([T.Integer(), T.String({ pattern: '^-?[0-9]+$' }), T.Null()])),
  tag: opt(Tag(since('2.32'))),
  volume_type: opt(T.Union([T.String({ maxLength: 255 }), T.Null()], since('2.67'))),
})

/** Whether a create that finds no room waits, and how many seconds at most; else as its project's quota policy says. */
export const whenFullHint = 'quaystone:when_full'
export const waitMaxHint = 'quaystone:wait_max'

export const Hints = T.Object({
  [whenFullHint]: opt(T.Unsafe<'refuse' | 'wait'>({
    type: 'string', enum: ['refuse', 'wait'],
    description: 'When the project has no room: refuse, or wait in line. Default: as its quota policy says.',
  })),
  [waitMaxHint]: opt(Whole(1, 31_536_000, {
    description: 'Seconds after which a waiting server is given up. Default: as the quota policy says, else never.',
  })),
  [reclaimableHint]: opt(T.Unsafe<'never' | 'yes' | 'preferred'>({
    type: 'string', enum: ['never', 'yes', 'preferred'],
    description: 'Whether those who lend may take back what the server holds. Default: yes, and preferred if it is '
      + 'tagged preemptible; never is for operators.',
  })),
  [priorityHint]: opt(T.Union([
    T.Integer({ minimum: 0, maximum: priorityMax }), T.String({ pattern: '^(100|[1-9]?[0-9])$' }),
  ], { description: "Of a project's servers those of the higher one are kept longer. Default: 0." })),
  group: opt(T.Union([Uuid(), T.Array(Uuid())])),
  different_host: opt(T.Union([Uuid(), T.Array(Uuid())])),
  same_host: opt(T.Union([Uuid(), T.Array(Uuid())])),
  query: opt(T.Union([T.String(), T.Object({}, { additionalProperties: true })])),
  target_cell: opt(Name()),
  different_cell: opt(T.Union([T.String(), T.Array(T.String())])),
  build_near_host_ip: opt(Ip()),
  cidr: opt(T.String({ pattern: '^/[0-9a-f.:]+$' })),
}, { additionalProperties: true })

export const ServerDraft = Strict({
  name: Name(),
  flavorRef: FlavorRef,
  imageRef: opt(T.Union([Uuid(), T.String({ maxLength: 0 })])),
  adminPass: opt(T.String()),
  metadata: opt(Metadata()),
  networks: opt(T.Union([T.Array(NetworkItem), choice('none', 'auto')])),
  'OS-DCF:diskConfig': opt(DiskConfig()),
  accessIPv4: opt(IpV4()),
  accessIPv6: opt(IpV6()),
  personality: opt(Personality),
  availability_zone: opt(Name()),
  block_device_mapping: opt(T.Array(Strict(blockDeviceBase))),
  block_device_mapping_v2: opt(T.Array(BlockDeviceV2)),
  config_drive: opt(Bool()),
  key_name: opt(Name()),
  min_count: opt(Whole(1)),
  max_count: opt(Whole(1)),
  return_reservation_id: opt(Bool()),
  security_groups: opt(T.Array(Strict({ name: opt(Name()) }))),
  user_data: opt(Base64({ maxLength: 65_535 })),
  description: opt(Description(since('2.19'))),
  tags: opt(T.Array(Tag(), since('2.52', { maxItems: 50 }))),
  trusted_image_certificates: opt(TrustedCerts),
  host: opt(HostName(since('2.74'))),
  hypervisor_hostname: opt(HostName(since('2.74'))),
  hostname: opt(HostName(since('2.90'))),
})
export type ServerDraft = Static<typeof ServerDraft>

export const CreateBody = Strict({
  server: ServerDraft,
  'os:scheduler_hints': opt(Hints),
  'OS-SCH-HNT:scheduler_hints': opt(Hints),
})
export type CreateBody = Static<typeof CreateBody>

export const UpdateBody = Strict({
  server: Strict({
    name: opt(Name()),
    'OS-DCF:diskConfig': opt(DiskConfig()),
    accessIPv4: opt(IpV4()),
    accessIPv6: opt(IpV6()),
    description: opt(Description(since('2.19'))),
    hostname: opt(HostName(since('2.90'))),
  }),
})

export const RebuildBody = Strict({
  imageRef: Uuid(),
  name: opt(Name()),
  adminPass: opt(T.String()),
  metadata: opt(Metadata()),
  preserve_ephemeral: opt(Bool()),
  'OS-DCF:diskConfig': opt(DiskConfig()),
  accessIPv4: opt(IpV4()),
  accessIPv6: opt(IpV6()),
  personality: opt(Personality),
  description: opt(Description(since('2.19'))),
  key_name: opt(T.Union([T.String({ minLength: 1, maxLength: 255 }), T.Null()], since('2.54'))),
  user_data: opt(T.Union([Base64({ maxLength: 65_535 }), T.Null()], since('2.57'))),
  trusted_image_certificates: opt(TrustedCerts),
  hostname: opt(HostName(since('2.90'))),
})
export type RebuildBody = Static<typeof RebuildBody>
export { FlavorRef }
