/** OS-TRUST: trusts and the roles in them. */
import { Nullable, T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { isoMicros } from '#platform/clock/clock.ts'
import { forbidden } from '#platform/errors/errors.ts'
import type { Managers } from '../manager/managers.ts'
import type { WantedTrust } from '../manager/trusts.ts'
import type { Trust } from '../store/tables.ts'
import { extraOf, flag, id, nullableId, openBody, optional, time } from './fields.ts'
import { expiryOf } from './times.ts'
import { collection, one, roleView, withLinks, type View } from './views.ts'

const own = [
  'trustor_user_id', 'trustee_user_id', 'project_id', 'impersonation', 'expires_at', 'remaining_uses', 'roles',
  'allow_redelegation', 'redelegation_count',
]
const roleRef = T.Object(
  optional({ id: T.String({ minLength: 1, maxLength: 64 }), name: T.String({ minLength: 1, maxLength: 255 }) }),
  { minProperties: 1, additionalProperties: true },
)
const createBody = openBody('trust', {
  ...optional({
    project_id: nullableId, expires_at: time, remaining_uses: Nullable(T.Integer({ minimum: 1 })),
    roles: T.Array(roleRef),
    allow_redelegation: Nullable(flag), redelegation_count: Nullable(T.Integer({ minimum: 0 })),
  }),
  trustor_user_id: id, trustee_user_id: id, impersonation: flag,
})

const timeView = (ms: number | null): string | null => (ms === null ? null : isoMicros(ms))

const summaryView = (ctx: RequestContext, trust: Trust): View => withLinks(ctx, `/OS-TRUST/trusts/${trust.id}`, {
  ...trust.extra, id: trust.id, trustor_user_id: trust.trustor_user_id, trustee_user_id: trust.trustee_user_id,
  project_id: trust.project_id,
  impersonation: trust.impersonation, expires_at: timeView(trust.expires_at), remaining_uses: trust.remaining_uses,
  deleted_at: timeView(trust.deleted_at),
  redelegation_count: trust.redelegation_count,
  ...(trust.redelegated_trust_id !== null && { redelegated_trust_id: trust.redelegated_trust_id }),
})

const fullView = async (api: Managers, ctx: RequestContext, trust: Trust): Promise<View> => ({
  ...summaryView(ctx, trust),
  roles: (await api.trusts.rolesOf(trust)).map((role) => roleView(ctx, role)),
  roles_links: { self: `${ctx.baseUrl}/OS-TRUST/trusts/${trust.id}/roles`, next: null, previous: null },
})

/** An application credential must not reach further than its project by way of trusts. */
const refuseApplicationCredential = (ctx: RequestContext): void => {
  if (!ctx.token.applicationCredential) return
  throw forbidden(
    "You are not authorized to perform the requested action: Using method 'application_credential' is not"
      + " allowed for managing trusts."
  )
}

/** Unlike elsewhere, a trust that does not exist is not found for anybody: clients rely on it. */
const guarded = async (api: Managers, ctx: RequestContext, rule: string, trustId: string): Promise<Trust> => {
  const trust = await api.trusts.fetch(trustId)
  ctx.enforce(
    rule, { target: { trust: { trustor_user_id: trust.trustor_user_id, trustee_user_id: trust.trustee_user_id } } },
  )
  refuseApplicationCredential(ctx)
  return trust
}

const create = async (api: Managers, ctx: RequestContext, body: object): Promise<View> => {
  const wanted = body as WantedTrust & { expires_at?: string | null; allow_redelegation?: boolean | null }
  ctx.enforce('identity:create_trust', { target: { trust: { trustor_user_id: wanted.trustor_user_id } } })
  refuseApplicationCredential(ctx)
  const trust = await api.trusts.create({
    ...wanted, expiresAt: expiryOf(wanted.expires_at), allow_redelegation: wanted.allow_redelegation ?? false,
    extra: extraOf(body, own), parentTrustId: ctx.token.trust?.id,
  })
  return await fullView(api, ctx, trust)
}

const listed = async (
  api: Managers, ctx: RequestContext, trustor: string | undefined, trustee: string | undefined,
): Promise<Trust[]> => {
  if (trustor) ctx.enforce('identity:list_trusts_for_trustor', { target: { trust: { trustor_user_id: trustor } } })
  else if (trustee) ctx.enforce('identity:list_trusts_for_trustee', { target: { trust: { trustee_user_id: trustee } } })
  else ctx.enforce('identity:list_trusts')
  refuseApplicationCredential(ctx)
  return await api.trusts.list({ trustor_user_id: trustor, trustee_user_id: trustee })
}

export const trustRoutes = [
  defineRoute({
    id: 'trusts.list', method: 'GET', path: '/OS-TRUST/trusts', summary: 'List trusts', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const found = await listed(api, ctx, one(request.query.trustor_user_id), one(request.query.trustee_user_id))
      return collection({ ctx, request, key: 'trusts' }, found.map((trust) => summaryView(ctx, trust)))
    },
  }),
  defineRoute({
    id: 'trusts.create', method: 'POST', path: '/OS-TRUST/trusts', summary: 'Create a trust', policy: 'authenticated',
    body: createBody, reply: { status: 201 }, errors: [404],
    handler: async (api: Managers, ctx, { body }) => ({ trust: await create(api, ctx, body.trust) }),
  }),
  defineRoute({
    id: 'trusts.show', method: 'GET', path: '/OS-TRUST/trusts/{trust_id}', summary: 'Show a trust',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { trust_id: trustId = '' } }) =>
      ({ trust: await fullView(api, ctx, await guarded(api, ctx, 'identity:get_trust', trustId)) }),
  }),
  defineRoute({
    id: 'trusts.delete', method: 'DELETE', path: '/OS-TRUST/trusts/{trust_id}', summary: 'Delete a trust',
    policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { trust_id: trustId = '' } }) => {
      await guarded(api, ctx, 'identity:delete_trust', trustId)
      await api.trusts.remove(trustId)
    },
  }),
  defineRoute({
    id: 'trustRoles.list', method: 'GET', path: '/OS-TRUST/trusts/{trust_id}/roles', summary: 'Roles of a trust',
    policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const trust = await guarded(api, ctx, 'identity:list_roles_for_trust', request.params.trust_id ?? '')
      return collection(
        { ctx, request, key: 'roles' }, (await api.trusts.rolesOf(trust)).map((role) => roleView(ctx, role)),
      )
    },
  }),
  defineRoute({
    id: 'trustRoles.show', method: 'GET', path: '/OS-TRUST/trusts/{trust_id}/roles/{role_id}',
    summary: 'Check a role of a trust', policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { trust_id: trustId = '', role_id: roleId = '' } }) => {
      const trust = await guarded(api, ctx, 'identity:get_role_for_trust', trustId)
      api.trusts.requireRole(trust, roleId)
      return { role: roleView(ctx, await api.roles.fetch(roleId)) }
    },
  }),
]
