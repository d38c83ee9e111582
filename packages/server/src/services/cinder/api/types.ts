/** Routes of volume types, their extra specs, and who may use them. */
import type { RequestContext } from '#platform/auth/context.ts'
import { actionRoute } from '#platform/api-kit/action.ts'
import { defineAction, defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest, notFound } from '#platform/errors/errors.ts'
import type { CinderApi } from './cinder-api.ts'
import { AnyQuery, last, pageOf, type Query } from './manners.ts'
import { Bool, Description, opt, pairs } from './shapes.ts'
import { typeChanged, typeMade, typeView } from './views.ts'

const Specs = T.Object(
  {},
  {
    patternProperties: { '^[a-zA-Z0-9-_:. ]{1,255}$': Nullable(T.String({ maxLength: 255 })) },
    additionalProperties: false,
  },
)
const TypeName = T.String({ minLength: 1, maxLength: 255, pattern: '\\S' })
const accessKey = 'os-volume-type-access:is_public'

const NewBody = Strict({
  volume_type: Strict({
    name: TypeName,
    description: opt(Description),
    extra_specs: opt(Nullable(Specs)),
    [accessKey]: opt(Bool()),
  }),
})
const ChangeBody = Strict({
  volume_type: Strict({
    name: opt(Nullable(T.String({ maxLength: 255 }))),
    description: opt(Description),
    is_public: opt(Nullable(Bool())),
  }),
})

const path = '/types/{type_id}'

/** `is_public=None` asks for all that there are. */
const publicOf = (ctx: RequestContext, query: Query): boolean | null => {
  const text = last(query, 'is_public')
  if (!ctx.isAdmin) return true
  if (text === undefined) return true
  if (/^(none|null)$/i.test(text)) return null
  if (/^(t|true|1|yes|y|on)$/i.test(text)) return true
  if (/^(f|false|0|no|n|off)$/i.test(text)) return false
  throw badRequest(`Invalid is_public filter [${text}]`, { field: 'is_public' })
}

const recordRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'types.list',
    method: 'GET',
    path: '/types',
    summary: 'List volume types',
    policy: 'volume_extension:type_get_all',
    query: AnyQuery,
    reply: { status: 200 },
    handler: async (cinder, ctx, { query: asked }) => {
      const query = asked as Query
      const isPublic = ctx.isAdmin ? publicOf(ctx, query) : null
      const { limit, offset = 0, marker } = pageOf(query)
      const types = (await cinder.types.list(ctx, isPublic)).filter(
        ({ name }) => last(query, 'name') === undefined || name === last(query, 'name'),
      )
      const from = marker === undefined ? offset : types.findIndex(({ id }) => id === marker) + 1 + offset
      return { volume_types: types.slice(from, from + limit).map((type) => typeView(ctx, type)) }
    },
  }),
  defineRoute<CinderApi, undefined, typeof NewBody>({
    id: 'types.create',
    method: 'POST',
    path: '/types',
    summary: 'Make a volume type',
    policy: 'volume_extension:type_create',
    body: NewBody,
    reply: { status: 200 },
    errors: [409],
    handler: async (cinder, ctx, { body: { volume_type: asked } }) => {
      const type = await cinder.types.create({
        name: asked.name.trim(),
        description: asked.description ?? '',
        isPublic: asked[accessKey] === undefined || isTrue(asked[accessKey]),
        extraSpecs: pairs(asked.extra_specs),
      })
      return { volume_type: typeMade(ctx, type) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'types.default',
    method: 'GET',
    path: '/types/default',
    summary: 'Show the type of volumes whose maker names none',
    policy: 'volume_extension:type_get',
    reply: { status: 200 },
    handler: async (cinder, ctx) => ({ volume_type: typeView(ctx, await cinder.types.defaultFor(ctx.projectId)) }),
  }),
  defineRoute<CinderApi>({
    id: 'types.show',
    method: 'GET',
    path,
    summary: 'Show a volume type',
    policy: 'volume_extension:type_get',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      volume_type: typeView(ctx, await cinder.types.fetch(ctx, params.type_id!)),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof ChangeBody>({
    id: 'types.update',
    method: 'PUT',
    path,
    summary: 'Change a volume type',
    policy: 'volume_extension:type_update',
    body: ChangeBody,
    reply: { status: 200 },
    errors: [404, 409],
    handler: async (cinder, ctx, { params, body: { volume_type: asked } }) => {
      if (asked.name != null && asked.name.trim() === '')
        throw badRequest('Volume type name can not be empty.', { field: 'name' })
      if (asked.name == null && asked.description == null && asked.is_public == null)
        throw badRequest('Specify volume type name, description, is_public or a combination thereof.')
      const type = await cinder.types.update(params.type_id!, {
        ...(asked.name != null && { name: asked.name.trim() }),
        ...(asked.description != null && { description: asked.description }),
        ...(asked.is_public != null && { isPublic: isTrue(asked.is_public) }),
      })
      return { volume_type: typeChanged(ctx, type) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'types.delete',
    method: 'DELETE',
    path,
    summary: 'Delete a volume type that no volume has',
    policy: 'volume_extension:type_delete',
    reply: { status: 202 },
    errors: [404],
    handler: (cinder, _ctx, { params }) => cinder.types.delete(params.type_id!),
  }),
]

const SpecsBody = Strict({ extra_specs: Specs })
const specsOf = (ctx: RequestContext, type: Parameters<typeof typeView>[1]): Record<string, string> =>
  typeView(ctx, type).extra_specs || {}

const specRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'typeSpecs.list',
    method: 'GET',
    path: `${path}/extra_specs`,
    summary: "Show a type's extra specs",
    policy: 'volume_extension:types_extra_specs:index',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => ({
      extra_specs: specsOf(ctx, await cinder.types.fetch(ctx, params.type_id!)),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof SpecsBody>({
    id: 'typeSpecs.set',
    method: 'POST',
    path: `${path}/extra_specs`,
    summary: 'Set extra specs of a type that no volume has',
    policy: 'volume_extension:types_extra_specs:create',
    body: SpecsBody,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, _ctx, { params, body }) => {
      await cinder.types.specsSet(params.type_id!, pairs(body.extra_specs))
      return { extra_specs: body.extra_specs }
    },
  }),
  defineRoute<CinderApi>({
    id: 'typeSpecs.show',
    method: 'GET',
    path: `${path}/extra_specs/{key}`,
    summary: 'Show one extra spec',
    policy: 'volume_extension:types_extra_specs:show',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, ctx, { params }) => {
      const value = specsOf(ctx, await cinder.types.fetch(ctx, params.type_id!))[params.key!]
      if (value === undefined)
        throw notFound(`Volume Type ${params.type_id} has no extra specs with key ${params.key}.`)
      return { [params.key!]: value }
    },
  }),
  defineRoute<CinderApi, undefined, typeof Specs>({
    id: 'typeSpecs.update',
    method: 'PUT',
    path: `${path}/extra_specs/{key}`,
    summary: 'Set one extra spec',
    policy: 'volume_extension:types_extra_specs:update',
    body: Specs,
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, _ctx, { params, body }) => {
      const given = pairs(body)
      if (Object.keys(given).length > 1) throw badRequest('Request body contains too many items')
      if (!Object.hasOwn(given, params.key!)) throw badRequest('Request body and URI mismatch')
      await cinder.types.specsSet(params.type_id!, given)
      return given
    },
  }),
  defineRoute<CinderApi>({
    id: 'typeSpecs.delete',
    method: 'DELETE',
    path: `${path}/extra_specs/{key}`,
    summary: 'Take an extra spec away',
    policy: 'volume_extension:types_extra_specs:delete',
    reply: { status: 202 },
    errors: [404],
    handler: async (cinder, _ctx, { params }) => {
      await cinder.types.specDelete(params.type_id!, params.key!)
    },
  }),
]

const ProjectBody = Strict({ project: T.String({ minLength: 1, maxLength: 255, pattern: '^[a-fA-F0-9-]+$' }) })

const accessRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'typeAccess.list',
    method: 'GET',
    path: `${path}/os-volume-type-access`,
    summary: 'List the projects that may use a private type',
    policy: 'volume_extension:volume_type_access:get_all_for_type',
    reply: { status: 200 },
    errors: [404],
    handler: async (cinder, _ctx, { params }) => ({
      volume_type_access: await cinder.types.accessList(params.type_id!),
    }),
  }),
  actionRoute<CinderApi>({
    id: 'types.action',
    path: `${path}/action`,
    summary: 'Let a project use a private type, or no longer',
    errors: [404, 409],
    actions: [
      defineAction<CinderApi, typeof ProjectBody>({
        key: 'addProjectAccess',
        id: 'typeAccess.add',
        summary: 'Let a project use a private type',
        policy: 'volume_extension:volume_type_access:addProjectAccess',
        body: ProjectBody,
        handler: ({ types }, _ctx, { params, body }) => types.accessAdd(params.type_id!, body.project),
      }),
      defineAction<CinderApi, typeof ProjectBody>({
        key: 'removeProjectAccess',
        id: 'typeAccess.remove',
        summary: 'Let a project use a private type no longer',
        policy: 'volume_extension:volume_type_access:removeProjectAccess',
        body: ProjectBody,
        handler: ({ types }, _ctx, { params, body }) => types.accessRemove(params.type_id!, body.project),
      }),
    ],
  }),
]

export const typeRoutes: Route<CinderApi>[] = [...recordRoutes, ...specRoutes, ...accessRoutes]
