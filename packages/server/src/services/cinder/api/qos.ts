/** Routes of QoS specs. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { isTrue, Nullable, Strict, T } from '#platform/api-kit/schema.ts'
import { badRequest } from '#platform/errors/errors.ts'
import type { Qos } from '../manager/model.ts'
import type { CinderApi } from './cinder-api.ts'
import { AnyQuery, last, linksOf, type Query } from './manners.ts'
import { opt, pairs } from './shapes.ts'
import { qosView } from './views.ts'

const Consumer = T.Enum(['front-end', 'back-end', 'both'])
const specPattern = { '^[a-zA-Z0-9-_:. ]{1,255}$': T.String({ maxLength: 255 }) }
const NewBody = Strict({
  qos_specs: T.Object(
    { name: T.String({ minLength: 1, maxLength: 255, pattern: '\\S' }), consumer: opt(Nullable(Consumer)) },
    { patternProperties: specPattern, additionalProperties: false },
  ),
})
const SetBody = Strict({
  qos_specs: T.Object({ consumer: opt(Consumer) }, { patternProperties: specPattern, additionalProperties: false }),
})
const KeysBody = Strict({ keys: T.Array(T.String({ minLength: 1, maxLength: 255 })) })

const path = '/qos-specs/{qos_id}'
const rule = (verb: string): string => `volume_extension:qos_specs_manage:${verb}`

const typeOf = (query: Query): string => {
  const typeId = last(query, 'vol_type_id')
  if (!typeId) throw badRequest('Volume Type id must not be None.', { field: 'vol_type_id' })
  return typeId
}

const tieRoute = (
  verb: 'associate' | 'disassociate' | 'disassociate_all',
  act: (cinder: CinderApi, id: string, query: Query) => Promise<void>,
) =>
  defineRoute<CinderApi, typeof AnyQuery>({
    id: `qos.${verb}`,
    method: 'GET',
    path: `${path}/${verb}`,
    summary: `${verb} volume types`,
    policy: rule('update'),
    query: AnyQuery,
    reply: { status: 202 },
    errors: [404],
    handler: (cinder, _ctx, { params, query }) => act(cinder, params.qos_id!, query as Query),
  })

const recordRoutes: Route<CinderApi>[] = [
  defineRoute<CinderApi>({
    id: 'qos.list',
    method: 'GET',
    path: '/qos-specs',
    summary: 'List QoS specs',
    policy: rule('get_all'),
    reply: { status: 200 },
    handler: async ({ qos }) => ({ qos_specs: (await qos.list()).map(qosView) }),
  }),
  defineRoute<CinderApi, undefined, typeof NewBody>({
    id: 'qos.create',
    method: 'POST',
    path: '/qos-specs',
    summary: 'Make QoS specs',
    policy: rule('create'),
    body: NewBody,
    reply: { status: 200 },
    errors: [409],
    handler: async ({ qos }, ctx, { body }) => {
      const { name, consumer, ...specs } = body.qos_specs as Record<string, string>
      const made = await qos.create({
        name: name!.trim(),
        consumer: (consumer ?? 'back-end') as Qos['consumer'],
        specs: pairs(specs),
      })
      return { qos_specs: qosView(made), links: linksOf(ctx, `qos-specs/${made.id}`) }
    },
  }),
  defineRoute<CinderApi>({
    id: 'qos.show',
    method: 'GET',
    path,
    summary: 'Show QoS specs',
    policy: rule('get'),
    reply: { status: 200 },
    errors: [404],
    handler: async ({ qos }, ctx, { params }) => ({
      qos_specs: qosView(await qos.fetch(params.qos_id!)),
      links: linksOf(ctx, `qos-specs/${params.qos_id}`),
    }),
  }),
  defineRoute<CinderApi, undefined, typeof SetBody>({
    id: 'qos.set',
    method: 'PUT',
    path,
    summary: 'Set some of QoS specs',
    policy: rule('update'),
    body: SetBody,
    reply: { status: 200 },
    errors: [404],
    handler: async ({ qos }, _ctx, { params, body }) => ({
      qos_specs: await qos.set(params.qos_id!, pairs(body.qos_specs)),
    }),
  }),
  defineRoute<CinderApi, typeof AnyQuery>({
    id: 'qos.delete',
    method: 'DELETE',
    path,
    summary: 'Delete QoS specs',
    policy: rule('delete'),
    query: AnyQuery,
    reply: { status: 202 },
    errors: [404],
    handler: ({ qos }, _ctx, { params, query }) =>
      qos.delete(params.qos_id!, { force: isTrue(last(query as Query, 'force')) }),
  }),
]

export const qosRoutes: Route<CinderApi>[] = [
  ...recordRoutes,
  defineRoute<CinderApi, undefined, typeof KeysBody>({
    id: 'qos.unset',
    method: 'PUT',
    path: `${path}/delete_keys`,
    summary: 'Take some of QoS specs away',
    policy: rule('delete'),
    body: KeysBody,
    reply: { status: 202 },
    errors: [404],
    handler: ({ qos }, _ctx, { params, body }) => qos.unset(params.qos_id!, body.keys),
  }),
  defineRoute<CinderApi>({
    id: 'qos.associations',
    method: 'GET',
    path: `${path}/associations`,
    summary: 'List the volume types that have QoS specs',
    policy: rule('get_all'),
    reply: { status: 200 },
    errors: [404],
    handler: async ({ qos }, _ctx, { params }) => ({ qos_associations: await qos.associations(params.qos_id!) }),
  }),
  tieRoute('associate', ({ qos }, id, query) => qos.associate(id, typeOf(query))),
  tieRoute('disassociate', ({ qos }, id, query) => qos.disassociate(id, typeOf(query))),
  tieRoute('disassociate_all', ({ qos }, id) => qos.disassociateAll(id)),
]
