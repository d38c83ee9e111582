/** Application credentials and their access rules, below their user. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { forbidden } from '#platform/errors/errors.ts'
import type { ApplicationCredentialView, WantedRule } from '../manager/application-credentials.ts'
import type { Managers } from '../manager/managers.ts'
import type { StoredAccessRule } from '../store/tables.ts'
import { description, flag, name, openBody, optional, time } from './fields.ts'
import { collection, filtered, withLinks, type View } from './views.ts'
import { exactTimeOf } from './times.ts'

const method = T.String({ pattern: '^(POST|GET|HEAD|PATCH|PUT|DELETE)$' })
const accessRule = T.Object(optional({
  id: T.String({ minLength: 1, maxLength: 64 }), service: T.String({ minLength: 1, maxLength: 255 }), method,
  path: T.String({ minLength: 1, maxLength: 255, pattern: '^/' }),
}), { additionalProperties: false })
const roleRef = T.Object(
  optional({ id: T.String({ minLength: 1, maxLength: 64 }), name: T.String({ minLength: 1, maxLength: 255 }) }),
  { minProperties: 1, additionalProperties: true },
)
const createBody = openBody('application_credential', {
  ...optional({
    description, secret: T.Union([T.String({ minLength: 1, maxLength: 4096 }), T.Null()]), expires_at: time,
    roles: T.Array(roleRef), unrestricted: flag, access_rules: T.Array(accessRule),
  }),
  name,
})

interface Wanted {
  name: string; description?: string | null; secret?: string | null; expires_at?: string | null
  roles?: { id?: string; name?: string }[]; unrestricted?: boolean; access_rules?: WantedRule[]
}

const ruleView = (ctx: RequestContext, { user_id: userId, ...rule }: StoredAccessRule): View => withLinks(
  ctx, `/users/${userId}/access_rules/${rule.id}`, rule,
)

const view = (ctx: RequestContext, credential: ApplicationCredentialView): View =>
  withLinks(ctx, `/users/${credential.user_id}/application_credentials/${credential.id}`, {
    id: credential.id, name: credential.name, description: credential.description, user_id: credential.user_id,
    project_id: credential.project_id,
    roles: credential.roles.map((role) => ({ id: role.id, name: role.name, domain_id: role.domain_id || null })),
    expires_at: credential.expires_text,
    unrestricted: credential.unrestricted, system: null,
    ...(credential.access_rules && { access_rules: credential.access_rules.map(({
      id, service, method: verb, path,
    }) => ({ id, service, method: verb, path })) }),
    ...(credential.secret !== undefined && { secret: credential.secret }),
  })

/** A credential made by a delegated token would outlive the delegation. */
const refuseTrust = (ctx: RequestContext): void => {
  if (ctx.token.trust) throw forbidden('Cannot manage application credentials with a token issued via delegation.')
}

const refuseRestricted = (ctx: RequestContext): void => {
  if (!ctx.token.applicationCredential?.restricted) return
  throw forbidden(
    "You are not authorized to perform the requested action: Using method 'application_credential' is not"
      + " allowed for managing additional application credentials."
  )
}

const create = async (api: Managers, ctx: RequestContext, userId: string, wanted: Wanted): Promise<View> => {
  ctx.enforce('identity:create_application_credential', { user_id: userId })
  refuseTrust(ctx)
  refuseRestricted(ctx)
  const made = await api.applicationCredentials.create({
    name: wanted.name, description: wanted.description, secret: wanted.secret ?? undefined,
    expires: exactTimeOf(wanted.expires_at), roles: wanted.roles,
    unrestricted: wanted.unrestricted, accessRules: wanted.access_rules, userId, projectId: ctx.projectId,
    callerRoleIds: ctx.token.roles.map((role) => role.id),
  })
  return view(ctx, made)
}

/** The rule looks at the credential's own user, and at the one in the path only if there is no such credential. */
const guarded = async (
  api: Managers, ctx: RequestContext, rule: string, params: Record<string, string>,
): Promise<string> => {
  const { user_id: userId, application_credential_id: id = '' } = params
  ctx.enforce(rule, { user_id: (await api.applicationCredentials.find(id))?.user_id ?? userId })
  refuseTrust(ctx)
  return id
}

const root = '/users/{user_id}/application_credentials'

const credentials = [
  defineRoute({
    id: 'applicationCredentials.list', method: 'GET', path: root, summary: 'List application credentials',
    policy: 'authenticated', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const userId = request.params.user_id ?? ''
      ctx.enforce('identity:list_application_credentials', { user_id: userId })
      refuseTrust(ctx)
      const views = (await api.applicationCredentials.list({ user_id: userId })).map((one) => view(ctx, one))
      return collection({ ctx, request, key: 'application_credentials' }, filtered(views, request.query, ['name']))
    },
  }),
  defineRoute({
    id: 'applicationCredentials.create', method: 'POST', path: root, summary: 'Create an application credential',
    policy: 'authenticated', body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '' }, body }) =>
      ({ application_credential: await create(api, ctx, userId, body.application_credential as Wanted) }),
  }),
  defineRoute({
    id: 'applicationCredentials.show', method: 'GET', path: `${root}/{application_credential_id}`,
    summary: 'Show an application credential', policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params }) => {
      const id = await guarded(api, ctx, 'identity:get_application_credential', params)
      return { application_credential: view(ctx, await api.applicationCredentials.fetch(id)) }
    },
  }),
  defineRoute({
    id: 'applicationCredentials.delete', method: 'DELETE', path: `${root}/{application_credential_id}`,
    summary: 'Delete an application credential', policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params }) => {
      const id = await guarded(api, ctx, 'identity:delete_application_credential', params)
      refuseRestricted(ctx)
      await api.applicationCredentials.remove(id)
    },
  }),
]

const rulesGuarded = async (api: Managers, ctx: RequestContext, rule: string, userId: string): Promise<void> => {
  const user = await api.users.find(userId)
  ctx.enforce(rule, user ? { target: { user: { id: user.id, domain_id: user.domain_id } } } : {})
  refuseTrust(ctx)
}

const rules = [
  defineRoute({
    id: 'accessRules.list', method: 'GET', path: '/users/{user_id}/access_rules', summary: 'List access rules',
    policy: 'authenticated', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const userId = request.params.user_id ?? ''
      await rulesGuarded(api, ctx, 'identity:list_access_rules', userId)
      const views = (await api.applicationCredentials.listRules({ user_id: userId })).map((rule) => ruleView(ctx, rule))
      return collection(
        { ctx, request, key: 'access_rules' }, filtered(views, request.query, ['service', 'path', 'method']),
      )
    },
  }),
  defineRoute({
    id: 'accessRules.show', method: 'GET', path: '/users/{user_id}/access_rules/{access_rule_id}',
    summary: 'Show an access rule', policy: 'authenticated', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '', access_rule_id: id = '' } }) => {
      await rulesGuarded(api, ctx, 'identity:get_access_rule', userId)
      return { access_rule: ruleView(ctx, await api.applicationCredentials.fetchRule(userId, id)) }
    },
  }),
  defineRoute({
    id: 'accessRules.delete', method: 'DELETE', path: '/users/{user_id}/access_rules/{access_rule_id}',
    summary: 'Delete an access rule', policy: 'authenticated', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { user_id: userId = '', access_rule_id: id = '' } }) => {
      await rulesGuarded(api, ctx, 'identity:delete_access_rule', userId)
      await api.applicationCredentials.removeRule(userId, id)
    },
  }),
]

export const applicationCredentialRoutes = [...credentials, ...rules]
