/** Messages: what went wrong with something after its request was answered, told to its owner. */
import type { RequestContext } from '#platform/auth/context.ts'
import { parseSort } from '#platform/api-kit/paging.ts'
import type { Tx } from '#platform/db/database.ts'
import { notFound } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import {
  messageDelete,
  messageFetch,
  messageInsert,
  messagesExpire,
  messagesList,
  type MessageFilter,
} from '../store/messages.ts'
import type { Message } from './model.ts'
import type { CinderParts } from './parts.ts'
import type { PageAsk } from './volumes.ts'

const day = 86_400_000
const keptMs = 30 * day

/** What was being done, by upstream's numbers. */
const actions = {
  allocate: '001',
  upload: '003',
  download: '005',
  extend: '007',
  create: '008',
  'snapshot-create': '009',
  'snapshot-delete': '010',
  backup: '013',
  restore: '015',
  revert: '000',
  move: '000',
  delete: '000',
} as const

export type MessageAction = keyof typeof actions

const words: Record<MessageAction, string> = {
  allocate: 'schedule allocate volume',
  upload: 'copy volume to image',
  download: 'copy image to volume',
  extend: 'extend volume',
  create: 'create volume from backend storage',
  'snapshot-create': 'create snapshot',
  'snapshot-delete': 'delete snapshot',
  backup: 'create backup',
  restore: 'restore backup',
  revert: 'revert volume to snapshot',
  move: 'move volume',
  delete: 'delete volume',
}

const sortColumns = {
  id: 'id',
  created_at: 'created_at',
  event_id: 'event_id',
  message_level: 'level',
  resource_type: 'resource_type',
  resource_uuid: 'resource_id',
  request_id: 'request_id',
  guaranteed_until: 'expires_at',
} as const

export class Messages {
  readonly #parts: Pick<CinderParts, 'db' | 'clock'>
  constructor(parts: Pick<CinderParts, 'db' | 'clock'>) {
    this.#parts = parts
  }

  /** `detail` is a sentence; the number after the action is 001 for an unknown cause, 003 for no backend. */
  async tell(
    tx: Tx,
    about: { projectId: string; resourceType: 'VOLUME' | 'VOLUME_SNAPSHOT'; resourceId: string },
    action: MessageAction,
    detail: string,
  ): Promise<void> {
    const now = this.#parts.clock.now()
    await messagesExpire(tx, now)
    const number = action === 'allocate' ? '003' : '001'
    await messageInsert(tx, {
      id: uuid(),
      ...about,
      requestId: '',
      eventId: `VOLUME_${about.resourceType}_${actions[action]}_${number}`,
      text: `${words[action]}:${detail}`,
      level: 'ERROR',
      createdAt: now,
      expiresAt: now + keptMs,
    })
  }

  async list(filter: MessageFilter, page: PageAsk): Promise<Message[]> {
    const sort = parseSort(page, {
      columns: sortColumns,
      defaults: [
        { column: 'created_at', direction: 'desc' },
        { column: 'id', direction: 'desc' },
      ],
      unique: 'id',
    })
    const after = page.marker === undefined ? undefined : await messageFetch(this.#parts.db, page.marker)
    if (page.marker !== undefined && !after) throw missing(page.marker)
    return messagesList(this.#parts.db, filter, { sort, after, limit: page.limit, offset: page.offset })
  }

  async show(ctx: RequestContext, id: string, rule = 'message:get'): Promise<Message> {
    const message = await messageFetch(this.#parts.db, id)
    if (!message || !ctx.can('message:get', { project_id: message.projectId })) throw missing(id)
    ctx.enforce(rule, { project_id: message.projectId })
    return message
  }

  async delete(ctx: RequestContext, id: string): Promise<void> {
    await this.show(ctx, id, 'message:delete')
    await this.#parts.db.transaction((tx) => messageDelete(tx, id))
  }
}

const missing = (id: string) => notFound(`Message ${id} could not be found.`)
