/** Migrations: the record of resizes. */
import { isoNaive } from '#platform/clock/clock.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { Migration } from '../manager/model.ts'
import { atLeast, last, limitOf, nextLinks, periodOf, refuseUnknown, repeated } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'

const keys = ['hidden', 'host', 'instance_uuid', 'source_compute', 'status', 'migration_type']
const MigrationQuery = T.Object(
  Object.fromEntries(
    [...keys, 'limit', 'marker', 'changes-since', 'changes-before', 'user_id', 'project_id'].map(
      (key) => [key, repeated],
    ),
  ),
  { additionalProperties: true },
)

const known = (ctx: RequestContext): string[] => [
  ...keys, 'limit', 'marker', 'changes-since', ...(atLeast(ctx, '2.66') ? ['changes-before'] : []),
  ...(atLeast(ctx, '2.80') ? ['user_id', 'project_id'] : []),
]

const view = (ctx: RequestContext, migration: Migration, withHosts: boolean) => {
  const host = withHosts ? migration.host : null
  return {
    id: migration.number,
    instance_uuid: migration.serverId,
    source_compute: host, source_node: host, dest_compute: host, dest_node: host, dest_host: null,
    status: migration.status,
    old_instance_type_id: null, new_instance_type_id: null,
    created_at: isoNaive(migration.createdAt),
    updated_at: isoNaive(migration.updatedAt),
    ...(atLeast(ctx, '2.23') && { migration_type: migration.type }),
    ...(atLeast(ctx, '2.59') && { uuid: migration.uuid }),
    ...(atLeast(ctx, '2.80') && { user_id: migration.userId, project_id: migration.projectId }),
  }
}

const pageOf = (migrations: Migration[], query: Query, limit: number): Migration[] => {
  const marker = last(query, 'marker')
  const at = marker === undefined ? -1 : migrations.findIndex((one) => one.uuid === marker)
  if (marker !== undefined && at < 0) throw badRequest(`Marker ${marker} could not be found.`)
  return migrations.slice(at + 1, at + 1 + limit)
}

export const migrationRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof MigrationQuery>({
    id: 'migrations.list', method: 'GET', path: '/os-migrations', summary: 'List migrations',
    policy: 'os_compute_api:os-migrations:index', query: MigrationQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const query = request.query as Query
      refuseUnknown(ctx, query, known(ctx), '2.59')
      const projectId = atLeast(ctx, '2.80') ? last(query, 'project_id') : undefined
      if (projectId !== ctx.projectId) ctx.enforce('os_compute_api:os-migrations:index:all_projects')
      const all = await api.migrations({
        projectId, userId: last(query, 'user_id'), serverId: last(query, 'instance_uuid'),
        status: last(query, 'status'), type: last(query, 'migration_type'),
        host: last(query, 'host') ?? last(query, 'source_compute'), ...(atLeast(ctx, '2.59') && periodOf(query)),
      })
      const paged = atLeast(ctx, '2.59')
      const limit = paged ? limitOf(query) : all.length
      const shown = paged ? pageOf(all, query, limit) : all
      const withHosts = ctx.can('os_compute_api:os-migrations:index:host')
      const links = paged
        ? nextLinks({ ctx, url: request.url, name: 'migrations', limit }, shown, (one) => one.uuid)
        : {}
      return { migrations: shown.map((one) => view(ctx, one, withHosts)), ...links }
    },
  }),
  defineRoute<NovaApi>({
    id: 'serverMigrations.list', method: 'GET', path: '/servers/{server_id}/migrations',
    summary: "List a server's live migrations: none are made here", policy: 'authenticated', since: '2.23',
    reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:servers:migrations:index')
      return { migrations: [] }
    },
  }),
  defineRoute<NovaApi>({
    id: 'serverMigrations.show', method: 'GET', path: '/servers/{server_id}/migrations/{migration_id}',
    summary: 'Show a live migration', policy: 'authenticated', since: '2.23', reply: { status: 200 }, errors: [404],
    handler: async (api, ctx, { params }) => {
      const server = await api.servers.fetch(ctx, params.server_id!, 'os_compute_api:servers:migrations:show')
      throw notFound(`In-progress live migration ${params.migration_id} is not found for server ${server.id}.`)
    },
  }),
]
