/** Routes of snapshots. */
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute, type Action, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Snapshot } from '../manager/model.ts'
import type { CinderApi } from './cinder-api.ts'
import { snapshotFilterOf } from './filters.ts'
import { AnyQuery, atLeast, last, nextLinks, pageOf, trimmed, type Query } from './manners.ts'
import { Anything, Bool, Description, Id, Name, opt, Pairs, pairs } from './shapes.ts'
import { snapshotDetail, snapshotSummary, SnapshotView } from './views.ts'

const NewBody = Strict({
  snapshot: Strict({
    volume_id: Nullable(Id),
    name: opt(Name),
    description: opt(Description),
    display_name: opt(Name),
    display_description: opt(Description),
    force: opt(Nullable(Bool())),
    metadata: opt(Nullable(Pairs)),
  }),
})

const ChangeBody = Strict({
  snapshot: Strict({
    name: opt(Name),
    description: opt(Description),
    display_name: opt(Name),
    display_description: opt(Description),
  }),
})

const path = '/snapshots/{snapshot_id}'
const one = T.Object({ snapshot: SnapshotView })

/** From 3.66 on volumes in use are taken without force, and `force: false` is no longer an answer. */
const isForced = (ctx: RequestContext, force: unknown): boolean => {
  if (!atLeast(ctx, '3.66')) return isTrue(force)
  if (force !== undefined && force !== null && !isTrue(force))
    throw badRequest(
      "Invalid value 'force=false'. Since microversion 3.66 the force flag is not needed: leave it out.",
      { field: 'force' },
    )
  return true
}

const listRoute = (id: string, at: string, view: (snapshot: Snapshot) => { id: string }) =>
  defineRoute<CinderApi, typeof AnyQuery>({
    id,
    method: 'GET',
    path: at,
    summary: 'List snapshots',
    policy: 'volume:get_all_snapshots',
    query: AnyQuery,
    reply: { status: 200, schema: T.Object({ snapshots: T.Array(SnapshotView) }) },
    errors: [404],
    handler: async (cinder, ctx, { query: asked, url }) => {
      const query = asked as Query
      const filter = snapshotFilterOf(ctx, query)
      const snapshots = (await cinder.snapshots.list(ctx, filter, pageOf(query))).map(view)
      const isCounted = atLeast(ctx, '3.45') && isTrue(last(query, 'with_count'))
      return {
        snapshots,
        ...nextLinks({ ctx, url, name: 'snapshots', query }, snapshots),
        ...(isCounted && { count: await cinder.snapshots.count(filter) }),
      }
    },
  })

const recordRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, undefined, typeof NewBody>({
    id: 'snapshots.create',
    method: 'POST',
    path: '/snapshots',
    summary: 'Take a snapshot of a volume',
    policy: 'volume:create_snapshot',
    body: NewBody,
    reply: { status: 202, schema: one },
    errors: [404, 413],
    handler: async (cinder, ctx, { body: { snapshot: asked } }) => {
      const snapshot = await cinder.snapshots.create(ctx, {
        volumeId: asked.volume_id ?? '',
        name: trimmed(asked.name ?? asked.display_name) ?? '',
        description: trimmed(asked.description ?? asked.display_description) ?? '',
        metadata: pairs(asked.metadata),
        force: isForced(ctx, asked.force),
      })
      return { snapshot: snapshotSummary(snapshot) }
    },
  }),
  listRoute('snapshots.list', '/snapshots', snapshotSummary),
  listRoute('snapshots.detail', '/snapshots/detail', snapshotDetail),
  defineRoute<CinderApi>({
    id: 'snapshots.show',
    method: 'GET',
    path,
    summary: 'Show a snapshot',
    policy: 'authenticated',
    reply: { status: 200, schema: one },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      snapshot: snapshotDetail(await cinder.snapshots.show(ctx, params.snapshot_id!)),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof ChangeBody>({
    id: 'snapshots.update',
    method: 'PUT',
    path,
    summary: "Change a snapshot's name or description",
    policy: 'authenticated',
    body: ChangeBody,
    reply: { status: 200, schema: one },
    errors: [404],
    handler: async (cinder, ctx, { params, body: { snapshot: asked } }) => {
      const name = trimmed(asked.name ?? asked.display_name)
      const description = trimmed(asked.description ?? asked.display_description)
      const changes = { ...(name !== undefined && { name }), ...(description !== undefined && { description }) }
      return { snapshot: snapshotSummary(await cinder.snapshots.update(ctx, params.snapshot_id!, changes)) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'snapshots.delete',
    method: 'DELETE',
    path,
    summary: 'Delete a snapshot',
    policy: 'authenticated',
    reply: { status: 202 },
    errors: [404],
    handler: (cinder, ctx, { params }) => cinder.snapshots.delete(ctx, params.snapshot_id!, { force: false }),
  }),
]

const statuses = ['creating', 'available', 'deleting', 'error', 'error_deleting', 'backing-up', 'restoring']
const ResetBody = Strict({ status: T.Enum(statuses as [string]) })
const UpdateBody = Strict({
  status: T.Enum(['creating', 'available', 'deleting', 'error', 'error_deleting']),
  progress: opt(Nullable(T.String({ pattern: '^(100|[1-9]?[0-9])%$' }))),
})

const actions: Action<CinderApi>[] = [
  defineAction<CinderApi, typeof ResetBody>({
    key: 'os-reset_status',
    id: 'snapshots.resetStatus',
    summary: 'Set what the snapshot says of itself',
    policy: 'volume_extension:snapshot_admin_actions:reset_status',
    body: ResetBody,
    handler: ({ snapshots }, ctx, { params, body }) => snapshots.resetStatus(ctx, params.snapshot_id!, body.status),
  }),
  defineAction<CinderApi, typeof UpdateBody>({
    key: 'os-update_snapshot_status',
    id: 'snapshots.updateStatus',
    summary: 'Set the status of a snapshot that others take',
    policy: 'snapshot_extension:snapshot_actions:update_snapshot_status',
    body: UpdateBody,
    handler: ({ snapshots }, ctx, { params, body }) =>
      snapshots.updateStatus(ctx, params.snapshot_id!, body.status, body.progress ?? undefined),
  }),
  defineAction<CinderApi>({
    key: 'os-force_delete',
    id: 'snapshots.forceDelete',
    summary: 'Delete the snapshot whatever its status',
    policy: 'volume_extension:snapshot_admin_actions:force_delete',
    body: Anything,
    handler: ({ snapshots }, ctx, { params }) => snapshots.delete(ctx, params.snapshot_id!, { force: true }),
  }),
]

export const snapshotRoutes: Route<CinderApi>[] = [
  ...recordRoutes,
  actionRoute<CinderApi>({
    id: 'snapshots.action',
    path: `${path}/action`,
    summary: 'Do something with a snapshot',
    actions,
    errors: [404],
  }),
]
