/** SQL over servers: by id, by filter, and compare-and-set updates. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { Server } from '../manager/model.ts'
import type { TaskState, VmState } from '../states/server-state.ts'
import { columnsOf, serverOf } from './server-columns.ts'
import type { NovaTables, ServerRow } from './tables.ts'

/**
 * Filters that SQL decides. An absent one does not restrict; an empty `ids`, `vmStates` or `taskStates` finds
 * nothing.
 */
export interface ServerFilter {
  projectId?: string
  userId?: string
  ids?: string[]
  deleted?: boolean
  vmStates?: VmState[]
  taskStates?: (TaskState | null)[]
  host?: string
  imageId?: string
  flavorId?: string
  reservationId?: string
  groupId?: string
  lockedBy?: boolean
  changedSince?: number
  changedBefore?: number
  tags?: string[]
  tagsAny?: string[]
  notTags?: string[]
  notTagsAny?: string[]
  /** Columns that must equal a value; the manager names them from its own table of filters. */
  equal?: Partial<ServerRow>
}

export interface ServerSort { column: keyof ServerRow; direction: 'asc' | 'desc' }
export interface ServerPage { limit?: number; after?: ServerRow; sort: ServerSort[] }

type Nova = ReturnType<Executor['as']> extends never ? never : ReturnType<typeof servers>
const servers = (executor: Executor) => executor.as<NovaTables>().selectFrom('nova_server')

const narrowed = (query: Nova, filter: ServerFilter): Nova => {
  const equal: Partial<ServerRow> = {
    ...filter.equal,
    ...(filter.projectId !== undefined && { project_id: filter.projectId }),
    ...(filter.userId !== undefined && { user_id: filter.userId }),
    ...(filter.deleted !== undefined && { deleted: filter.deleted ? 1 : 0 }),
    ...(filter.host !== undefined && { host: filter.host }),
    ...(filter.imageId !== undefined && { image_id: filter.imageId }),
    ...(filter.flavorId !== undefined && { flavor_id: filter.flavorId }),
    ...(filter.reservationId !== undefined && { reservation_id: filter.reservationId }),
    ...(filter.groupId !== undefined && { group_id: filter.groupId }),
  }
  let result = query
  for (const [column, value] of Object.entries(equal)) result = result.where(column as 'id', '=', value as string)
  return narrowedByState(narrowedByTags(result, filter), filter)
}

const narrowedByState = (query: Nova, filter: ServerFilter): Nova => {
  let result = query
  if (filter.ids) result = result.where('id', 'in', filter.ids.length ? filter.ids : [''])
  if (filter.vmStates) result = result.where(
    'vm_state', 'in', filter.vmStates.length ? filter.vmStates : ['' as VmState],
  )
  if (filter.taskStates) {
    const named = filter.taskStates.filter((task) => task !== null)
    result = result.where((is) => is.or([
      ...(named.length ? [is('task_state', 'in', named)] : []),
      ...(filter.taskStates!.includes(null) ? [is('task_state', 'is', null)] : []),
    ]))
  }
  if (filter.lockedBy !== undefined) result = result.where('locked_by', filter.lockedBy ? 'is not' : 'is', null)
  if (filter.changedSince !== undefined) result = result.where('updated_at', '>=', filter.changedSince)
  if (filter.changedBefore !== undefined) result = result.where('updated_at', '<=', filter.changedBefore)
  return result
}

const narrowedByTags = (query: Nova, { tags, tagsAny, notTags, notTagsAny }: ServerFilter): Nova => {
  let result = query
  const holding = (wanted: string[], all: boolean, negate: boolean) => {
    result = result.where((is) => {
      const owners = is.selectFrom('nova_server_tag').select('server_id').where('tag', 'in', wanted)
        .groupBy('server_id')
      const full = all ? owners.having((having) => having.fn.countAll(), '=', wanted.length) : owners
      return is('id', negate ? 'not in' : 'in', full)
    })
  }
  if (tags) holding([...new Set(tags)], true, false)
  if (tagsAny) holding(tagsAny, false, false)
  if (notTags) holding([...new Set(notTags)], true, true)
  if (notTagsAny) holding(notTagsAny, false, true)
  return result
}

/** Rows after the marker in the page's order: (a > x) or (a = x and b > y) …, with nulls first when ascending. */
const paged = (query: Nova, { after, sort }: ServerPage): Nova => {
  let result = query
  if (after) {
    result = result.where((is) => is.or(sort.map(({ column, direction }, index) => is.and([
      ...sort.slice(0, index).map(({ column: earlier }) =>
        after[earlier] === null ? is(earlier, 'is', null) : is(earlier, '=', after[earlier] as string)),
      beyond(is, column, direction, after[column]),
    ]))))
  }
  for (const { column, direction } of sort) {
    result = result.orderBy(
      column, (order) => direction === 'asc' ? order.asc().nullsFirst() : order.desc().nullsLast(),
    )
  }
  return result
}

const beyond = (is: any, column: keyof ServerRow, direction: 'asc' | 'desc', value: unknown) => {
  if (direction === 'asc') return value === null ? is(column, 'is not', null) : is(column, '>', value)
  return value === null ? is.lit(false) : is.or([is(column, '<', value), is(column, 'is', null)])
}

export const serversFind = async (executor: Executor, filter: ServerFilter, page: ServerPage): Promise<Server[]> => {
  const query = paged(narrowed(servers(executor), filter), page).selectAll()
  const rows = await (page.limit === undefined ? query : query.limit(page.limit)).execute()
  return rows.map(serverOf)
}

export const serverRow = async (executor: Executor, id: string): Promise<ServerRow | undefined> =>
  servers(executor).selectAll().where('id', '=', id).executeTakeFirst()

export const serverFetch = async (executor: Executor, id: string): Promise<Server | undefined> => {
  const row = await serverRow(executor, id)
  return row && serverOf(row)
}

export const serversByIds = async (executor: Executor, ids: string[]): Promise<Map<string, Server>> => {
  if (!ids.length) return new Map()
  const rows = await servers(executor).selectAll().where('id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.id, serverOf(row)]))
}

export const serversByName = async (executor: Executor, projectId: string, name: string): Promise<Server[]> => {
  const filter = { projectId, deleted: false, equal: { name } }
  return (await narrowed(servers(executor), filter).selectAll().execute()).map(serverOf)
}

export const serverInsert = async (tx: Tx, server: Server): Promise<void> => {
  await tx.as<NovaTables>().insertInto('nova_server').values(columnsOf(server) as ServerRow).execute()
  await tagsWrite(tx, server.id, server.tags)
}

export const serverUpdate = async (tx: Tx, id: string, change: Partial<Server>): Promise<void> => {
  await tx.as<NovaTables>().updateTable('nova_server').set(columnsOf(change)).where('id', '=', id).execute()
}

const tagsWrite = async (tx: Tx, serverId: string, tags: string[]): Promise<void> => {
  if (!tags.length) return
  await tx.as<NovaTables>().insertInto('nova_server_tag').values(
    tags.map((tag) => ({ server_id: serverId, tag })),
  ).execute()
}

/** The tags live twice: in the row for views, one per row for filters; both change together. */
export const serverTagsReplace = async (tx: Tx, serverId: string, tags: string[], at: number): Promise<void> => {
  await tx.as<NovaTables>().deleteFrom('nova_server_tag').where('server_id', '=', serverId).execute()
  await tagsWrite(tx, serverId, tags)
  await serverUpdate(tx, serverId, { tags, updatedAt: at })
}

/**
 * Servers whose order is under way or whose build is: what a controller must look at after a restart. Those that wait
 * for quota have nothing to be followed, however many they are.
 */
export const serversUnsettled = async (executor: Executor, limit: number): Promise<string[]> => {
  const rows = await servers(executor).select('id').where('deleted', '=', 0)
    .where((is) => is.or([is('task_state', 'is not', null), is('vm_state', '=', 'building')]))
    .where((is) => is.or([is('awaited', '>', 0), is('task_state', '=', 'deleting')]))
    .orderBy('updated_at').limit(limit).execute()
  return rows.map((row) => row.id)
}

export const serverIdsAlive = async (executor: Executor, after: string, limit: number): Promise<string[]> => {
  const rows = await servers(executor).select('id').where('deleted', '=', 0).where('id', '>', after)
    .orderBy('id').limit(limit).execute()
  return rows.map((row) => row.id)
}

/** Server ids per host, for hypervisor views; names are for people. */
export const serversOnHosts = async (executor: Executor): Promise<{ id: string; name: string; host: string }[]> => {
  const rows = await servers(executor).select(['id', 'name', 'host']).where('deleted', '=', 0).where(
    'host', 'is not', null,
  ).execute()
  return rows as { id: string; name: string; host: string }[]
}
