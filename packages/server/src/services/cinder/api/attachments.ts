/** Routes of attachments (3.27). */
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute, type Route } from '#platform/api-kit/route.ts'
import { Nullable, since, Strict, T } from '#platform/api-kit/schema.ts'
import type { AttachmentFilter } from '../store/attachments.ts'
import type { Attachment } from '../manager/model.ts'
import type { CinderApi } from './cinder-api.ts'
import { AnyQuery, last, nextLinks, ownerOf, pageOf, type Query } from './manners.ts'
import { Anything, Id, opt } from './shapes.ts'
import { attachmentDetail, attachmentSummary } from './views.ts'

const Connector = T.Object({}, { additionalProperties: true })
const NewBody = Strict({
  attachment: Strict({
    volume_uuid: Id,
    instance_uuid: opt(Nullable(Id)),
    connector: opt(Nullable(Connector)),
    mode: opt(T.Enum(['rw', 'ro'], since('3.54'))),
  }),
})
const ChangeBody = Strict({
  attachment: Strict({ connector: T.Object({}, { additionalProperties: true, minProperties: 1 }) }),
})

const path = '/attachments/{attachment_id}'
const window = { since: '3.27' }

const filterOf = (ctx: RequestContext, query: Query): AttachmentFilter => {
  const asked = {
    projectId: ownerOf(ctx, query),
    volumeId: last(query, 'volume_id'),
    serverId: last(query, 'instance_id'),
    status: last(query, 'status') ?? last(query, 'attach_status'),
  }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
}

const listRoute = (id: string, at: string, view: (attachment: Attachment) => { id: string }) =>
  defineRoute<CinderApi, typeof AnyQuery>({
    id,
    method: 'GET',
    path: at,
    summary: 'List attachments',
    policy: 'volume:get_all',
    ...window,
    query: AnyQuery,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { query: asked, url }) => {
      const query = asked as Query
      const found = await cinder.attachments.list(ctx, filterOf(ctx, query), pageOf(query))
      const attachments = found.map(view)
      return { attachments, ...nextLinks({ ctx, url, name: 'attachments', query }, attachments) }
    },
  })

export const attachmentRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, undefined, typeof NewBody>({
    id: 'attachments.create',
    method: 'POST',
    path: '/attachments',
    summary: 'Keep a volume for a server',
    policy: 'authenticated',
    ...window,
    body: NewBody,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { body: { attachment: asked } }) => {
      const ask = {
        volumeId: asked.volume_uuid,
        serverId: asked.instance_uuid ?? null,
        mode: (asked.mode ?? null) as 'rw' | 'ro' | null,
        byCompute: false,
      }
      const connector = (asked.connector ?? null) as Record<string, unknown> | null
      return { attachment: attachmentDetail(await cinder.attachments.create(ctx, ask, connector)) }
    },
  }),
  listRoute('attachments.list', '/attachments', attachmentSummary),
  listRoute('attachments.detail', '/attachments/detail', attachmentDetail),
  listRoute('attachments.summary', '/attachments/summary', attachmentSummary),
  defineRoute<CinderApi>({
    id: 'attachments.show',
    method: 'GET',
    path,
    summary: 'Show an attachment',
    policy: 'authenticated',
    ...window,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      attachment: attachmentDetail(await cinder.attachments.show(ctx, params.attachment_id!)),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof ChangeBody>({
    id: 'attachments.update',
    method: 'PUT',
    path,
    summary: 'Say who attaches the volume',
    policy: 'authenticated',
    ...window,
    body: ChangeBody,
    reply: { status: 200 },
    errors: [404, 409],
    handler: async (cinder, ctx, { params, body }) => ({
      attachment: attachmentDetail(
        await cinder.attachments.update(ctx, params.attachment_id!, { ...body.attachment.connector }),
      ),
    }),
  }),
  defineRoute<CinderApi>({
    id: 'attachments.delete',
    method: 'DELETE',
    path,
    summary: 'End an attachment',
    policy: 'authenticated',
    ...window,
    reply: { status: 200 },
    errors: [404, 409],
    handler: async (cinder, ctx, { params }) => ({
      attachments: (await cinder.attachments.delete(ctx, params.attachment_id!)).map(attachmentSummary),
    }),
  }),
  actionRoute<CinderApi>({
    id: 'attachments.action',
    path: `${path}/action`,
    summary: 'Say that the volume is attached',
    errors: [404],
    actions: [
      defineAction<CinderApi>({
        key: 'os-complete',
        id: 'attachments.complete',
        summary: 'Say that the volume is attached',
        policy: 'volume:attachment_complete',
        since: '3.44',
        body: Anything,
        reply: { status: 204 },
        handler: ({ attachments }, ctx, { params }) => attachments.complete(ctx, params.attachment_id!),
      }),
    ],
  }),
]
