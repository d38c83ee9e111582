/** `POST /servers/{server_id}/action`: every verb of a server. */
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, reply } from '#platform/api-kit/route.ts'
import type { Action, Route } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import type { TSchema } from '#platform/api-kit/schema.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import type { Server } from '../manager/model.ts'
import { atLeast } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { FlavorRef, RebuildBody } from './server-bodies.ts'
import { flavorIdOf, rebuildRequest } from './server-request.ts'
import { newPassword, oneView } from './servers.ts'
import { changedView } from './server-view.ts'
import { Anything, DiskConfig, Ip, Metadata, Name, Uuid, Whole, wholeOf } from './shapes.ts'
import { absentActions } from './server-actions-absent.ts'

const opt = T.Optional
type Request = { params: Record<string, string>; body: any }
type Work = (api: NovaApi, ctx: RequestContext, server: Server, request: Request) => unknown

/** An action on the server of the path: found under its rule, then done. */
const serverAction = (
  key: string, rule: string, summary: string, work: Work,
  more: { body?: TSchema; status?: number; since?: string; until?: string } = {},
): Action<NovaApi> => defineAction<NovaApi>({
  key, id: `servers.${key}`, summary, policy: rule, body: more.body ?? Anything, reply: { status: more.status ?? 202 },
  since: more.since, until: more.until,
  handler: async (api, ctx, request) => work(api, ctx, await api.servers.fetch(ctx, request.params.id!, rule), request),
})

const nothing = async (work: Promise<unknown>): Promise<void> => { await work }

const rebuild: Work = async (api, ctx, server, { body }) => {
  if (body.trusted_image_certificates) ctx.enforce('os_compute_api:servers:rebuild:trusted_certs')
  const rebuilt = await api.changes.rebuild(ctx, server, rebuildRequest(ctx, body))
  // Here the field is called user_data: it came with 2.57, before answers had the extended attributes.
  const { 'OS-EXT-SRV-ATTR:user_data': _, ...shown } = await oneView(
    api, ctx, rebuilt, changedView,
  ) as Record<string, unknown>
  const view = {
    ...shown, adminPass: body.adminPass ?? newPassword(),
    ...(atLeast(ctx, '2.54') && { key_name: rebuilt.keyName }),
    ...(atLeast(ctx, '2.57') && { user_data: rebuilt.userData }),
  }
  return reply({ status: 202, headers: { Location: `${ctx.baseUrl}/servers/${server.id}` }, body: { server: view } })
}

const notDeleted: Work = (_, __, server) => {
  throw conflict(`Cannot 'restore' instance ${server.id} while it is in vm_state ${server.vmState}`)
}

const createImage: Work = async (api, ctx, server, { body }) => {
  const imageId = await api.changes.createImage(ctx, server, { name: body.name.trim(), metadata: body.metadata ?? {} })
  if (atLeast(ctx, '2.45')) return reply({ status: 202, body: { image_id: imageId } })
  return reply({ status: 202, headers: { Location: `${ctx.hostUrl}/image/v2/images/${imageId}` } })
}

/** A rotation of zero keeps no backup, not even the new one: then there is nothing to point at. */
const createBackup: Work = async (api, ctx, server, { body }) => {
  const rotation = wholeOf(body.rotation)
  const imageId = await api.changes.createBackup(ctx, server, {
    name: body.name.trim(), metadata: body.metadata ?? {}, backupType: body.backup_type, rotation,
  })
  if (rotation === 0) return reply({ status: 202 })
  if (atLeast(ctx, '2.45')) return reply({ status: 202, body: { image_id: imageId } })
  return reply({ status: 202, headers: { Location: `${ctx.hostUrl}/image/v2/images/${imageId}` } })
}

const power: Action<NovaApi>[] = [
  serverAction(
    'os-start', 'os_compute_api:servers:start', 'Start a server',
    (api, ctx, server) => nothing(api.orders.start(ctx, server)),
  ),
  serverAction(
    'os-stop', 'os_compute_api:servers:stop', 'Stop a server',
    (api, ctx, server) => nothing(api.orders.stop(ctx, server)),
  ),
  serverAction(
    'pause', 'os_compute_api:os-pause-server:pause', 'Freeze a server',
    (api, ctx, server) => nothing(api.orders.pause(ctx, server)),
  ),
  serverAction(
    'unpause', 'os_compute_api:os-pause-server:unpause', 'Unfreeze a server',
    (api, ctx, server) => nothing(api.orders.unpause(ctx, server)),
  ),
  serverAction(
    'suspend', 'os_compute_api:os-suspend-server:suspend', 'Suspend a server',
    (api, ctx, server) => nothing(api.orders.suspend(ctx, server)),
  ),
  serverAction(
    'resume', 'os_compute_api:os-suspend-server:resume', 'Resume a server',
    (api, ctx, server) => nothing(api.orders.resume(ctx, server)),
  ),
  serverAction('reboot', 'os_compute_api:servers:reboot', 'Reboot a server',
    (api, ctx, server, { body }) => nothing(api.orders.reboot(ctx, server, body.type.toUpperCase() === 'HARD')),
    {
      body: Strict({
        type: T.Unsafe<string>({ type: 'string', enum: ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft'] }),
      }),
    }),
]

const shape: Action<NovaApi>[] = [
  serverAction(
    'rebuild', 'os_compute_api:servers:rebuild', 'Rebuild a server from an image', rebuild, { body: RebuildBody },
  ),
  serverAction('resize', 'os_compute_api:servers:resize', 'Give a server another flavor',
    (api, ctx, server, { body }) => api.changes.resize(ctx, server, {
      flavorId: flavorIdOf(body.flavorRef), diskConfig: body['OS-DCF:diskConfig'],
    }),
    { body: Strict({ flavorRef: FlavorRef, 'OS-DCF:diskConfig': opt(DiskConfig()) }) }),
  serverAction('confirmResize', 'os_compute_api:servers:confirm_resize', 'Keep the new flavor',
    (api, ctx, server) => api.changes.confirmResize(ctx, server), { status: 204 }),
  serverAction('revertResize', 'os_compute_api:servers:revert_resize', 'Go back to the old flavor',
    (api, ctx, server) => api.changes.revertResize(ctx, server)),
  serverAction('createImage', 'os_compute_api:servers:create_image', 'Make an image of a server', createImage,
    { body: Strict({ name: Name(), metadata: opt(Metadata()) }) }),
  serverAction('createBackup', 'os_compute_api:os-create-backup', 'Make an image and keep only the newest of its kind',
    createBackup,
    { body: Strict({ name: Name(), backup_type: T.String(), rotation: Whole(0), metadata: opt(Metadata()) }) }),
  serverAction('changePassword', 'os_compute_api:os-admin-password', "Set the root user's password",
    (api, ctx, server, { body }) => api.changes.changePassword(ctx, server, body.adminPass),
    { body: Strict({ adminPass: T.String() }) }),
  serverAction(
    'forceDelete', 'os_compute_api:os-deferred-delete:force', 'Delete a server at once',
    (api, ctx, server) => api.orders.delete(ctx, server),
  ),
  serverAction(
    'restore', 'os_compute_api:os-deferred-delete:restore', 'Bring a softly deleted server back', notDeleted,
  ),
]

const LockReason = T.Union([T.Null(), Strict({ locked_reason: opt(T.String({ minLength: 1, maxLength: 255 })) })])

const lockReason = (ctx: RequestContext, body: { locked_reason?: string } | null): string | null => {
  if (atLeast(ctx, '2.73')) return body?.locked_reason ?? null
  if (body?.locked_reason !== undefined) throw badRequest(
    "Additional properties are not allowed ('locked_reason' was unexpected)", { field: 'lock' },
  )
  return null
}

const care: Action<NovaApi>[] = [
  serverAction('lock', 'os_compute_api:os-lock-server:lock', 'Lock a server',
    (api, ctx, server, { body }) => api.settings.lock(ctx, server, lockReason(ctx, body)),
    { body: T.Union([LockReason, T.Object({}, { additionalProperties: true })]) }),
  serverAction(
    'unlock', 'os_compute_api:os-lock-server:unlock', 'Unlock a server',
    (api, ctx, server) => api.settings.unlock(ctx, server),
  ),
  serverAction('os-resetState', 'os_compute_api:os-admin-actions:reset_state', 'Set the state of a server',
    (api, ctx, server, { body }) => api.settings.resetState(ctx, server, body.state.toLowerCase()),
    { body: Strict({ state: T.Unsafe<string>({ type: 'string', enum: ['active', 'error'] }) }) }),
  serverAction(
    'injectNetworkInfo', 'os_compute_api:os-admin-actions:inject_network_info', 'Set up the network anew',
    (api, _, server) => api.settings.assertPlaced(server),
  ),
  serverAction(
    'resetNetwork', 'os_compute_api:os-admin-actions:inject_network_info', 'Set up the network anew',
    (api, _, server) => api.settings.assertPlaced(server),
  ),
  serverAction('os-getConsoleOutput', 'os_compute_api:os-console-output', 'Show what a server wrote to its console',
    async (api, _, server, { body }) => ({ output: await api.insight.console(server, consoleLines(body?.length)) }),
    {
      status: 200,
      body: T.Union([
        T.Null(),
        Strict({ length: opt(T.Union([T.Integer({ minimum: -1 }), T.String({ pattern: '^-?[0-9]+$' }), T.Null()])) }),
      ]),
    }),
  serverAction('addFixedIp', 'os_compute_api:os-multinic:add', 'Give a server one more address of a network',
    (api, ctx, server, { body }) => api.interfaces.addressAdd(ctx, server, body.networkId),
    { body: Strict({ networkId: Uuid() }), until: '2.43' }),
  serverAction('removeFixedIp', 'os_compute_api:os-multinic:remove', "Take an address off a server's port",
    (api, ctx, server, { body }) => api.interfaces.addressRemove(ctx, server, body.address),
    { body: Strict({ address: Ip() }), until: '2.43' }),
  serverAction('addSecurityGroup', 'os_compute_api:os-security-groups:add', 'Add a security group',
    (api, ctx, server, { body }) => api.security.add(ctx, server, body.name),
    { body: Strict({ name: Name() }) }),
  serverAction('removeSecurityGroup', 'os_compute_api:os-security-groups:remove', 'Remove a security group',
    (api, ctx, server, { body }) => api.security.remove(ctx, server, body.name),
    { body: Strict({ name: Name() }) }),
]

/** `-1` and null: all there is. */
const consoleLines = (length: number | string | null | undefined): number | undefined =>
  (length === undefined || length === null || wholeOf(length) < 0 ? undefined : wholeOf(length))

export const serverActionRoutes: Route<NovaApi>[] = [
  actionRoute<NovaApi>({
    id: 'servers.act', path: '/servers/{id}/action', summary: 'Act on a server', errors: [404, 409, 501],
    actions: [...power, ...shape, ...care, ...absentActions(serverAction)],
  }),
]
export type ServerAction = typeof serverAction
