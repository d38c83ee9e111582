/** Reads the filters of lists: what clients may ask for, by version and by who asks. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import { isTimeOperator, type TimeRange } from '../manager/model.ts'
import { hostOf } from '../manager/hosts.ts'
import type { SnapshotColumn, SnapshotFilter } from '../store/snapshots.ts'
import type { VolumeColumn, VolumeFilter } from '../store/volumes.ts'
import { atLeast, last, ownerOf, pageKeys, type Query } from './manners.ts'

/** What everybody may filter by; administrators may use any column. */
export const resourceFilters: Record<string, string[]> = {
  volume: [
    'name',
    'status',
    'metadata',
    'bootable',
    'migration_status',
    'availability_zone',
    'group_id',
    'created_at',
    'updated_at',
  ],
  backup: ['name', 'status', 'volume_id'],
  snapshot: ['name', 'status', 'volume_id', 'metadata', 'availability_zone', 'consumes_quota'],
  group: [],
  group_snapshot: ['status', 'group_id'],
  attachment: ['volume_id', 'status', 'instance_id', 'attach_status'],
  message: ['resource_uuid', 'resource_type', 'event_id', 'request_id', 'message_level'],
  pool: ['name', 'volume_type'],
  volume_type: [],
}

const volumeColumns: Record<string, VolumeColumn> = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  status: 'status',
  size: 'size',
  availability_zone: 'zone',
  user_id: 'user_id',
  volume_type_id: 'type_id',
  snapshot_id: 'snapshot_id',
  source_volid: 'source_id',
  description: 'description',
  display_description: 'description',
  host: 'host',
}
const snapshotColumns: Record<string, SnapshotColumn> = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  status: 'status',
  volume_size: 'size',
  volume_id: 'volume_id',
  user_id: 'user_id',
  description: 'description',
  display_description: 'description',
}
const alsoKnown = new Set([
  'project_id',
  'tenant_id',
  'glance_metadata',
  'volume_type',
  'consumes_quota',
  'multiattach',
])

/** The filters of a query that this caller may use, by key; `name~` finds parts from 3.34 on. */
const usable = (ctx: RequestContext, query: Query, resource: string): [key: string, value: string][] => {
  const given = Object.keys(query).filter((key) => !pageKeys.has(key))
  const allowed = new Set(resourceFilters[resource])
  const isAllowed = (key: string) => allowed.has(key.replace(/~$/, '')) || key === 'glance_metadata'
  const refused = ctx.isAdmin ? [] : given.filter((key) => !isAllowed(key))
  if (refused.length > 0 && atLeast(ctx, '3.31'))
    throw badRequest(`Invalid filters ${refused.join(', ')} are found in query options.`, { field: refused[0] })
  return given.filter((key) => !refused.includes(key)).map((key) => [key, last(query, key)!])
}

/** `{'a': 'b'}` as Python writes it, or as JSON. */
export const dictOf = (key: string, text: string): Record<string, string> => {
  const json = /^\s*\{/.test(text)
    ? text.replace(/u?'((?:[^'\\]|\\.)*)'/g, (_all, inner: string) => JSON.stringify(inner))
    : text
  try {
    const value: unknown = JSON.parse(json)
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)]))
  } catch (error) {
    throw badRequest(`Filter ${key} is not a dictionary: ${text}`, { field: key }, error)
  }
  throw badRequest(`Filter ${key} is not a dictionary: ${text}`, { field: key })
}

const boolOf = (ctx: RequestContext, key: string, text: string): boolean => {
  if (/^(true|1|t)$/i.test(text)) return true
  if (/^(false|0|f)$/i.test(text)) return false
  if (atLeast(ctx, '3.2')) throw badRequest(`Invalid input received: '${key} = ${text}'`, { field: key })
  return isTrue(text) || text !== ''
}

/** `gt:2016-01-01T01:00:00,lt:2016-12-01T01:00:00`. */
const timesOf = (key: string, text: string): TimeRange => {
  const range: TimeRange = {}
  for (const part of text.split(',')) {
    const [operator = '', ...rest] = part.split(':')
    if (!isTimeOperator(operator)) throw badRequest(`Invalid ${operator} operator`, { field: key })
    const written = rest.join(':')
    const at = Date.parse(
      /(Z|[+-]\d\d:?\d\d)$/i.test(written.slice(10))
        ? written
        : `${written.slice(0, 10)}T${written.slice(11) || '00:00:00'}Z`,
    )
    if (Number.isNaN(at)) throw badRequest(`Invalid ${written} value`, { field: key })
    range[operator] = at
  }
  return range
}

export const volumeFilterOf = (ctx: RequestContext, query: Query): VolumeFilter => {
  const filter: VolumeFilter = { equals: {}, like: {}, metadata: {}, imageMetadata: {}, times: [] }
  const projectId = ownerOf(ctx, query)
  if (projectId !== undefined) filter.projectId = projectId
  for (const [key, value] of usable(ctx, query, 'volume')) readVolumeFilter(ctx, filter, key, value)
  return filter
}

type VolumeReader = (filter: VolumeFilter, value: string, ctx: RequestContext) => void

const flagReader =
  (column: 'bootable' | 'multiattach'): VolumeReader =>
  (filter, value, ctx) => {
    filter.equals[column] = [boolOf(ctx, column, value) ? 1 : 0]
  }
const timeReader =
  (column: 'created_at' | 'updated_at'): VolumeReader =>
  (filter, value, ctx) => {
    if (atLeast(ctx, '3.60')) filter.times.push({ column, range: timesOf(column, value) })
  }
const columnReader =
  (column: VolumeColumn): VolumeReader =>
  (filter, value) => {
    filter.equals[column] = valuesOf(column, value)
  }

const volumeReaders: Record<string, VolumeReader> = {
  ...Object.fromEntries(Object.entries(volumeColumns).map(([key, column]) => [key, columnReader(column)])),
  host: (filter, value) => void (filter.equals.host = [hostOf(value)]),
  metadata: (filter, value) => void (filter.metadata = dictOf('metadata', value)),
  glance_metadata: (filter, value, ctx) =>
    void (filter.imageMetadata = atLeast(ctx, '3.4') ? dictOf('glance_metadata', value) : {}),
  bootable: flagReader('bootable'),
  multiattach: flagReader('multiattach'),
  created_at: timeReader('created_at'),
  updated_at: timeReader('updated_at'),
}

/** A key that nothing has finds nothing. */
const readVolumeFilter = (ctx: RequestContext, filter: VolumeFilter, key: string, value: string): void => {
  const part = atLeast(ctx, '3.34') && key.endsWith('~') ? volumeColumns[key.slice(0, -1)] : undefined
  if (part) filter.like[part] = value
  else if (Object.hasOwn(volumeReaders, key)) volumeReaders[key]!(filter, value, ctx)
  else if (!alsoKnown.has(key)) filter.equals.id = []
}

/** Text that is no number has no size. */
const valuesOf = (column: string, value: string): (string | number)[] =>
  column === 'size'
    ? listOf(value)
        .filter((one) => /^\d{1,10}$/.test(one))
        .map(Number)
    : listOf(value)

/** Upstream evaluates values: a list in brackets is a choice. */
const listOf = (value: string): string[] =>
  /^\[.*\]$/.test(value)
    ? value
        .slice(1, -1)
        .split(',')
        .map((one) => one.trim().replace(/^u?['"]|['"]$/g, ''))
    : [value]

export const snapshotFilterOf = (ctx: RequestContext, query: Query): SnapshotFilter => {
  const filter: SnapshotFilter = { equals: {}, like: {}, metadata: {} }
  const projectId = ownerOf(ctx, query)
  if (projectId !== undefined) filter.projectId = projectId
  for (const [key, value] of usable(ctx, query, 'snapshot')) readSnapshotFilter(ctx, filter, key, value)
  return filter
}

const readSnapshotFilter = (ctx: RequestContext, filter: SnapshotFilter, key: string, value: string): void => {
  const part = atLeast(ctx, '3.34') && key.endsWith('~') ? snapshotColumns[key.slice(0, -1)] : undefined
  const column = snapshotColumns[key]
  if (part) filter.like[part] = value
  else if (column) filter.equals[column] = valuesOf(column, value)
  else if (key === 'metadata') filter.metadata = atLeast(ctx, '3.22') ? dictOf(key, value) : {}
  else if (!alsoKnown.has(key) && key !== 'availability_zone') filter.equals.id = []
}
