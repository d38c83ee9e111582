/** `/v2.0/{collection}/{id}/tags`, alike for every resource. */
import { defineRoute, reply, type Route } from '#platform/api-kit/route.ts'
import { T, type TSchema } from '#platform/api-kit/schema.ts'
import type { Collection } from '../manager/collection.ts'
import type { NeutronApi } from './neutron-api.ts'

interface Tagged {
  path: string
  plural: string
  collection: (api: NeutronApi) => Collection<any>
}

const tagged: Tagged[] = [
  { path: 'networks', plural: 'networks', collection: (api) => api.networks.collection },
  { path: 'subnets', plural: 'subnets', collection: (api) => api.subnets.collection },
  { path: 'ports', plural: 'ports', collection: (api) => api.ports.collection },
  { path: 'routers', plural: 'routers', collection: (api) => api.routers.collection },
  { path: 'floatingips', plural: 'floatingips', collection: (api) => api.floatingIps.collection },
  { path: 'subnetpools', plural: 'subnetpools', collection: (api) => api.subnetPools.collection },
  { path: 'security-groups', plural: 'security_groups', collection: (api) => api.securityGroups.collection },
]

const body = T.Object({ tags: T.Array(T.String({ maxLength: 255 }), { uniqueItems: true }) })
const listSchema = T.Object({ tags: T.Array(T.String()) })

const rulesOf = (plural: string) => ({
  see: `get_${plural}_tags`,
  change: `update_${plural}_tags`,
  drop: `delete_${plural}_tags`,
})

/** All tags of a record at once. */
const allRoutes = ({ path, plural, collection }: Tagged): Route<NeutronApi>[] => {
  const all = `/${path}/{id}/tags`
  const { see, change, drop } = rulesOf(plural)
  return [
    defineRoute<NeutronApi>({
      id: `${plural}.tags`,
      method: 'GET',
      path: all,
      summary: 'List its tags',
      policy: see,
      reply: { status: 200, schema: listSchema },
      errors: [404],
      handler: async (api, ctx, { params }) => ({ tags: await api.tags.list(ctx, collection(api), params.id!) }),
    }),
    defineRoute<NeutronApi, undefined, TSchema>({
      id: `${plural}.tags.replace`,
      method: 'PUT',
      path: all,
      summary: 'Replace its tags',
      policy: change,
      body,
      reply: { status: 200, schema: listSchema },
      errors: [404],
      handler: async (api, ctx, { params, body: given }) => ({
        tags: await api.tags.set(ctx, collection(api), { id: params.id!, tags: (given as { tags: string[] }).tags }),
      }),
    }),
    defineRoute<NeutronApi>({
      id: `${plural}.tags.clear`,
      method: 'DELETE',
      path: all,
      summary: 'Remove all its tags',
      policy: drop,
      reply: { status: 204 },
      errors: [404],
      handler: async (api, ctx, { params }) => {
        await api.tags.set(ctx, collection(api), { id: params.id!, tags: [] })
      },
    }),
  ]
}

/** One tag of a record. */
const oneRoutes = ({ path, plural, collection }: Tagged): Route<NeutronApi>[] => {
  const one = `/${path}/{id}/tags/{tag}`
  const { see, change, drop } = rulesOf(plural)
  return [
    defineRoute<NeutronApi>({
      id: `${plural}.tags.check`,
      method: 'GET',
      path: one,
      summary: 'Tell whether it has a tag',
      policy: see,
      reply: { status: 204 },
      errors: [404],
      handler: async (api, ctx, { params }) => {
        await api.tags.assertHas(ctx, collection(api), { id: params.id!, tag: params.tag! })
      },
    }),
    defineRoute<NeutronApi>({
      id: `${plural}.tags.add`,
      method: 'PUT',
      path: one,
      summary: 'Add a tag',
      policy: change,
      reply: { status: 201 },
      errors: [404],
      handler: async (api, ctx, { params }) => {
        await api.tags.add(ctx, collection(api), { id: params.id!, tag: params.tag! })
        return reply({ status: 201 })
      },
    }),
    defineRoute<NeutronApi>({
      id: `${plural}.tags.remove`,
      method: 'DELETE',
      path: one,
      summary: 'Remove a tag',
      policy: drop,
      reply: { status: 204 },
      errors: [404],
      handler: async (api, ctx, { params }) => {
        await api.tags.remove(ctx, collection(api), { id: params.id!, tag: params.tag! })
      },
    }),
  ]
}

export const tagRoutes = tagged.flatMap((one) => [...allRoutes(one), ...oneRoutes(one)])
