/** The query of a server list: which keys there are at which version, who may use them, and what each means. */
import type { RequestContext } from '#platform/auth/context.ts'
import { isTrue, since, T } from '#platform/api-kit/schema.ts'
import { badRequest, forbidden } from '#platform/errors/errors.ts'
import type { Server } from '../manager/model.ts'
import type { ServerListing, ServerTest } from '../manager/server-reader.ts'
import type { ServerFilter, ServerSort } from '../store/servers.ts'
import type { ServerRow } from '../store/tables.ts'
import { statesOfStatuses } from '../states/server-state.ts'
import type { VmState } from '../states/server-state.ts'
import { atLeast, last, limitOf, patternOf, periodOf, refuseUnknown } from './manners.ts'
import type { Query } from './manners.ts'

const many = T.Optional(T.Array(T.String()))
const manySince = (version: string) => T.Optional(T.Array(T.String(), since(version)))

/** Keys that everybody may use, with the version from which those who are no administrators may. */
const open: Record<string, string> = {
  reservation_id: '2.1', name: '2.1', status: '2.1', image: '2.1', flavor: '2.1', ip: '2.1', 'changes-since': '2.1',
  all_tenants: '2.1',
  ip6: '2.5', tags: '2.26', 'tags-any': '2.26', 'not-tags': '2.26', 'not-tags-any': '2.26', 'changes-before': '2.66',
  locked: '2.73',
  availability_zone: '2.83', config_drive: '2.83', key_name: '2.83', created_at: '2.83', launched_at: '2.83',
  terminated_at: '2.83',
  power_state: '2.83', task_state: '2.83', vm_state: '2.83', progress: '2.83', user_id: '2.83', hostname: '2.90',
}

const paging = ['limit', 'marker', 'sort_key', 'sort_dir']

/** Keys that only an administrator's request is read for. */
const privileged = [
  'user_id', 'project_id', 'tenant_id', 'launch_index', 'image_ref', 'kernel_id', 'ramdisk_id', 'hostname', 'key_name',
  'power_state',
  'vm_state', 'task_state', 'host', 'node', 'launched_at', 'terminated_at', 'availability_zone', 'display_name',
  'description',
  'display_description', 'locked_by', 'uuid', 'root_device_name', 'config_drive', 'access_ip_v4', 'access_ip_v6',
  'auto_disk_config',
  'progress', 'soft_deleted', 'deleted', 'created_at',
]

const later: Record<string, string> = {
  tags: '2.26', 'tags-any': '2.26', 'not-tags': '2.26', 'not-tags-any': '2.26', 'changes-before': '2.66',
  locked: '2.73',
}
const known = [...new Set([...Object.keys(open), ...privileged, ...paging])]

export const ServerQuery = T.Object(
  Object.fromEntries(known.map((key) => [key, later[key] ? manySince(later[key]) : many])),
  { additionalProperties: true },
)

/** Names of joined tables of old: asking by them was never allowed, so it is told. */
const forbiddenKeys = [
  'block_device_mapping', 'services', 'metadata', 'system_metadata', 'info_cache', 'security_groups', 'pci_devices',
]

/** The query keys that this caller's request is read for; others are ignored, or refused from 2.75 on. */
const heard = (ctx: RequestContext, query: Query): Query => {
  refuseUnknown(ctx, query, known)
  const wrong = Object.keys(query).find((key) => forbiddenKeys.includes(key) || key.startsWith('_'))
  if (wrong) throw badRequest(`Invalid filter field: ${wrong}.`, { field: wrong })
  const all = ctx.can('os_compute_api:servers:allow_all_filters')
  const mayHear = (key: string) => all || paging.includes(key) || (open[key] !== undefined && atLeast(ctx, open[key]))
  const exists = (key: string) => !later[key] || atLeast(ctx, later[key])
  return Object.fromEntries(Object.entries(query).filter(([key]) => mayHear(key) && exists(key)))
}

type Reader = (server: Server) => string

/** Filters that are regular expressions on a field's text. */
const textFields: Record<string, Reader> = {
  name: (server) => server.name,
  display_name: (server) => server.name,
  description: (server) => server.description ?? '',
  display_description: (server) => server.description ?? '',
  hostname: (server) => server.hostname,
  key_name: (server) => server.keyName ?? '',
  node: (server) => server.host ?? '',
  availability_zone: (server) => server.zone ?? server.pinnedZone ?? '',
  access_ip_v4: (server) => server.accessIpV4 ?? '',
  access_ip_v6: (server) => server.accessIpV6 ?? '',
}

/** Filters that compare a field's text as a whole. */
const exactFields: Record<string, Reader> = {
  task_state: (server) => server.taskState ?? '',
  power_state: (server) => String(server.powerState),
  progress: (server) => String(server.progress),
  launch_index: (server) => String(server.launchIndex),
  locked_by: (server) => server.lockedBy ?? '',
  root_device_name: () => '/dev/root',
  kernel_id: () => '',
  ramdisk_id: () => '',
}

const powerNames: Record<string, string> = {
  nostate: '0', running: '1', paused: '3', shutdown: '4', crashed: '6', suspended: '7',
}

const flagFields: Record<string, (server: Server) => boolean> = {
  config_drive: (server) => server.configDrive,
  auto_disk_config: (server) => server.diskConfig === 'AUTO',
}

const momentFields: Record<string, (server: Server) => number | null> = {
  created_at: (server) => server.createdAt, launched_at: (server) => server.launchedAt,
  terminated_at: (server) => server.terminatedAt,
}

/** All tests of the query in one function; undefined when SQL decides everything. */
const testOf = (query: Query): ServerTest => {
  const tests: ((server: Server) => boolean)[] = []
  for (const key of Object.keys(query)) {
    const value = last(query, key) ?? ''
    if (textFields[key]) {
      const pattern = patternOf(value, key)
      tests.push((server) => pattern.test(textFields[key]!(server)))
    }
    else if (exactFields[key]) {
      const wanted = powerNames[value.toLowerCase()] ?? value
      tests.push((server) => exactFields[key]!(server) === wanted)
    }
    else if (flagFields[key]) {
      const wanted = isTrue(value)
      tests.push((server) => flagFields[key]!(server) === wanted)
    }
    else if (momentFields[key]) {
      const wanted = Date.parse(value)
      tests.push((server) => momentFields[key]!(server) === wanted)
    }
  }
  const ip = last(query, 'ip')
  const ip6 = last(query, 'ip6')
  return {
    ...(tests.length && { matches: (server: Server) => tests.every((test) => test(server)) }),
    ...(ip !== undefined && { ip: patternOf(ip, 'ip') }),
    ...(ip6 !== undefined && { ip6: patternOf(ip6, 'ip6') }),
  }
}

const splitTags = (query: Query, key: string): string[] | undefined => last(query, key)?.split(',')

/** `undefined`: a status that no server can have, so the list is empty. */
const stateFilter = (ctx: RequestContext, query: Query): Pick<ServerFilter, 'vmStates' | 'taskStates' | 'deleted'>
  | undefined => {
  const vmState = query.vm_state && ctx.can('os_compute_api:servers:allow_all_filters')
    ? { vmStates: query.vm_state as VmState[] }
    : {}
  if (!query.status) return vmState
  const states = statesOfStatuses(query.status)
  if (!states) {
    if (atLeast(ctx, '2.38')) throw badRequest('Invalid status value', { field: 'status' })
    return undefined
  }
  const onlyDeleted = states.vmStates.length === 1 && states.vmStates[0] === 'deleted'
  if (onlyDeleted && !ctx.isAdmin) throw forbidden('Only administrators may list deleted instances')
  return {
    vmStates: states.vmStates, ...(states.taskStates && { taskStates: states.taskStates }),
    ...(onlyDeleted && { deleted: true }),
  }
}

/** A project sees its own servers; `all_tenants` is for who may see everybody's. */
const ownerFilter = (ctx: RequestContext, query: Query, rule: string): Pick<ServerFilter, 'projectId' | 'userId'> => {
  const value = last(query, 'all_tenants')
  if (value !== undefined && value !== '' && !/^(1|0|t|f|true|false|yes|no|on|off|y|n)$/i.test(value)) throw badRequest(
    `Invalid value '${value}' for all_tenants`, { field: 'all_tenants' },
  )
  const everybody = value !== undefined && (value === '' || isTrue(value))
  const userId = last(query, 'user_id')
  if (!everybody) return {
    ...(ctx.projectId ? { projectId: ctx.projectId } : { userId: ctx.userId }), ...(userId && { userId }),
  }
  ctx.enforce(rule)
  const projectId = last(query, 'project_id') ?? last(query, 'tenant_id')
  return { ...(projectId && { projectId }), ...(userId && { userId }) }
}

const filterOf = (query: Query, ctx: RequestContext): ServerFilter => {
  const period = periodOf(query)
  const timed = period.changedSince !== undefined || period.changedBefore !== undefined
  const deleted = last(query, 'deleted') ?? last(query, 'soft_deleted')
  const locked = last(query, 'locked')
  const imageId = last(query, 'image') ?? last(query, 'image_ref')
  return {
    ...period,
    ...(deleted === undefined ? timed ? {} : { deleted: false } : { deleted: isTrue(deleted) }),
    ...(last(query, 'host') !== undefined && { host: last(query, 'host') }),
    ...(imageId !== undefined && { imageId: imageId.split('/').at(-1) }),
    ...(last(query, 'flavor') !== undefined && { flavorId: last(query, 'flavor')!.split('/').at(-1) }),
    ...(last(query, 'reservation_id') !== undefined && { reservationId: last(query, 'reservation_id') }),
    ...(locked !== undefined && { lockedBy: lockedOf(locked) }),
    ...(query.uuid && ctx.isAdmin && { ids: query.uuid }),
    ...tagFilter(query),
  }
}

const lockedOf = (value: string): boolean => {
  if (/^(1|t|true|yes|on|y)$/i.test(value)) return true
  if (/^(0|f|false|no|off|n)$/i.test(value)) return false
  throw badRequest(`Invalid value '${value}' for locked: write true or false`, { field: 'locked' })
}

const tagFilter = (query: Query): Pick<ServerFilter, 'tags' | 'tagsAny' | 'notTags' | 'notTagsAny'> => ({
  ...(query.tags && { tags: splitTags(query, 'tags') }),
  ...(query['tags-any'] && { tagsAny: splitTags(query, 'tags-any') }),
  ...(query['not-tags'] && { notTags: splitTags(query, 'not-tags') }),
  ...(query['not-tags-any'] && { notTagsAny: splitTags(query, 'not-tags-any') }),
})

const sortColumns: Record<string, keyof ServerRow> = {
  access_ip_v4: 'access_ip_v4', access_ip_v6: 'access_ip_v6', auto_disk_config: 'disk_config',
  availability_zone: 'zone', config_drive: 'config_drive',
  created_at: 'created_at', display_description: 'description', display_name: 'name', host: 'host',
  hostname: 'hostname', image_ref: 'image_id',
  instance_type_id: 'flavor_id', key_name: 'key_name', launch_index: 'launch_index', launched_at: 'launched_at',
  locked_by: 'locked_by',
  node: 'host', power_state: 'power_state', progress: 'progress', project_id: 'project_id', task_state: 'task_state',
  terminated_at: 'terminated_at', updated_at: 'updated_at', user_id: 'user_id', uuid: 'id', vm_state: 'vm_state',
  locked: 'locked_by',
}

/** Accepted and without effect: every server here has the same. */
const sameEverywhere = new Set(['kernel_id', 'ramdisk_id', 'root_device_name'])
/** Keys of old that were never sorted by: ignored until 2.74, unknown from 2.75. */
const ignoredSorts = new Set([
  'architecture', 'cell_name', 'cleaned', 'default_ephemeral_device', 'default_swap_device', 'deleted', 'deleted_at',
  'disable_terminate',
  'ephemeral_gb', 'ephemeral_key_uuid', 'id', 'key_data', 'launched_on', 'locked', 'memory_mb', 'os_type',
  'reservation_id', 'root_gb',
  'shutdown_terminate', 'user_data', 'vcpus', 'vm_mode',
])

const directionOf = (query: Query, index: number): 'asc' | 'desc' => {
  const direction = query.sort_dir?.[index] ?? query.sort_dir?.at(-1) ?? 'desc'
  if (direction === 'asc' || direction === 'desc') return direction
  throw badRequest(`Unknown sort direction, must be one of: asc, desc (got ${direction})`, { field: 'sort_dir' })
}

/** `undefined`: a key that is taken and without effect. */
const columnOf = (ctx: RequestContext, key: string): keyof ServerRow | undefined => {
  const ignored = ignoredSorts.has(key) && !(key === 'locked' && atLeast(ctx, '2.73'))
  if (ignored && !atLeast(ctx, '2.75')) return undefined
  if (!ignored && sameEverywhere.has(key)) return undefined
  const column = ignored ? undefined : sortColumns[key]
  if (column) return column
  throw badRequest(`Invalid input for query parameters sort_key. Value: ${key}. It is not one of the sort keys`, {
    field: 'sort_key',
  })
}

/** Ends with the id, so that the order is total and pages neither repeat nor skip. */
const sortOf = (ctx: RequestContext, query: Query): ServerSort[] => {
  const sort = (query.sort_key ?? []).flatMap((key, index): ServerSort[] => {
    const direction = directionOf(query, index)
    const column = columnOf(ctx, key)
    return column ? [{ column, direction }] : []
  })
  if (!sort.length) sort.push({ column: 'created_at', direction: directionOf(query, 0) })
  return sort.some(({ column }) => column === 'id') ? sort : [...sort, { column: 'id', direction: sort[0]!.direction }]
}

const assertSortable = (ctx: RequestContext, query: Query): void => {
  const hidden = query.sort_key?.find((key) => key === 'host' || key === 'node')
  if (hidden && !ctx.isAdmin) throw forbidden(`Only administrators can sort servers by ${hidden}`)
}

/** `undefined`: nothing can match. */
export const serverListing = (ctx: RequestContext, given: Query, allTenantsRule: string): ServerListing | undefined => {
  assertSortable(ctx, given)
  const query = heard(ctx, given)
  const owner = ownerFilter(ctx, query, allTenantsRule)
  const states = stateFilter(ctx, query)
  if (!states) return undefined
  return {
    filter: { ...filterOf(query, ctx), ...states, ...owner }, test: testOf(query), sort: sortOf(ctx, query),
    limit: limitOf(query), marker: last(query, 'marker'),
  }
}
