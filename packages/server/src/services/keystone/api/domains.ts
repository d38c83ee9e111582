/** Domains, and the options they have of their own. */
import { T } from '#platform/api-kit/schema.ts'
import { defineRoute, reply } from '#platform/api-kit/route.ts'
import { hexId } from '#platform/ids/ids.ts'
import type { Config } from '../manager/domain-configs.ts'
import type { DomainChanges } from '../manager/domains.ts'
import type { Managers } from '../manager/managers.ts'
import { domainOfCaller } from './callers.ts'
import { description, extraOf, flag, immutableOption, openBody, optional, shortName, someOf, tags } from './fields.ts'
import { memberFirst } from './member-first.ts'
import { collection, domainView, filtered } from './views.ts'

const own = ['name', 'enabled', 'description', 'tags', 'options', 'explicit_domain_id']
const fields = { enabled: flag, description, tags, options: immutableOption }
const explicitId = T.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' })
const createBody = openBody('domain', { ...optional({ ...fields, explicit_domain_id: explicitId }), name: shortName })
const updateBody = openBody('domain', optional({ ...fields, name: shortName }))
const configBody = T.Object({ config: T.Record(T.String(), T.Unknown()) })

const changesOf = (body: object): DomainChanges => ({ ...(body as DomainChanges), extra: extraOf(body, own) })

const domains = [
  defineRoute({
    id: 'domains.list', method: 'GET', path: '/domains', summary: 'List domains', policy: 'authenticated',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const only = domainOfCaller(ctx)
      ctx.enforce('identity:list_domains', { target: { domain: { id: only } } })
      const views = (await api.domains.list({ ...(only && { id: [only] }) })).map((domain) => domainView(ctx, domain))
      return collection(
        { ctx, request, key: 'domains', listMax: api.settings.listMax },
        filtered(views, request.query, ['name', 'enabled', 'id']),
      )
    },
  }),
  defineRoute({
    id: 'domains.create', method: 'POST', path: '/domains', summary: 'Create a domain',
    policy: 'identity:create_domain', body: createBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) => {
      const wanted = body.domain as { name: string; explicit_domain_id?: string }
      const domain = await api.domains.create(
        { ...changesOf(wanted), name: wanted.name }, wanted.explicit_domain_id ?? hexId(),
      )
      return { domain: domainView(ctx, domain) }
    },
  }),
  defineRoute({
    id: 'domains.show', method: 'GET', path: '/domains/{domain_id}', summary: 'Show a domain', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { domain_id: id = '' } }) => {
      const known = await api.domains.find(id)
      ctx.enforce('identity:get_domain', known ? { target: { domain: { id: known.id } } } : {})
      return { domain: domainView(ctx, await api.domains.fetch(id)) }
    },
  }),
  defineRoute({
    id: 'domains.update', method: 'PATCH', path: '/domains/{domain_id}', summary: 'Change a domain',
    policy: 'identity:update_domain', body: updateBody, reply: { status: 200 }, errors: [404, 409],
    handler: async (api: Managers, ctx, { params: { domain_id: id = '' }, body }) =>
      ({ domain: domainView(ctx, await api.domains.update(id, changesOf(someOf(body.domain)))) }),
  }),
  defineRoute({
    id: 'domains.delete', method: 'DELETE', path: '/domains/{domain_id}', summary: 'Delete a domain with all in it',
    policy: 'identity:delete_domain', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { domain_id: id = '' } }) => await api.domains.remove(id),
  }),
]

/** The whole, a group, or one option: the same verbs at each level. */
const configLevels = [
  { name: 'domainConfig', path: '/domains/{domain_id}/config' },
  { name: 'domainConfigGroup', path: '/domains/{domain_id}/config/{group}' },
  { name: 'domainConfigOption', path: '/domains/{domain_id}/config/{group}/{option}' },
]

const configRoutesAt = ({ name, path }: { name: string; path: string }) => [
  defineRoute({
    id: `${name}.show`, method: 'GET', path, summary: 'Show options of the domain\'s own', policy: 'authenticated',
    reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { domain_id: id = '', group, option } }) => {
      const isPublic = group === 'security_compliance'
      ctx.enforce(isPublic ? 'identity:get_security_compliance_domain_config' : 'identity:get_domain_config')
      await api.domains.fetch(id)
      return {
        config: isPublic
          ? api.domainConfigs.securityCompliance(option) : await api.domainConfigs.show(id, group, option),
      }
    },
  }),
  defineRoute({
    id: `${name}.update`, method: 'PATCH', path, summary: 'Change options of the domain\'s own',
    policy: 'identity:update_domain_config', body: configBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { domain_id: id = '', group, option }, body }) => {
      await api.domains.fetch(id)
      return { config: await api.domainConfigs.update(id, body.config as Config, group, option) }
    },
  }),
  defineRoute({
    id: `${name}.delete`, method: 'DELETE', path, summary: 'Remove options of the domain\'s own',
    policy: 'identity:delete_domain_config', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { domain_id: id = '', group, option } }) => {
      await api.domains.fetch(id)
      await api.domainConfigs.remove(id, group, option)
    },
  }),
]

const configs = [
  ...configLevels.flatMap(configRoutesAt),
  defineRoute({
    id: 'domainConfig.create', method: 'PUT', path: '/domains/{domain_id}/config',
    summary: 'Set options of the domain\'s own', policy: 'identity:create_domain_config', body: configBody,
    reply: { status: 201 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: { domain_id: id = '' }, body }) => {
      await api.domains.fetch(id)
      const status = await api.domainConfigs.exists(id) ? 200 : 201
      return reply({ status, body: { config: await api.domainConfigs.replace(id, body.config as Config) } })
    },
  }),
  ...[
    '/domains/config/default', '/domains/config/{group}/default', '/domains/config/{group}/{option}/default',
  ].map((path, level) => defineRoute({
    id: `domainConfig.default${level}`, method: 'GET', path, summary: 'Show the defaults of options',
    policy: 'identity:get_domain_config_default', reply: { status: 200 },
    handler: (api: Managers, _ctx, { params: { group, option } }) => ({
      config: api.domainConfigs.defaults(group, option),
    }),
  })),
]

const member = { parameter: 'domain_id', fetch: (api: Managers, id: string) => api.domains.fetch(id) }

export const domainRoutes = [
  ...memberFirst(domains.filter((route) => route.method !== 'GET'), member),
  ...domains.filter((route) => route.method === 'GET'), ...configs,
]
