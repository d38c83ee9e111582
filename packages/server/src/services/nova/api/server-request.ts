/** From the body of a create or rebuild to what the manager is asked: the rules that JSON Schema cannot say. */
import type { RequestContext } from '#platform/auth/context.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import { badRequest, forbidden } from '#platform/errors/errors.ts'
import { isUuid } from '#platform/ids/ids.ts'
import { reclaimableHint } from '../manager/quota-words.ts'
import type { NetworksAsk } from '../manager/requested-networks.ts'
import type { CreateRequest } from '../manager/server-create.ts'
import type { RebuildRequest } from '../manager/server-changes.ts'
import { atLeast } from './manners.ts'
import { waitMaxHint, whenFullHint } from './server-bodies.ts'
import type { CreateBody, RebuildBody, ServerDraft } from './server-bodies.ts'
import { canonical, wholeOf } from './shapes.ts'
import { devicesAsk } from './volume-devices.ts'
import type { DevicesAsk } from './volume-devices.ts'

const strictHostname = /^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$/

/** From 2.94 on it may be fully qualified. */
export const assertHostname = (ctx: RequestContext, hostname: string | undefined): void => {
  if (hostname === undefined || atLeast(ctx, '2.94') || (hostname.length <= 63 && strictHostname.test(hostname))) return
  throw badRequest(
    `Invalid input for field/attribute hostname. Value: ${hostname}. It does not match '${strictHostname.source}'`,
    { field: 'hostname' },
  )
}

/** `.../flavors/1` names flavor 1, as clients of old write it. */
export const flavorIdOf = (ref: string | number): string => String(ref).split('/').at(-1)!

const tagAllowed = (ctx: RequestContext): boolean =>
  (atLeast(ctx, '2.32') && !atLeast(ctx, '2.37')) || atLeast(ctx, '2.42')

type NetworkItem = Exclude<NonNullable<ServerDraft['networks']>, string>[number]

const networkOf = (ctx: RequestContext, item: NetworkItem) => {
  if (item.tag !== undefined && !tagAllowed(ctx)) throw badRequest(
    "Additional properties are not allowed ('tag' was unexpected)", { field: 'networks' },
  )
  if (item.port) {
    if (item.fixed_ip) throw badRequest(
      `Specified Fixed IP '${item.fixed_ip}' cannot be used with port '${item.port}': `
      + 'the two cannot be specified together.',
    )
    return { portId: item.port, tag: item.tag }
  }
  if (item.uuid === undefined) throw badRequest('Bad network format: missing uuid', { field: 'networks' })
  if (!isUuid(item.uuid)) throw badRequest(
    `Bad networks format: network uuid is not in proper format (${item.uuid})`, { field: 'networks' },
  )
  return { networkId: item.uuid, fixedIp: item.fixed_ip, tag: item.tag }
}

const networksOf = (ctx: RequestContext, networks: ServerDraft['networks']): NetworksAsk => {
  if (atLeast(ctx, '2.37') && networks === undefined) throw badRequest(
    "Invalid input for field/attribute server. 'networks' is a required property", { field: 'networks' },
  )
  if (typeof networks !== 'string') return networks?.map((item) => networkOf(ctx, item))
  if (!atLeast(ctx, '2.37')) throw badRequest(
    `Invalid input for field/attribute networks. Value: ${networks}. '${networks}' is not of type 'array'`,
    { field: 'networks' },
  )
  return networks as 'none'
}

const countsOf = (draft: ServerDraft): { countMin: number; countMax: number } => {
  const countMin = wholeOf(draft.min_count ?? 1)
  const countMax = wholeOf(draft.max_count ?? countMin)
  if (countMin < 1 || countMax < 1) throw badRequest('min_count and max_count must be at least 1', {
    field: 'min_count',
  })
  if (countMin > countMax) throw badRequest('min_count must be <= max_count', { field: 'min_count' })
  return { countMin, countMax }
}

interface Destination { zone?: string; forcedHost?: string }

/** `zone`, or `zone:host[:node]` and `host` for who may choose a host. */
const destinationOf = (ctx: RequestContext, draft: ServerDraft): Destination => {
  const [zone, host, node, ...more] = (draft.availability_zone ?? '').split(':')
  if (more.length) throw badRequest('Unable to parse availability zone: write zone:host:node', {
    field: 'availability_zone',
  })
  const forced = host || node
  if (forced) ctx.enforce('os_compute_api:servers:create:forced_host')
  const asked = draft.host ?? draft.hypervisor_hostname
  if (asked) {
    ctx.enforce('compute:servers:create:requested_destination')
    if (forced) throw badRequest(
      'One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node '
      + 'are mutually exclusive.',
    )
  }
  return { ...(zone && { zone }), ...((forced ?? asked) && { forcedHost: forced || asked }) }
}

const imageOf = (draft: ServerDraft, devices: DevicesAsk): string => {
  const imageId = draft.imageRef || devices.imageId
  if (!imageId || !isUuid(imageId)) throw badRequest('Missing imageRef attribute', { field: 'imageRef' })
  return imageId
}

const personalityOf = (files: { path?: string; contents?: string }[] | undefined) =>
  (files ?? []).map(({ path = '', contents = '' }) => {
    if (!path) throw badRequest('Bad personality format: missing path', { field: 'personality' })
    return { path, contents }
  })

const hintsOf = (body: CreateBody): Record<string, unknown> =>
  (body['os:scheduler_hints'] ?? body['OS-SCH-HNT:scheduler_hints'] ?? {}) as Record<string, unknown>

type Patience = Pick<CreateRequest, 'whenFull' | 'waitMaxMs'>

/** What `Hints` has checked already. */
const patienceOf = (hints: Record<string, unknown>): Patience => {
  const seconds = hints[waitMaxHint] as number | string | undefined
  return {
    whenFull: (hints[whenFullHint] as 'refuse' | 'wait' | undefined) ?? 'policy',
    ...(seconds !== undefined && { waitMaxMs: wholeOf(seconds) * 1000 }),
  }
}

const unreclaimable = 'os_compute_api:servers:create:unreclaimable'

/** Whoever borrows could keep what it borrowed for good: that is the operator's to allow. */
const enforceReclaim = (ctx: RequestContext, hints: Record<string, unknown>): void => {
  if (hints[reclaimableHint] !== 'never' || ctx.can(unreclaimable)) return
  throw forbidden(
    `Policy doesn't allow ${unreclaimable} to be performed: what ${reclaimableHint}=never borrowed could not be taken `
    + 'back by those who own it. Ask for yes or preferred.', { field: reclaimableHint },
  )
}

/** What a create must be allowed beyond creating. */
const enforceParts = (ctx: RequestContext, draft: ServerDraft, networks: NetworksAsk): void => {
  if (networks !== 'none' && networks?.length) ctx.enforce('os_compute_api:servers:create:attach_network')
  if (draft.trusted_image_certificates) ctx.enforce('os_compute_api:servers:create:trusted_certs')
}

const namesOf = (ctx: RequestContext, draft: ServerDraft, counts: { countMax: number }) => {
  const { hostname } = draft
  const name = draft.name.trim()
  assertHostname(ctx, hostname)
  if (hostname && counts.countMax > 1 && !atLeast(ctx, '2.94')) {
    throw badRequest('Unable to create multiple servers with the same hostname', { field: 'hostname' })
  }
  return { name, hostname, description: atLeast(ctx, '2.19') ? draft.description ?? null : name }
}

export const createRequest = (ctx: RequestContext, body: CreateBody): CreateRequest => {
  const draft = body.server
  const counts = countsOf(draft)
  const networks = networksOf(ctx, draft.networks)
  const devices = devicesAsk(ctx, draft)
  const hints = hintsOf(body)
  enforceParts(ctx, draft, networks)
  enforceReclaim(ctx, hints)
  return {
    ...namesOf(ctx, draft, counts), ...counts, ...destinationOf(ctx, draft), ...patienceOf(hints), networks,
    flavorId: flavorIdOf(draft.flavorRef), imageId: imageOf(draft, devices), volumes: devices.volumes,
    keyName: draft.key_name, metadata: draft.metadata ?? {}, tags: [...new Set(draft.tags ?? [])],
    userData: draft.user_data, personality: personalityOf(draft.personality), hints,
    securityGroups: draft.security_groups?.flatMap((group) => group.name ?? []),
    configDrive: isTrue(draft.config_drive), diskConfig: draft['OS-DCF:diskConfig'] ?? 'MANUAL',
    accessIpV4: draft.accessIPv4, accessIpV6: canonical(draft.accessIPv6),
    trustedCerts: draft.trusted_image_certificates ?? undefined,
  }
}

export const rebuildRequest = (ctx: RequestContext, body: RebuildBody): RebuildRequest => {
  assertHostname(ctx, body.hostname)
  return {
    imageId: body.imageRef, name: body.name?.trim(), description: body.description, hostname: body.hostname,
    metadata: body.metadata,
    keyName: body.key_name, userData: body.user_data, accessIpV4: body.accessIPv4,
    accessIpV6: canonical(body.accessIPv6),
    diskConfig: body['OS-DCF:diskConfig'], trustedCerts: body.trusted_image_certificates,
    personality: personalityOf(body.personality),
  }
}
