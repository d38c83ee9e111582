/** Tokens: issue, validate, revoke, and what a token could be scoped to. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import { isTrue } from '#platform/api-kit/schema.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { isoMicros } from '#platform/clock/clock.ts'
import { forbidden, notFound } from '#platform/errors/errors.ts'
import type { AuthRequest } from '../manager/authenticate.ts'
import type { Managers } from '../manager/managers.ts'
import type { TokenGrant } from '../manager/token-grants.ts'
import { collection, domainView, one, projectView, type Query, type View } from './views.ts'

const open = { additionalProperties: true }
const ref = { id: T.Optional(T.String({ maxLength: 255 })), name: T.Optional(T.String({ maxLength: 255 })) }
const domain = T.Optional(T.Object(ref, open))
const user = { ...ref, domain }

const scope = T.Union([T.Literal('unscoped'), T.Object({
  project: T.Optional(T.Object({ ...ref, domain }, open)),
  domain: T.Optional(T.Object(ref, open)),
  system: T.Optional(T.Object({ all: T.Literal(true) }, open)),
  unscoped: T.Optional(T.Object({}, open)),
  'OS-TRUST:trust': T.Optional(T.Object({ id: T.String({ minLength: 1, maxLength: 64 }) }, open)),
}, open)])

const tokenRequest = T.Object({
  auth: T.Object({
    identity: T.Object({
      methods: T.Array(T.String({ maxLength: 64 }), { minItems: 1, maxItems: 10 }),
      password: T.Optional(T.Object(
        { user: T.Object({ ...user, password: T.String({ maxLength: 4096 }) }, open) }, open,
      )),
      token: T.Optional(T.Object({ id: T.String({ maxLength: 4096 }) }, open)),
      totp: T.Optional(T.Object({ user: T.Object({ ...user, passcode: T.String({ maxLength: 64 }) }, open) }, open)),
      application_credential: T.Optional(T.Object({
        ...ref, secret: T.String({ maxLength: 4096 }), user: T.Optional(T.Object(user, open)),
      }, open)),
    }, open),
    scope: T.Optional(scope),
  }, open),
})

const scopeView = ({ data, projectIsDomain, trust }: TokenGrant): View => ({
  ...(data.project && {
    project: { id: data.project.id, name: data.project.name, domain: data.project.domain }, is_domain: projectIsDomain,
  }),
  ...(data.domain && { domain: data.domain }),
  ...(data.system && { system: { all: true } }),
  ...(trust && {
    'OS-TRUST:trust': {
      id: trust.id, trustor_user: { id: trust.trustor_user_id }, trustee_user: { id: trust.trustee_user_id },
      impersonation: trust.impersonation,
    },
  }),
})

const credentialView = ({ applicationCredential }: TokenGrant): View => {
  if (!applicationCredential) return {}
  const { id, name, restricted, accessRules } = applicationCredential
  return { application_credential: { id, name, restricted, ...(accessRules && { access_rules: accessRules }) } }
}

const isScoped = ({ data }: TokenGrant): boolean => Boolean(data.project || data.domain || data.system)

const tokenView = async (api: Managers, ctx: RequestContext, grant: TokenGrant, query: Query): Promise<View> => {
  const { data } = grant
  const showsCatalog = isScoped(grant) && !('nocatalog' in query)
  return {
    methods: data.methods, audit_ids: data.auditIds,
    expires_at: isoMicros(data.expiresAt), issued_at: isoMicros(data.issuedAt),
    user: {
      id: data.user.id, name: data.user.name, domain: data.user.domain,
      password_expires_at: grant.passwordExpiresAt === null ? null : isoMicros(
        grant.passwordExpiresAt
      ).replace('Z', ''),
    },
    ...scopeView(grant), ...credentialView(grant),
    ...(isScoped(grant) && { roles: data.roles.map(({ id, name }) => ({ id, name })) }),
    ...(showsCatalog && { catalog: await api.catalog.forToken({
      userId: data.user.id, projectId: data.project?.id, hostUrl: ctx.hostUrl,
    }) }),
  }
}

const subjectOf = (headers: Record<string, string | string[] | undefined>): string => one(
  headers['x-subject-token']
) ?? ''

/** A token that is not valid is not found; its text is never repeated. */
const inspected = async (api: Managers, token: string, query: Query = {}): Promise<TokenGrant> => {
  const graceMs = isTrue(one(query.allow_expired)) ? api.settings.expiredWindowMs : 0
  const grant = token ? await api.tokens.inspect(token, graceMs) : undefined
  if (!grant) throw notFound('Could not find token.')
  return grant
}

const subjectTarget = (grant: TokenGrant) => ({ target: { token: { user_id: grant.data.user.id } } })
const vary = { Vary: 'X-Auth-Token' }

const answer = async (
  api: Managers, ctx: RequestContext, { token, grant }: { token: string; grant: TokenGrant }, query: Query,
) =>
  reply({ headers: { 'X-Subject-Token': token, ...vary }, body: { token: await tokenView(api, ctx, grant, query) } })

const tokens = [
  defineRoute({
    id: 'auth.issue', method: 'POST', path: '/auth/tokens', summary: 'Issue a token', policy: 'open',
    body: tokenRequest, reply: { status: 201 },
    handler: async (api: Managers, ctx, request) =>
      await answer(api, ctx, await api.auth.authenticate(request.body.auth as AuthRequest), request.query),
  }),
  defineRoute({
    id: 'auth.validate', method: 'GET', path: '/auth/tokens', summary: 'Validate a token', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const token = subjectOf(request.headers)
      const grant = await inspected(api, token, request.query)
      ctx.enforce('identity:validate_token', subjectTarget(grant))
      return await answer(api, ctx, { token, grant }, request.query)
    },
  }),
  defineRoute({
    id: 'auth.revoke', method: 'DELETE', path: '/auth/tokens', summary: 'Revoke a token', policy: 'authenticated',
    reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, ctx, request) => {
      const grant = await inspected(api, subjectOf(request.headers))
      ctx.enforce('identity:revoke_token', subjectTarget(grant))
      await api.tokens.revokeNow(grant)
      return reply({ headers: vary })
    },
  }),
]

const scopes = [
  defineRoute({
    id: 'auth.projects', method: 'GET', path: '/auth/projects', summary: 'Projects the token could be scoped to',
    policy: 'identity:get_auth_projects', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const projects = await api.roleAssignments.projectsOf(ctx.userId)
      return collection(
        { ctx, request, key: 'projects' },
        projects.filter((project) => project.enabled).map((project) => projectView(ctx, project)),
      )
    },
  }),
  defineRoute({
    id: 'auth.domains', method: 'GET', path: '/auth/domains', summary: 'Domains the token could be scoped to',
    policy: 'identity:get_auth_domains', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const domains = await api.roleAssignments.domainsOf(ctx.userId)
      return collection(
        { ctx, request, key: 'domains' }, domains.filter((one) => one.enabled).map((one) => domainView(ctx, one)),
      )
    },
  }),
  defineRoute({
    id: 'auth.system', method: 'GET', path: '/auth/system', summary: 'Whether the token could be scoped to the system',
    policy: 'identity:get_auth_system', reply: { status: 200 },
    handler: async (api: Managers, ctx) => {
      const lines = await api.roleAssignments.list({ userId: ctx.userId, system: true, effective: true })
      return { system: lines.length > 0 ? [{ all: true }] : [], links: { self: `${ctx.baseUrl}/auth/system` } }
    },
  }),
  defineRoute({
    id: 'auth.catalog', method: 'GET', path: '/auth/catalog', summary: 'The catalog of the token\'s project',
    policy: 'identity:get_auth_catalog', reply: { status: 200 },
    handler: async (api: Managers, ctx) => {
      if (!ctx.token.project) throw forbidden('A project-scoped token is required to produce a service catalog.')
      const catalog = await api.catalog.forToken({ userId: ctx.userId, projectId: ctx.projectId, hostUrl: ctx.hostUrl })
      return { catalog, links: { self: `${ctx.baseUrl}/auth/catalog` } }
    },
  }),
]

export const authRoutes = [...tokens, ...scopes]
