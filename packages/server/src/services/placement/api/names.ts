/** `/traits` and `/resource_classes`. */
import { defineRoute } from '#platform/api-kit/route.ts'
import { Strict, T, isTrue, since, until } from '#platform/api-kit/schema.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Managers } from '../manager/managers.ts'
import { fresh, isAt, pathOf } from './answers.ts'

/** `in:A,B` or `startswith:HW_`. */
function matcherOf(text: string | undefined): (name: string) => boolean {
  if (text === undefined) return () => true
  const [operator, value] = text.split(/:(.*)/s, 2)
  if (value === undefined) {
    throw badRequest(
      'Badly formatted name parameter. Expected name query string parameter in form: ' +
        `?name=[in|startswith]:[name1,name2|prefix]. Got: "${text}"`,
    )
  }
  const names = new Set(value.split(','))
  return operator === 'in'
    ? (name) => names.has(name)
    : operator === 'startswith'
      ? (name) => name.startsWith(value)
      : () => true
}

async function associatedOf(api: Managers, text: string | undefined): Promise<(name: string) => boolean> {
  if (text === undefined) return () => true
  if (!/^(true|false)$/i.test(text)) throw badRequest('The query parameter "associated" only accepts "true" or "false"')
  const used = new Set((await api.providers.all()).flatMap(({ traits }) => traits))
  return (name) => used.has(name) === isTrue(text)
}

export const traitRoutes = [
  defineRoute({
    id: 'traits.list',
    method: 'GET',
    path: '/traits',
    since: '1.6',
    summary: 'List traits',
    policy: 'placement:traits:list',
    reply: { status: 200 },
    query: Strict({ name: T.Optional(T.String()), associated: T.Optional(T.String()) }),
    async handler(api: Managers, ctx, { query }) {
      const isNamed = matcherOf(query.name),
        isAssociated = await associatedOf(api, query.associated)
      return fresh(api, ctx, {
        traits: (await api.traits.list()).filter((name) => isNamed(name) && isAssociated(name)),
      })
    },
  }),
  defineRoute({
    id: 'traits.show',
    method: 'GET',
    path: '/traits/{name}',
    since: '1.6',
    summary: 'Check a trait',
    policy: 'placement:traits:show',
    reply: { status: 204 },
    errors: [404],
    async handler(api: Managers, ctx, { params }) {
      await api.traits.assert(params.name!)
      return fresh(api, ctx)
    },
  }),
  defineRoute({
    id: 'traits.update',
    method: 'PUT',
    path: '/traits/{name}',
    since: '1.6',
    summary: 'Create a custom trait',
    policy: 'placement:traits:update',
    reply: { status: 204 },
    errors: [409],
    async handler(api: Managers, ctx, { params }) {
      const isNew = await api.traits.ensure(params.name!)
      return fresh(api, ctx, undefined, {
        status: isNew ? 201 : 204,
        headers: { Location: pathOf(ctx, 'traits', params.name!) },
      })
    },
  }),
  defineRoute({
    id: 'traits.delete',
    method: 'DELETE',
    path: '/traits/{name}',
    since: '1.6',
    summary: 'Delete a custom trait',
    policy: 'placement:traits:delete',
    reply: { status: 204 },
    errors: [404, 409],
    handler: async (api: Managers, _ctx, { params }) => {
      await api.traits.remove(params.name!)
    },
  }),
]

const classView = (ctx: RequestContext, name: string) => ({
  name,
  links: [{ rel: 'self', href: pathOf(ctx, 'resource_classes', name) }],
})
const customName = T.String({ pattern: '^CUSTOM_[A-Z0-9_]+$', minLength: 1, maxLength: 255 })

export const resourceClassRoutes = [
  defineRoute({
    id: 'resource_classes.list',
    method: 'GET',
    path: '/resource_classes',
    since: '1.2',
    summary: 'List resource classes',
    policy: 'placement:resource_classes:list',
    reply: { status: 200 },
    handler: async (api: Managers, ctx) =>
      fresh(api, ctx, { resource_classes: (await api.resourceClasses.list()).map((name) => classView(ctx, name)) }),
  }),
  defineRoute({
    id: 'resource_classes.create',
    method: 'POST',
    path: '/resource_classes',
    since: '1.2',
    summary: 'Create a resource class',
    policy: 'placement:resource_classes:create',
    reply: { status: 201 },
    errors: [409],
    body: Strict({ name: customName }),
    async handler(api: Managers, ctx, { body }) {
      await api.resourceClasses.create(body.name)
      return fresh(api, ctx, undefined, { headers: { Location: pathOf(ctx, 'resource_classes', body.name) } })
    },
  }),
  defineRoute({
    id: 'resource_classes.show',
    method: 'GET',
    path: '/resource_classes/{name}',
    since: '1.2',
    summary: 'Show a resource class',
    policy: 'placement:resource_classes:show',
    reply: { status: 200 },
    errors: [404],
    async handler(api: Managers, ctx, { params }) {
      await api.resourceClasses.assert(params.name!)
      return fresh(api, ctx, classView(ctx, params.name!))
    },
  }),
  defineRoute({
    id: 'resource_classes.rename',
    method: 'PUT',
    path: '/resource_classes/{name}',
    since: '1.2',
    summary: 'Rename (until 1.6) or create a resource class',
    policy: 'placement:resource_classes:update',
    reply: { status: 204 },
    errors: [404, 409],
    body: T.Union([T.Intersect([Strict({ name: customName })], until('1.6')), T.Unknown(since('1.7'))]),
    async handler(api: Managers, ctx, { params, body }) {
      const name = params.name!
      if (!isAt(ctx, '1.7')) {
        const next = (body as { name: string }).name
        await api.resourceClasses.rename(name, next)
        return fresh(api, ctx, classView(ctx, next), { status: 200 })
      }
      const isNew = await api.resourceClasses.ensure(name)
      return fresh(api, ctx, undefined, {
        status: isNew ? 201 : 204,
        headers: { Location: pathOf(ctx, 'resource_classes', name) },
      })
    },
  }),
  defineRoute({
    id: 'resource_classes.delete',
    method: 'DELETE',
    path: '/resource_classes/{name}',
    since: '1.2',
    summary: 'Delete a custom resource class',
    policy: 'placement:resource_classes:delete',
    reply: { status: 204 },
    errors: [404, 409],
    handler: async (api: Managers, _ctx, { params }) => {
      await api.resourceClasses.remove(params.name!)
    },
  }),
]
