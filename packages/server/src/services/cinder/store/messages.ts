/** SQL over messages: what went wrong, told to the owner for thirty days. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { paged, type SortKey } from '#platform/api-kit/paging.ts'
import type { Message } from '../manager/model.ts'
import type { CinderTables, MessageRow } from './tables.ts'

const toMessage = (row: MessageRow): Message => ({
  id: row.id,
  projectId: row.project_id,
  requestId: row.request_id,
  resourceType: row.resource_type,
  resourceId: row.resource_id,
  eventId: row.event_id,
  text: row.text,
  level: row.level as 'ERROR',
  createdAt: row.created_at,
  expiresAt: row.expires_at,
})

const db = (executor: Executor) => executor.as<CinderTables>()

export const messageInsert = async (tx: Tx, message: Message): Promise<void> => {
  const row: MessageRow = {
    id: message.id,
    project_id: message.projectId,
    request_id: message.requestId,
    resource_type: message.resourceType,
    resource_id: message.resourceId,
    event_id: message.eventId,
    text: message.text,
    level: message.level,
    created_at: message.createdAt,
    expires_at: message.expiresAt,
  }
  await db(tx).insertInto('cinder_message').values(row).execute()
}

export const messageFetch = async (executor: Executor, id: string): Promise<Message | undefined> => {
  const row = await db(executor).selectFrom('cinder_message').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toMessage(row)
}

export type MessageFilter = Partial<
  Record<'project_id' | 'resource_type' | 'event_id' | 'request_id' | 'level' | 'resource_id', string>
>

export const messagesList = async (
  executor: Executor,
  filter: MessageFilter,
  page: { sort: SortKey[]; after?: Message; limit?: number; offset?: number },
): Promise<Message[]> => {
  let query = db(executor).selectFrom('cinder_message').selectAll()
  for (const [column, value] of Object.entries(filter)) query = query.where(column as 'level', '=', value)
  const { after } = page
  const from = after && { id: after.id, created_at: after.createdAt, event_id: after.eventId, level: after.level }
  const listed = paged(query, { sort: page.sort, after: from, limit: page.limit })
  const rows = await (page.offset ? listed.limit(page.limit ?? 1_000_000).offset(page.offset) : listed).execute()
  return rows.map(toMessage)
}

export const messageDelete = async (tx: Tx, id: string): Promise<void> => {
  await db(tx).deleteFrom('cinder_message').where('id', '=', id).execute()
}

/** Messages are kept until they expire; each new one takes the old ones away. */
export const messagesExpire = async (tx: Tx, now: number): Promise<void> => {
  await db(tx).deleteFrom('cinder_message').where('expires_at', '<', now).execute()
}
