/** Routes of quota sets, their defaults and classes, and of limits. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Strict, T } from '#platform/api-kit/schema.ts'
import type { QuotaNumbers } from '../manager/quotas.ts'
import type { CinderApi } from './cinder-api.ts'
import { AnyQuery, atLeast, last, type Query } from './manners.ts'

const Amounts = T.Object({}, { additionalProperties: true, minProperties: 1 })
const SetBody = Strict({ quota_set: Amounts })
const ClassBody = Strict({ quota_class_set: Amounts })
const path = '/os-quota-sets/{target_id}'

export const quotaRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'quotas.validateNested',
    method: 'GET',
    path: '/os-quota-sets/validate_setup_for_nested_quota_use',
    summary: 'Tell whether every limit covers what is used and given to children',
    policy: 'volume_extension:quotas:update',
    query: AnyQuery,
    reply: { status: 200 },
    handler: ({ quotas }, ctx) => quotas.validateNested(ctx),
  }),
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'quotas.show',
    method: 'GET',
    path,
    summary: "Show a project's quotas, with their use if asked",
    policy: 'authenticated',
    query: AnyQuery,
    reply: { status: 200 },
    handler: async ({ quotas }, ctx, { params, query }) => {
      const id = params.target_id!
      const isUsage = isTrue(last(query as Query, 'usage'))
      return { quota_set: { ...(isUsage ? await quotas.usage(ctx, id) : await quotas.limits(ctx, id)), id } }
    },
  }),
  defineRoute<CinderApi>({
    id: 'quotas.defaults',
    method: 'GET',
    path: `${path}/defaults`,
    summary: 'Show the quotas before anybody sets one',
    policy: 'authenticated',
    reply: { status: 200 },
    handler: async ({ quotas }, ctx, { params }) => ({
      quota_set: { ...(await quotas.defaults(ctx, params.target_id!)), id: params.target_id },
    }),
  }),
  defineRoute<CinderApi, undefined, typeof SetBody>({
    id: 'quotas.update',
    method: 'PUT',
    path,
    summary: "Set a project's quotas",
    policy: 'authenticated',
    body: SetBody,
    reply: { status: 200 },
    handler: async ({ quotas }, ctx, { params, body }) => ({
      quota_set: await quotas.update(ctx, params.target_id!, { ...body.quota_set }),
    }),
  }),
  defineRoute<CinderApi>({
    id: 'quotas.delete',
    method: 'DELETE',
    path,
    summary: "Take a project's quotas back to the defaults",
    policy: 'authenticated',
    reply: { status: 200 },
    handler: ({ quotas }, ctx, { params }) => quotas.reset(ctx, params.target_id!),
  }),
  defineRoute<CinderApi>({
    id: 'quotaClasses.show',
    method: 'GET',
    path: '/os-quota-class-sets/{class_name}',
    summary: 'Show the quotas of a class',
    policy: 'volume_extension:quota_classes:get',
    reply: { status: 200 },
    handler: async ({ quotas }, _ctx, { params }) => ({
      quota_class_set: { ...(await quotas.classShow(params.class_name!)), id: params.class_name },
    }),
  }),
  defineRoute<CinderApi, undefined, typeof ClassBody>({
    id: 'quotaClasses.update',
    method: 'PUT',
    path: '/os-quota-class-sets/{class_name}',
    summary: 'Set the quotas of a class; those of `default` are what all projects start with',
    policy: 'volume_extension:quota_classes:update',
    body: ClassBody,
    reply: { status: 200 },
    handler: async ({ quotas }, _ctx, { params, body }) => ({
      quota_class_set: await quotas.classUpdate(params.class_name!, { ...body.quota_class_set }),
    }),
  }),
]

const limitNames: Record<string, string> = {
  gigabytes: 'maxTotalVolumeGigabytes',
  backup_gigabytes: 'maxTotalBackupGigabytes',
  volumes: 'maxTotalVolumes',
  snapshots: 'maxTotalSnapshots',
  backups: 'maxTotalBackups',
}
const usedNames: Record<string, string> = {
  gigabytes: 'totalGigabytesUsed',
  backup_gigabytes: 'totalBackupGigabytesUsed',
  volumes: 'totalVolumesUsed',
  snapshots: 'totalSnapshotsUsed',
  backups: 'totalBackupsUsed',
}

const absoluteOf = (usage: Record<string, QuotaNumbers>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(usage).flatMap(([name, { limit, in_use, reserved }]) =>
      limitNames[name]
        ? [
            [limitNames[name], limit],
            [usedNames[name]!, in_use + reserved],
          ]
        : [],
    ),
  )

export const limitRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'limits.show',
    method: 'GET',
    path: '/limits',
    summary: 'Show limits and their use',
    policy: 'limits_extension:used_limits',
    query: AnyQuery,
    reply: { status: 200 },
    handler: async ({ quotas }, ctx, { query: asked }) => {
      const query = asked as Query
      const other = last(query, 'project_id') ?? last(query, 'tenant_id')
      const projectId = ctx.isAdmin && atLeast(ctx, '3.39') && other !== undefined ? other : ctx.projectId
      return { limits: { rate: [], absolute: absoluteOf(await quotas.usageOf(projectId)) } }
    },
  }),
]
