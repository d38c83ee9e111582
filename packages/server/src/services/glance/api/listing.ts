/** Reads the query of `GET /v2/images` into a filter. */
import { badRequest } from '#platform/errors/errors.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import { parseSort } from '#platform/api-kit/paging.ts'
import { visibilities } from '../manager/fields.ts'
import type { ImageFilter } from '../store/images.ts'
import type { ImageRow, Visibility } from '../store/tables.ts'

type Query = Record<string, string | string[] | undefined>
type Filter = Omit<ImageFilter, 'viewer'>

const sortColumns = {
  name: 'name',
  status: 'status',
  container_format: 'container_format',
  disk_format: 'disk_format',
  size: 'size_bytes',
  id: 'id',
  created_at: 'created_at',
  updated_at: 'updated_at',
  owner: 'owner_id',
  min_disk: 'min_disk',
  min_ram: 'min_ram',
  visibility: 'visibility',
}
const equalColumns: Record<string, keyof ImageRow> = {
  id: 'id',
  name: 'name',
  status: 'status',
  owner: 'owner_id',
  container_format: 'container_format',
  disk_format: 'disk_format',
  checksum: 'checksum',
  os_hash_value: 'hash_value',
  min_disk: 'min_disk',
  min_ram: 'min_ram',
  size: 'size_bytes',
}
const listable = new Set(['id', 'name', 'status', 'container_format', 'disk_format'])
const numeric = new Set(['min_disk', 'min_ram', 'size'])
const pagingKeys = new Set([
  'limit',
  'marker',
  'sort',
  'sort_key',
  'sort_dir',
  'visibility',
  'member_status',
  'os_hidden',
  'protected',
  'tag',
  'size_min',
  'size_max',
  'created_at',
  'updated_at',
  'os_hash_algo',
])
const operators = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=', neq: '!=' } as const

export const listMax = 1000

const last = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.at(-1) : value

const numberOf = (key: string, text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw badRequest(`${key} must be a whole number of 0 or more, not "${text}"`, { field: key })
  return value
}

const valuesOf = (key: string, text: string): (string | number)[] => {
  if (text.startsWith('in:') && listable.has(key)) return splitQuoted(text.slice(3))
  return [numeric.has(key) ? numberOf(key, text) : text]
}

/** `a,"b,c",d` with quoted commas. */
const splitQuoted = (text: string): string[] => {
  const parts = [...text.matchAll(/"((?:[^"\\]|\\.)*)"(?:,|$)|([^",]*)(?:,|$)/g)].map(([whole, quoted, plain]) => ({
    whole,
    value: quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
  }))
  if (parts.map(({ whole }) => whole).join('') !== text)
    throw badRequest(`The list "${text}" is not well quoted`, { field: 'in' })
  return parts.map(({ value }) => value).filter((value) => value !== '')
}

const timeRange = (column: 'created_at' | 'updated_at', text: string): Filter['ranges'][number] => {
  const [, operator = 'eq', time = text] = /^(gt|gte|lt|lte|eq|neq):(.*)$/.exec(text) ?? []
  const value = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(time) ? time : `${time}Z`)
  if (Number.isNaN(value))
    throw badRequest(`${column} must be a time such as gte:2026-01-31T12:00:00Z, not "${text}"`, { field: column })
  return { column, operator: operators[operator as keyof typeof operators], value }
}

const rangesOf = (query: Query): Filter['ranges'] => {
  const ranges: Filter['ranges'] = []
  const [min, max] = [last(query.size_min), last(query.size_max)]
  if (min !== undefined) ranges.push({ column: 'size_bytes', operator: '>=', value: numberOf('size_min', min) })
  if (max !== undefined) ranges.push({ column: 'size_bytes', operator: '<=', value: numberOf('size_max', max) })
  if (max !== undefined) ranges.push({ column: 'size_bytes', operator: '>=', value: 0 })
  for (const column of ['created_at', 'updated_at'] as const) {
    const text = last(query[column])
    if (text !== undefined) ranges.push(timeRange(column, text))
  }
  const isProtected = last(query.protected)
  if (isProtected !== undefined)
    ranges.push({ column: 'protected', operator: '=', value: isTrue(isProtected) ? 1 : 0 })
  return ranges
}

const visibilityOf = (text: string | undefined): Visibility | 'all' | undefined => {
  if (text === undefined || text === 'all' || visibilities.includes(text as Visibility))
    return text as Visibility | 'all' | undefined
  throw badRequest(`Invalid visibility value: ${text}. It must be one of ${visibilities.join(', ')}, all`, {
    field: 'visibility',
  })
}

const memberStatusOf = (text: string | undefined): ImageFilter['memberStatus'] => {
  if (text === undefined || ['pending', 'accepted', 'rejected', 'all'].includes(text))
    return text as ImageFilter['memberStatus']
  throw badRequest(`Invalid member_status value: ${text}. It must be one of accepted, pending, rejected, all`, {
    field: 'member_status',
  })
}

export const filterOf = (query: Query): Filter => {
  const named = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, last(value)!] as const],
  )
  return {
    visibility: visibilityOf(last(query.visibility)),
    memberStatus: memberStatusOf(last(query.member_status)),
    hidden: isTrue(last(query.os_hidden)),
    tags: [query.tag ?? []].flat(),
    ranges: rangesOf(query),
    equals: named
      .filter(([key]) => key in equalColumns)
      .map(([key, text]) => ({ column: equalColumns[key]!, values: valuesOf(key, text) })),
    properties: Object.fromEntries(named.filter(([key]) => !(key in equalColumns) && !pagingKeys.has(key))),
  }
}

export const pageOf = (query: Query) => {
  const limit = last(query.limit)
  return {
    sort: parseSort(query, {
      columns: sortColumns,
      unique: 'id',
      defaults: [{ column: 'created_at', direction: 'desc' }],
    }),
    marker: last(query.marker),
    limit: limit === undefined ? 25 : Math.min(numberOf('limit', limit), listMax),
  }
}
