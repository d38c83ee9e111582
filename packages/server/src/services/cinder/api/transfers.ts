/** Routes of transfers, under the name of old and under the name of 3.55. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, since, Strict, T } from '#platform/api-kit/schema.ts'
import type { CinderApi } from './cinder-api.ts'
import { AnyQuery, atLeast, last, nextLinks, ownerOf, pageOf, trimmed, type Query } from './manners.ts'
import { Bool, Id, Name, opt } from './shapes.ts'
import { transferDetail, transferSummary, TransferView } from './views.ts'

const NewBody = Strict({
  transfer: Strict({
    volume_id: Id,
    name: opt(Name),
    no_snapshots: opt(T.Union([Bool(), T.Null()], since('3.55'))),
  }),
})
const AcceptBody = Strict({ accept: Strict({ auth_key: T.String({ minLength: 1, maxLength: 255 }) }) })
const one = T.Object({ transfer: TransferView })

const listRoute = (root: string, id: string, isDetail: boolean, window: { since?: string }): Route<CinderApi> =>
  defineRoute<CinderApi, typeof AnyQuery>({
    id: `${id}.${isDetail ? 'detail' : 'list'}`,
    method: 'GET',
    path: isDetail ? `${root}/detail` : root,
    summary: 'List transfers',
    policy: 'volume:get_all_transfers',
    ...window,
    query: AnyQuery,
    reply: { status: 200, schema: T.Object({ transfers: T.Array(TransferView) }) },
    handler: async (cinder, ctx, { query: asked, url }) => {
      const query = asked as Query
      const all = (await cinder.transfers.list(ownerOf(ctx, query))).filter(
        ({ name }) => last(query, 'name') === undefined || name === last(query, 'name'),
      )
      const { marker, limit, offset = 0 } = pageOf(query)
      const from = offset + (marker === undefined ? 0 : all.findIndex((transfer) => transfer.id === marker) + 1)
      const view = isDetail ? transferDetail : transferSummary
      const transfers = all.slice(from, from + limit).map((transfer) => view(ctx, transfer))
      return { transfers, ...nextLinks({ ctx, url, name: 'transfers', query }, transfers) }
    },
  })

const showRoute = (root: string, id: string, window: { since?: string }): Route<CinderApi> =>
  defineRoute<CinderApi>({
    id: `${id}.show`,
    method: 'GET',
    path: `${root}/{transfer_id}`,
    summary: 'Show a transfer',
    policy: 'authenticated',
    ...window,
    reply: { status: 200, schema: one },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      transfer: transferDetail(ctx, await cinder.transfers.fetch(ctx, params.transfer_id!)),
    }),
  })

const routesAt = (root: string, id: string, window: { since?: string }): Route<CinderApi>[] => [
  listRoute(root, id, false, window),
  listRoute(root, id, true, window),
  defineRoute<CinderApi, undefined, typeof NewBody>({
    id: `${id}.create`,
    method: 'POST',
    path: root,
    summary: 'Offer a volume to whoever knows the key',
    policy: 'authenticated',
    ...window,
    body: NewBody,
    reply: { status: 202, schema: one },
    errors: [404],
    handler: async (cinder, ctx, { body: { transfer: asked } }) => {
      const { transfer, key } = await cinder.transfers.create(ctx, {
        volumeId: asked.volume_id,
        name: trimmed(asked.name) ?? '',
        noSnapshots: atLeast(ctx, '3.55') && isTrue(asked.no_snapshots),
      })
      return { transfer: { ...transferDetail(ctx, transfer), auth_key: key } }
    },
  }),
  showRoute(root, id, window),
  defineRoute<CinderApi, undefined, typeof AcceptBody>({
    id: `${id}.accept`,
    method: 'POST',
    path: `${root}/{transfer_id}/accept`,
    summary: 'Take an offered volume',
    policy: 'volume:accept_transfer',
    ...window,
    body: AcceptBody,
    reply: { status: 202, schema: one },
    errors: [404, 413],
    handler: async (cinder, ctx, { params, body }) => ({
      transfer: transferSummary(ctx, await cinder.transfers.accept(ctx, params.transfer_id!, body.accept.auth_key)),
    }),
  }),
  defineRoute<CinderApi>({
    id: `${id}.delete`,
    method: 'DELETE',
    path: `${root}/{transfer_id}`,
    summary: 'Take an offer back',
    policy: 'authenticated',
    ...window,
    reply: { status: 202 },
    errors: [404],
    handler: (cinder, ctx, { params }) => cinder.transfers.delete(ctx, params.transfer_id!),
  }),
]

export const transferRoutes: Route<CinderApi>[] = [
  ...routesAt('/os-volume-transfer', 'transfersOfOld', {}),
  ...routesAt('/volume-transfers', 'transfers', { since: '3.55' }),
]
