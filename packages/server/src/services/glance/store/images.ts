/** Images in SQL. */
import type { SelectQueryBuilder } from 'kysely'
import type { Executor } from '#platform/db/database.ts'
import { isUniqueViolation } from '#platform/db/db-errors.ts'
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import { conflict } from '#platform/errors/errors.ts'
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import { applyMove, tryMove } from '#platform/states/apply-move.ts'
import { imageMachine } from '../states/image.ts'
import type { GlanceTables, Image, ImageRow, Visibility } from './tables.ts'

export type ImageEvent = (typeof imageMachine)['events'][number]

/** Who looks. Admins see every image; others their own, public, community and shared ones. */
export interface Viewer {
  projectId: string
  isAdmin: boolean
}

export interface ImageFilter {
  viewer: Viewer
  visibility?: Visibility | 'all'
  memberStatus?: 'pending' | 'accepted' | 'rejected' | 'all'
  hidden: boolean
  /** Column equals one of the values. */
  equals: { column: keyof ImageRow; values: (string | number | null)[] }[]
  ranges: { column: keyof ImageRow; operator: '<' | '<=' | '>' | '>=' | '=' | '!='; value: number }[]
  tags: string[]
  properties: Record<string, string>
}

/** Columns that lists are sorted by are never null: no name is '', no size is -1. */
const toImage = (row: ImageRow): Image => ({
  id: row.id,
  name: row.name || null,
  status: row.status as Image['status'],
  visibility: row.visibility as Visibility,
  ownerId: row.owner_id,
  containerFormat: row.container_format || null,
  diskFormat: row.disk_format || null,
  sizeBytes: row.size_bytes < 0 ? null : row.size_bytes,
  minDiskGiB: row.min_disk,
  minRamMiB: row.min_ram,
  checksum: row.checksum,
  hashValue: row.hash_value,
  protected: fromFlag(row.protected),
  hidden: fromFlag(row.hidden),
  inspection: fromJson(row.inspection) ?? null,
  properties: fromJson(row.properties),
  tags: fromJson(row.tags),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const toRow = (image: Image): Omit<ImageRow, 'deleted_at' | 'data_mib' | 'staged_mib' | 'seen_at'> => ({
  id: image.id,
  name: image.name ?? '',
  status: image.status,
  visibility: image.visibility,
  owner_id: image.ownerId,
  container_format: image.containerFormat ?? '',
  disk_format: image.diskFormat ?? '',
  size_bytes: image.sizeBytes ?? -1,
  min_disk: image.minDiskGiB,
  min_ram: image.minRamMiB,
  checksum: image.checksum,
  hash_value: image.hashValue,
  protected: toFlag(image.protected),
  hidden: toFlag(image.hidden),
  inspection: image.inspection && toJson(image.inspection),
  properties: toJson(image.properties),
  tags: toJson(image.tags),
  created_at: image.createdAt,
  updated_at: image.updatedAt,
})

const db = (executor: Executor) => executor.as<GlanceTables>()

export const imageInsert = async (executor: Executor, image: Image): Promise<void> => {
  try {
    await db(executor)
      .insertInto('glance_image')
      .values({ ...toRow(image), deleted_at: null, data_mib: 0, staged_mib: 0, seen_at: image.updatedAt })
      .execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw conflict(`Image ID ${image.id} already exists!`, { field: 'id' }, error)
  }
}

export const imageFetch = async (executor: Executor, id: string): Promise<Image | undefined> => {
  const row = await db(executor)
    .selectFrom('glance_image')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  return row && toImage(row)
}

/** Writes the fields a client may change; the status moves only through its machine. */
export const imageUpdate = async (executor: Executor, image: Image): Promise<void> => {
  const { id, status: _status, created_at: _created, ...fields } = toRow(image)
  await db(executor)
    .updateTable('glance_image')
    .set(fields)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .execute()
}

export const imageMove = async (
  executor: Executor,
  id: string,
  event: ImageEvent,
  extra: Partial<ImageRow>,
): Promise<void> => {
  await applyMove(executor, { table: 'glance_image', id, column: 'status' }, imageMachine, event, { ...extra })
}

/** The same where another may have been faster: tells whether it moved. */
export const imageTryMove = async (
  executor: Executor,
  id: string,
  event: ImageEvent,
  extra: Partial<ImageRow>,
): Promise<boolean> =>
  (await tryMove(executor, { table: 'glance_image', id, column: 'status' }, imageMachine, event, { ...extra })).moved

type Query = SelectQueryBuilder<GlanceTables, 'glance_image', ImageRow>

/** Images that the viewer is a member of, with the member status asked for. */
const sharedWith = (viewer: Viewer, status: string) => (expression: any) =>
  expression.exists(
    expression
      .selectFrom('glance_member')
      .select('member_id')
      .whereRef('glance_member.image_id', '=', 'glance_image.id')
      .where('glance_member.member_id', '=', viewer.projectId)
      .$if(status !== 'all', (members: any) => members.where('glance_member.status', '=', status)),
  )

const visibleTo = (query: Query, filter: ImageFilter): Query => {
  const { viewer, visibility } = filter
  const shared = sharedWith(viewer, filter.memberStatus ?? 'accepted')
  if (visibility === 'public' || visibility === 'community') return query.where('visibility', '=', visibility)
  if (visibility === 'private') {
    const mine = query.where('visibility', '=', 'private')
    return viewer.isAdmin ? mine : mine.where('owner_id', '=', viewer.projectId)
  }
  if (visibility === 'shared') {
    const all = query.where('visibility', '=', 'shared')
    return viewer.isAdmin && filter.memberStatus === undefined
      ? all
      : all.where((expression) => expression.or([expression('owner_id', '=', viewer.projectId), shared(expression)]))
  }
  if (viewer.isAdmin && visibility === undefined) {
    return query.where((expression) =>
      expression.or([expression('visibility', '!=', 'community'), expression('owner_id', '=', viewer.projectId)]),
    )
  }
  if (viewer.isAdmin) return query
  const open = visibility === 'all' ? ['public', 'community'] : ['public']
  return query.where((expression) =>
    expression.or([
      expression('visibility', 'in', open),
      expression('owner_id', '=', viewer.projectId),
      expression.and([expression('visibility', '=', 'shared'), shared(expression)]),
    ]),
  )
}

const matching = (query: Query, filter: ImageFilter): Query => {
  let result = query.where('hidden', '=', toFlag(filter.hidden))
  for (const { column, values } of filter.equals) result = result.where(column, 'in', values as string[])
  for (const { column, operator, value } of filter.ranges) result = result.where(column, operator, value)
  for (const tag of filter.tags)
    result = result.where('tags', 'like', `%${JSON.stringify(tag).replace(/[%_]/g, '')}%`)
  for (const [name, value] of Object.entries(filter.properties)) {
    result = result.where(
      'properties',
      'like',
      `%${`${JSON.stringify(name)}:${JSON.stringify(value)}`.replace(/[%_]/g, '_')}%`,
    )
  }
  return result
}

export const imagesList = async (
  executor: Executor,
  filter: ImageFilter,
  page: { sort: SortKey[]; after?: Image; limit: number },
): Promise<Image[]> => {
  const base = db(executor).selectFrom('glance_image').selectAll().where('deleted_at', 'is', null)
  const query = matching(visibleTo(base, filter), filter)
  const after = page.after && { ...toRow(page.after) }
  const rows = await paged(query, { sort: page.sort, after, limit: page.limit }).execute()
  return rows.map(toImage).filter((image) => filter.tags.every((tag) => image.tags.includes(tag)))
}

/** The newest first; properties are compared here, because the databases have different words for it. */
export const imagesOwnedWith = async (
  executor: Executor,
  ownerId: string,
  properties: Record<string, string>,
): Promise<Image[]> => {
  const rows = await db(executor)
    .selectFrom('glance_image')
    .selectAll()
    .where('owner_id', '=', ownerId)
    .where('deleted_at', 'is', null)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()
  const wanted = Object.entries(properties)
  return rows.map(toImage).filter((image) => wanted.every(([key, value]) => image.properties[key] === value))
}
