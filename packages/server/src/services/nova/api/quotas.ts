/** Quota sets, quota classes, limits, and what projects used. */
import type { RequestContext } from '#platform/auth/context.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { isTrue, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { QuotaSet } from '../manager/quotas.ts'
import { atLeast, last, refuseUnknown, repeated } from './manners.ts'
import type { Query } from './manners.ts'
import type { NovaApi } from './nova-api.ts'
import { Bool } from './shapes.ts'

const opt = T.Optional
const amount = (options: Parameters<typeof T.Union>[1] = {}) => opt(
  T.Union(
    [T.Integer({ minimum: -1, maximum: 2_147_483_647 }), T.String({ pattern: '^-?[0-9]+$', maxLength: 11 })], options,
  ),
)
const until = (version: string) => ({ 'x-until': version })

const amounts = {
  instances: amount(), cores: amount(), ram: amount(), metadata_items: amount(), key_pairs: amount(),
  server_groups: amount(), server_group_members: amount(),
  injected_files: amount(until('2.56')), injected_file_content_bytes: amount(until('2.56')),
  injected_file_path_bytes: amount(until('2.56')),
  fixed_ips: amount(until('2.35')), floating_ips: amount(until('2.35')), security_groups: amount(until('2.35')),
  security_group_rules: amount(until('2.35')), networks: amount(until('2.35')),
}

const QuotaBody = Strict({ quota_set: Strict({ ...amounts, force: opt(Bool()) }) })
const ClassBody = Strict({ quota_class_set: Strict(amounts) })
const QuotaQuery = T.Object({ user_id: repeated }, { additionalProperties: true })

const untilOf: Record<string, string> = {
  injected_files: '2.57', injected_file_content_bytes: '2.57', injected_file_path_bytes: '2.57',
  fixed_ips: '2.36', floating_ips: '2.36', security_groups: '2.36', security_group_rules: '2.36',
}

/** What is left of a quota set at the asked version. */
const shown = <V>(ctx: RequestContext, set: Record<string, V>, ends = untilOf): Record<string, V> =>
  Object.fromEntries(Object.entries(set).filter(([name]) => !(ends[name] && atLeast(ctx, ends[name]))))

const amountOf = (name: string, value: unknown): number => {
  const amount = Number(value)
  if (amount >= -1) return amount
  throw badRequest(`Quota limit ${amount} for ${name} must be -1 or greater.`, { field: name })
}

const asked = (body: Record<string, unknown>): Record<string, number> => Object.fromEntries(
  Object.entries(body)
    .filter(([name, value]) => name !== 'force' && value !== undefined)
    .map(([name, value]) => [name, amountOf(name, value)]),
)

const detailOf = (set: QuotaSet) =>
  Object.fromEntries(
    Object.entries(set).map(([name, { inUse, ...rest }]) => [name, { in_use: inUse, ...rest }]),
  )

const enforceOn = async (api: NovaApi, ctx: RequestContext, rule: string, projectId: string): Promise<void> =>
  ctx.enforce(`os_compute_api:os-quota-sets:${rule}`, {
    project_id: projectId, is_below: await api.quotas.isBelow(ctx.projectId, projectId),
  })

/** Upstream's flag sets what one user may have; here it would change the whole project's. */
const refuseUser = (query: Query): void => {
  if (!last(query, 'user_id')) return
  throw badRequest('Quota is kept for projects, not for single users of theirs. Leave user_id out.', {
    field: 'user_id',
  })
}
const path = '/os-quota-sets/{project_id}'

export const quotaRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof QuotaQuery>({
    id: 'quotas.show', method: 'GET', path, summary: "Show a project's quotas", policy: 'authenticated',
    query: QuotaQuery, reply: { status: 200 },
    handler: async (api, ctx, { params, query }) => {
      refuseUnknown(ctx, query, ['user_id'])
      await enforceOn(api, ctx, 'show', params.project_id!)
      await api.quotas.assertProject(params.project_id!)
      return { quota_set: { id: params.project_id, ...shown(ctx, await api.quotas.limits(params.project_id!)) } }
    },
  }),
  defineRoute<NovaApi, typeof QuotaQuery>({
    id: 'quotas.detail', method: 'GET', path: `${path}/detail`, summary: "Show a project's quotas with their use",
    policy: 'authenticated', query: QuotaQuery, reply: { status: 200 },
    handler: async (api, ctx, { params, query }) => {
      refuseUnknown(ctx, query, ['user_id'])
      await enforceOn(api, ctx, 'detail', params.project_id!)
      await api.quotas.assertProject(params.project_id!)
      return {
        quota_set: {
          id: params.project_id, ...shown(ctx, detailOf(await api.quotas.detail(params.project_id!, ctx.userId))),
        },
      }
    },
  }),
  defineRoute<NovaApi>({
    id: 'quotas.defaults', method: 'GET', path: `${path}/defaults`, summary: 'Show the default quotas',
    policy: 'os_compute_api:os-quota-sets:defaults', reply: { status: 200 },
    handler: async (api, ctx, { params }) => {
      await api.quotas.assertProject(params.project_id!)
      return { quota_set: { id: params.project_id, ...shown(ctx, await api.quotas.defaults(params.project_id!)) } }
    },
  }),
  defineRoute<NovaApi, typeof QuotaQuery, typeof QuotaBody>({
    id: 'quotas.update', method: 'PUT', path, summary: "Set a project's quotas", policy: 'authenticated',
    query: QuotaQuery, body: QuotaBody, reply: { status: 200 },
    handler: async (api, ctx, { params, query, body }) => {
      await enforceOn(api, ctx, 'update', params.project_id!)
      await api.quotas.assertProject(params.project_id!)
      refuseUser(query)
      const { force } = body.quota_set
      const limits = await api.quotas.update(ctx, params.project_id!, asked(body.quota_set), isTrue(force))
      return { quota_set: shown(ctx, limits) }
    },
  }),
  defineRoute<NovaApi, typeof QuotaQuery>({
    id: 'quotas.delete', method: 'DELETE', path, summary: "Take a project's quotas back to the defaults",
    policy: 'authenticated', query: QuotaQuery, reply: { status: 202 },
    handler: async (api, ctx, { params, query }) => {
      await enforceOn(api, ctx, 'delete', params.project_id!)
      refuseUser(query)
      await api.quotas.reset(ctx, params.project_id!)
    },
  }),
]

const networkNames = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules']
/** Classes lost their network quotas, and got their server groups, at 2.50. */
const classUntilOf = { ...untilOf, ...Object.fromEntries(networkNames.map((name) => [name, '2.50'])) }
const groupNames = ['server_groups', 'server_group_members']

const classView = (ctx: RequestContext, amounts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(shown(ctx, amounts, classUntilOf)).filter(
      ([name]) => atLeast(ctx, '2.50') || !groupNames.includes(name),
    ),
  )

export const quotaClassRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'quotaClasses.show', method: 'GET', path: '/os-quota-class-sets/{id}', summary: 'Show the quotas of a class',
    policy: 'os_compute_api:os-quota-class-sets:show', reply: { status: 200 },
    handler: async (api, ctx, { params }) =>
      ({ quota_class_set: { id: params.id, ...classView(ctx, await api.quotas.classShow(params.id!)) } }),
  }),
  defineRoute<NovaApi, undefined, typeof ClassBody>({
    id: 'quotaClasses.update', method: 'PUT', path: '/os-quota-class-sets/{id}', summary: 'Set the quotas of a class',
    policy: 'os_compute_api:os-quota-class-sets:update', body: ClassBody, reply: { status: 200 },
    handler: async (api, ctx, { params, body }) => {
      const amounts = await api.quotas.classUpdate(params.id!, asked(body.quota_class_set))
      return { quota_class_set: classView(ctx, amounts) }
    },
  }),
]

const limitNames: Record<string, string[]> = {
  ram: ['maxTotalRAMSize'], instances: ['maxTotalInstances'], cores: ['maxTotalCores'], key_pairs: ['maxTotalKeypairs'],
  floating_ips: ['maxTotalFloatingIps'], metadata_items: ['maxServerMeta', 'maxImageMeta'],
  injected_files: ['maxPersonality'],
  injected_file_content_bytes: ['maxPersonalitySize'], security_groups: ['maxSecurityGroups'],
  security_group_rules: ['maxSecurityGroupRules'],
  server_groups: ['maxServerGroups'], server_group_members: ['maxServerGroupMembers'],
}
const usedNames: Record<string, string> = {
  ram: 'totalRAMUsed', cores: 'totalCoresUsed', instances: 'totalInstancesUsed', floating_ips: 'totalFloatingIpsUsed',
  security_groups: 'totalSecurityGroupsUsed', server_groups: 'totalServerGroupsUsed',
}

const absoluteLimits = (ctx: RequestContext, set: QuotaSet): Record<string, number> => {
  const absolute: Record<string, number> = {}
  for (const [name, { limit, inUse, reserved }] of Object.entries(shown(ctx, set))) {
    for (const limitName of limitNames[name] ?? []) absolute[limitName] = limit
    const usedName = usedNames[name]
    if (usedName) absolute[usedName] = inUse + reserved
  }
  if (atLeast(ctx, '2.39')) delete absolute.maxImageMeta
  return absolute
}

const LimitsQuery = T.Object({ reserved: repeated, tenant_id: repeated }, { additionalProperties: true })

export const limitRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi, typeof LimitsQuery>({
    id: 'limits.show', method: 'GET', path: '/limits', summary: 'Show limits and their use',
    policy: 'os_compute_api:limits', query: LimitsQuery, reply: { status: 200 },
    handler: async (api, ctx, request) => {
      const query = request.query as Query
      refuseUnknown(ctx, query, ['reserved', 'tenant_id'])
      const other = last(query, 'tenant_id')
      if (other !== undefined && other !== ctx.projectId) ctx.enforce('os_compute_api:limits:other_project')
      return {
        limits: {
          rate: [], absolute: absoluteLimits(ctx, await api.quotas.detail(other ?? ctx.projectId, ctx.userId)),
        },
      }
    },
  }),
]

