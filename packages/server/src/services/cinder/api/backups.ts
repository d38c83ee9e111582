/** Routes of backups. */
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, since, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Backup } from '../manager/model.ts'
import type { BackupFilter } from '../store/backups.ts'
import type { CinderApi } from './cinder-api.ts'
import {
  AnyQuery,
  atLeast,
  changed,
  last,
  linksOf,
  moment,
  nextLinks,
  ownerOf,
  pageOf,
  trimmed,
  type Query,
} from './manners.ts'
import { Anything, Bool, Description, Id, Name, opt, Pairs, pairs } from './shapes.ts'

const NewBody = Strict({
  backup: Strict({
    volume_id: Id,
    snapshot_id: opt(Nullable(Id)),
    name: opt(Name),
    description: opt(Description),
    container: opt(Nullable(T.String({ maxLength: 255 }))),
    incremental: opt(Bool()),
    force: opt(Bool()),
    metadata: opt(T.Union([Pairs, T.Null()], since('3.43'))),
    availability_zone: opt(T.Union([T.String({ maxLength: 255 }), T.Null()], since('3.51'))),
  }),
})
const ChangeBody = Strict({
  backup: Strict({
    name: opt(Name),
    description: opt(Description),
    metadata: opt(T.Union([Pairs], since('3.43'))),
  }),
})
const RestoreBody = Strict({ restore: Strict({ volume_id: opt(Nullable(Id)), name: opt(Name) }) })
const statuses = ['creating', 'available', 'deleting', 'error', 'error_deleting', 'restoring']
const ResetBody = Strict({ status: T.Enum(statuses as [string]) })

const View = T.Object({
  'os-backup-project-attr:project_id': T.Unknown(since('3.18')),
  metadata: T.Unknown(since('3.43')),
  user_id: T.Unknown(since('3.56')),
})

const summary = (ctx: RequestContext, { id, name }: Backup) => ({ id, name, links: linksOf(ctx, `backups/${id}`) })

const detail = (ctx: RequestContext, backup: Backup) => ({
  ...summary(ctx, backup),
  status: backup.status,
  size: backup.sizeGiB,
  object_count: backup.status === 'creating' ? 0 : 1,
  availability_zone: 'nova',
  container: backup.container,
  created_at: moment(backup.createdAt),
  updated_at: changed(backup),
  description: backup.description || null,
  fail_reason: backup.failReason,
  volume_id: backup.volumeId,
  is_incremental: false,
  has_dependent_backups: false,
  snapshot_id: backup.snapshotId,
  data_timestamp: moment(backup.dataAt),
  metadata: backup.metadata,
  ...(ctx.isAdmin && { 'os-backup-project-attr:project_id': backup.projectId, user_id: backup.userId }),
})

const filterOf = (ctx: RequestContext, query: Query): BackupFilter => {
  const asked = {
    projectId: ownerOf(ctx, query),
    name: last(query, 'name'),
    namePart: atLeast(ctx, '3.34') ? last(query, 'name~') : undefined,
    status: last(query, 'status'),
    volumeId: last(query, 'volume_id'),
  }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
}

const listRoute = (id: string, path: string, view: typeof summary) =>
  defineRoute<CinderApi, typeof AnyQuery>({
    id,
    method: 'GET',
    path,
    summary: 'List backups',
    policy: 'backup:get_all',
    query: AnyQuery,
    reply: { status: 200, schema: T.Object({ backups: T.Array(View) }) },
    errors: [404],
    handler: async (cinder, ctx, { query: asked, url }) => {
      const query = asked as Query
      const found = await cinder.backups.list(ctx, filterOf(ctx, query), pageOf(query))
      const backups = found.map((backup) => view(ctx, backup))
      return { backups, ...nextLinks({ ctx, url, name: 'backups', query }, backups) }
    },
  })

const path = '/backups/{backup_id}'

const recordRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, undefined, typeof NewBody>({
    id: 'backups.create',
    method: 'POST',
    path: '/backups',
    summary: 'Back a volume up',
    policy: 'backup:create',
    body: NewBody,
    reply: { status: 202 },
    errors: [404, 413],
    handler: async (cinder, ctx, { body: { backup: asked } }) => {
      if (isTrue(asked.incremental))
        throw badRequest('Every backup is whole here: leave incremental out.', { field: 'incremental' })
      const backup = await cinder.backups.create(ctx, {
        volumeId: asked.volume_id,
        snapshotId: asked.snapshot_id ?? null,
        name: trimmed(asked.name) ?? '',
        description: trimmed(asked.description) ?? '',
        container: asked.container ?? 'volumebackups',
        metadata: pairs(asked.metadata),
        force: isTrue(asked.force),
      })
      return { backup: summary(ctx, backup) }
    },
  }),
  listRoute('backups.list', '/backups', summary),
  listRoute('backups.detail', '/backups/detail', detail),
  defineRoute<CinderApi>({
    id: 'backups.show',
    method: 'GET',
    path,
    summary: 'Show a backup',
    policy: 'authenticated',
    reply: { status: 200, schema: T.Object({ backup: View }) },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      backup: detail(ctx, await cinder.backups.show(ctx, params.backup_id!)),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof ChangeBody>({
    id: 'backups.update',
    method: 'PUT',
    path,
    summary: "Change a backup's name, description or metadata",
    policy: 'authenticated',
    since: '3.9',
    body: ChangeBody,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params, body: { backup: asked } }) => {
      const [name, description] = [trimmed(asked.name), trimmed(asked.description)]
      const backup = await cinder.backups.update(ctx, params.backup_id!, {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(asked.metadata && { metadata: pairs(asked.metadata) }),
      })
      return { backup: summary(ctx, backup) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'backups.delete',
    method: 'DELETE',
    path,
    summary: 'Delete a backup',
    policy: 'authenticated',
    reply: { status: 202 },
    errors: [404],
    handler: (cinder, ctx, { params }) => cinder.backups.delete(ctx, params.backup_id!, { force: false }),
  }),
]

export const backupRoutes: Route<CinderApi>[] = [
  ...recordRoutes,
  defineRoute<CinderApi, undefined, typeof RestoreBody>({
    id: 'backups.restore',
    method: 'POST',
    path: `${path}/restore`,
    summary: 'Make a volume of a backup, or a volume what the backup has',
    policy: 'authenticated',
    body: RestoreBody,
    reply: { status: 202 },
    errors: [404, 413],
    handler: async (cinder, ctx, { params, body: { restore: asked } }) => {
      const name = trimmed(asked.name)
      const { volume } = await cinder.backups.restore(ctx, params.backup_id!, {
        ...(asked.volume_id && { volumeId: asked.volume_id }),
        ...(name && { name }),
      })
      return { restore: { backup_id: params.backup_id, volume_id: volume.id, volume_name: volume.name } }
    },
  }),
  actionRoute<CinderApi>({
    id: 'backups.action',
    path: `${path}/action`,
    summary: 'Do something with a backup',
    errors: [404],
    actions: [
      defineAction<CinderApi, typeof ResetBody>({
        key: 'os-reset_status',
        id: 'backups.resetStatus',
        summary: 'Set what the backup says of itself',
        policy: 'volume_extension:backup_admin_actions:reset_status',
        body: ResetBody,
        handler: ({ backups }, ctx, { params, body }) => backups.resetStatus(ctx, params.backup_id!, body.status),
      }),
      defineAction<CinderApi>({
        key: 'os-force_delete',
        id: 'backups.forceDelete',
        summary: 'Delete the backup whatever its status',
        policy: 'volume_extension:backup_admin_actions:force_delete',
        body: Anything,
        handler: ({ backups }, ctx, { params }) => backups.delete(ctx, params.backup_id!, { force: true }),
      }),
    ],
  }),
]
