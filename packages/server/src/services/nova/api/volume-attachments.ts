/** `os-volume_attachments`: the volumes of a server. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { isTrue, since, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { ServerVolume } from '../manager/model.ts'
import { atLeast, countOf, pageMax, refuseUnknown, repeated } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Bool, Tag, Uuid } from './shapes.ts'

const path = '/servers/{server_id}/os-volume_attachments'
const rule = (verb: string) => `os_compute_api:os-volumes-attachments:${verb}`
const opt = T.Optional

/** `/dev/vdb`, `/dev/xvdb`, `/dev/sdb1`. */
const Device = (options = {}) =>
  T.Union([T.String({ pattern: '^/dev/x?[a-z]?d?[a-z]+[0-9]*$', maxLength: 37 }), T.Null()], options)

const AttachBody = Strict({
  volumeAttachment: Strict({
    volumeId: Uuid(),
    device: opt(Device()),
    tag: opt(Tag(since('2.49'))),
    delete_on_termination: opt(Bool(since('2.79'))),
  }),
})

const UpdateBody = Strict({
  volumeAttachment: Strict({
    volumeId: Uuid(),
    device: opt(Device(since('2.85'))),
    tag: opt(T.Union([Tag(), T.Null()], since('2.85'))),
    delete_on_termination: opt(Bool(since('2.85'))),
    id: opt(Uuid(since('2.85'))),
    serverId: opt(Uuid(since('2.85'))),
    attachment_id: opt(Uuid(since('2.89'))),
    bdm_uuid: opt(Uuid(since('2.89'))),
  }),
})

const Query = T.Object({ limit: repeated, offset: repeated }, { additionalProperties: true })

const versioned = (ctx: RequestContext, { tag, deleteOnTermination }: ServerVolume) => ({
  ...(atLeast(ctx, '2.70') && { tag }),
  ...(atLeast(ctx, '2.79') && { delete_on_termination: deleteOnTermination }),
})

const view = (ctx: RequestContext, volume: ServerVolume) => ({
  ...(!atLeast(ctx, '2.89') && { id: volume.volumeId }),
  volumeId: volume.volumeId,
  serverId: volume.serverId,
  device: volume.device,
  ...versioned(ctx, volume),
  ...(atLeast(ctx, '2.89') && { attachment_id: volume.attachmentId, bdm_uuid: volume.id }),
})

/** The answer to an attach keeps `id` in all versions. */
const attachedView = (ctx: RequestContext, volume: ServerVolume) => ({
  id: volume.volumeId, volumeId: volume.volumeId, serverId: volume.serverId, device: volume.device,
  ...versioned(ctx, volume),
})

type Update = { volumeId: string; delete_on_termination?: boolean | string }

/** From 2.85 on the same volume's own settings may be changed; any other volume is a swap. */
const update = async (api: NovaApi, ctx: RequestContext, ids: { server: string; volume: string }, asked: Update) => {
  const isSame = asked.volumeId.toLowerCase() === ids.volume.toLowerCase()
  const server = await api.servers.fetch(ctx, ids.server, rule(isSame && atLeast(ctx, '2.85') ? 'update' : 'swap'))
  if (!isSame) return await api.volumes.swap(server, ids.volume)
  if (!atLeast(ctx, '2.85')) throw badRequest(
    `Invalid volume: volume ${ids.volume} cannot be swapped with itself`, { field: 'volumeId' },
  )
  const wanted = asked.delete_on_termination
  if (wanted === undefined) await api.volumes.fetch(server, ids.volume)
  else await api.volumes.keepOnTermination(server, ids.volume, isTrue(wanted))
}

export const volumeAttachmentRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof Query>({
    id: 'volumes.list', method: 'GET', path, summary: "List a server's volumes", policy: 'authenticated', query: Query,
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params, query }) => {
      refuseUnknown(ctx, query, ['limit', 'offset'])
      const server = await api.servers.fetch(ctx, params.server_id!, rule('index'))
      const [offset, limit] = [countOf(query, 'offset') ?? 0, countOf(query, 'limit') ?? pageMax]
      const page = (await api.volumes.list(server)).slice(offset, offset + limit)
      return { volumeAttachments: page.map((volume) => view(ctx, volume)) }
    },
  }),
  defineRoute<NovaApi>({
    id: 'volumes.show', method: 'GET', path: `${path}/{volume_id}`, summary: "Show one of a server's volumes",
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('show'))
      return { volumeAttachment: view(ctx, await api.volumes.fetch(server, params.volume_id!)) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof AttachBody>({
    id: 'volumes.attach', method: 'POST', path, summary: 'Attach a volume to a server', policy: 'authenticated',
    body: AttachBody, reply: { status: 200 }, errors: [403, 404, 409],
    handler: async (api, ctx, { params, body: { volumeAttachment: asked } }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('create'))
      const volume = await api.volumes.attach(ctx, server, {
        volumeId: asked.volumeId, ...(asked.device && { device: asked.device }), ...(asked.tag && { tag: asked.tag }),
        deleteOnTermination: isTrue(asked.delete_on_termination),
      })
      return { volumeAttachment: attachedView(ctx, volume) }
    },
  }),
  defineRoute<NovaApi, undefined, typeof UpdateBody>({
    id: 'volumes.update', method: 'PUT', path: `${path}/{volume_id}`, summary: "Change one of a server's volumes",
    policy: 'authenticated', body: UpdateBody, reply: { status: 202 }, errors: [404, 409, 501],
    handler: (api, ctx, { params, body }) =>
      update(api, ctx, { server: params.server_id!, volume: params.volume_id! }, body.volumeAttachment),
  }),
  defineRoute<NovaApi>({
    id: 'volumes.detach', method: 'DELETE', path: `${path}/{volume_id}`, summary: 'Detach a volume from a server',
    policy: 'authenticated', reply: { status: 202 }, errors: [404, 409],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, rule('delete'))
      await api.volumes.detach(ctx, server, params.volume_id!)
    },
  }),
]
