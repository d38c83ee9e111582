/** Routes of messages (3.3). */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import type { CinderApi } from './cinder-api.ts'
import type { MessageFilter } from '../store/messages.ts'
import { AnyQuery, last, nextLinks, ownerOf, pageOf, type Query } from './manners.ts'
import { messageView } from './views.ts'

const columns: Record<string, keyof MessageFilter> = {
  resource_uuid: 'resource_id',
  resource_type: 'resource_type',
  event_id: 'event_id',
  request_id: 'request_id',
  message_level: 'level',
}

const filterOf = (query: Query, projectId: string | undefined): MessageFilter => {
  const asked = Object.entries(columns).flatMap(([key, column]) => {
    const value = last(query, key)
    return value === undefined ? [] : [[column, value] as const]
  })
  return { ...(projectId !== undefined && { project_id: projectId }), ...Object.fromEntries(asked) }
}

export const messageRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'messages.list',
    method: 'GET',
    path: '/messages',
    summary: 'List what went wrong',
    policy: 'message:get_all',
    since: '3.3',
    query: AnyQuery,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { query: asked, url }) => {
      const query = asked as Query
      const found = await cinder.messages.list(filterOf(query, ownerOf(ctx, query)), pageOf(query))
      const messages = found.map((message) => messageView(ctx, message))
      return { messages, ...nextLinks({ ctx, url, name: 'messages', query }, messages) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'messages.show',
    method: 'GET',
    path: '/messages/{message_id}',
    summary: 'Show what went wrong',
    policy: 'authenticated',
    since: '3.3',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      message: messageView(ctx, await cinder.messages.show(ctx, params.message_id!)),
    }),
  }),
  defineRoute<CinderApi>({
    id: 'messages.delete',
    method: 'DELETE',
    path: '/messages/{message_id}',
    summary: 'Delete a message',
    policy: 'authenticated',
    since: '3.3',
    reply: { status: 204 },
    errors: [404],
    handler: (cinder, ctx, { params }) => cinder.messages.delete(ctx, params.message_id!),
  }),
]
