/** `/resource_providers/{uuid}/inventories`: what a provider has to give. */
import { defineRoute } from '#platform/api-kit/route.ts'
import { Strict, T } from '#platform/api-kit/schema.ts'
import type { Static } from '#platform/api-kit/schema.ts'
import type { RequestContext } from '#platform/auth/context.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { Inventory } from '../facade.ts'
import type { Managers } from '../manager/managers.ts'
import type { Provider } from '../manager/views.ts'
import { fresh, isAt, pathOf } from './answers.ts'
import { Generation, InventoryReply, MapOf, className, inventoryFields } from './shapes.ts'

const Record = Strict(inventoryFields)
const intMax = 0x7fffffff

const toInventory = (body: Static<typeof Record>): Inventory => ({
  total: body.total,
  reserved: body.reserved ?? 0,
  minUnit: body.min_unit ?? 1,
  maxUnit: body.max_unit ?? intMax,
  stepSize: body.step_size ?? 1,
  allocationRatio: body.allocation_ratio ?? 1,
})

const view = (inventory: Inventory) => ({
  total: inventory.total,
  reserved: inventory.reserved,
  min_unit: inventory.minUnit,
  max_unit: inventory.maxUnit,
  step_size: inventory.stepSize,
  allocation_ratio: inventory.allocationRatio,
})

const listView = ({ inventories, generation }: Provider) => ({
  resource_provider_generation: generation,
  inventories: Object.fromEntries(Object.entries(inventories).map(([name, inventory]) => [name, view(inventory)])),
})

const oneView = ({ inventories, generation, id }: Provider, name: string) => {
  const inventory = inventories[name]
  if (inventory === undefined) throw notFound(`No inventory of class ${name} for ${id}`)
  return { ...view(inventory), resource_provider_generation: generation }
}

const rulesOf = (ctx: RequestContext) => ({ mayReserveAll: isAt(ctx, '1.26') })
const listReply = T.Object({ resource_provider_generation: Generation, inventories: MapOf(className, InventoryReply) })
const oneReply = T.Object({ ...InventoryReply.properties, resource_provider_generation: Generation })
const path = '/resource_providers/{uuid}/inventories'
const classPath = `${path}/{resource_class}`

export const inventoryRoutes = [
  defineRoute({
    id: 'inventories.list',
    method: 'GET',
    path,
    summary: 'List inventories',
    policy: 'placement:resource_providers:inventories:list',
    reply: { status: 200, schema: listReply },
    errors: [404],
    handler: async (api: Managers, ctx, { params }) =>
      fresh(api, ctx, listView(await api.providers.fetch(params.uuid!))),
  }),
  defineRoute({
    id: 'inventories.create',
    method: 'POST',
    path,
    summary: 'Create an inventory',
    policy: 'placement:resource_providers:inventories:create',
    reply: { status: 201, schema: oneReply },
    errors: [404, 409],
    body: Strict({ ...inventoryFields, resource_class: T.String({ pattern: className }) }),
    async handler(api: Managers, ctx, { params, body }) {
      const guard = { providerId: params.uuid!, generation: body.resource_provider_generation }
      const name = body.resource_class
      const provider = await api.inventories.set(guard, {
        name,
        inventory: toInventory(body),
        mode: 'create',
        rules: rulesOf(ctx),
      })
      return fresh(api, ctx, oneView(provider, name), {
        headers: { Location: pathOf(ctx, 'resource_providers', provider.id, 'inventories', name) },
      })
    },
  }),
  defineRoute({
    id: 'inventories.replace',
    method: 'PUT',
    path,
    summary: 'Set all inventories',
    policy: 'placement:resource_providers:inventories:update',
    reply: { status: 200, schema: listReply },
    errors: [404, 409],
    body: Strict({ resource_provider_generation: Generation, inventories: MapOf(className, Record) }),
    async handler(api: Managers, ctx, { params, body }) {
      const inventories = Object.fromEntries(
        Object.entries(body.inventories).map(([name, one]) => [name, toInventory(one)]),
      )
      const guard = { providerId: params.uuid!, generation: body.resource_provider_generation }
      return fresh(api, ctx, listView(await api.inventories.setAll(guard, inventories, rulesOf(ctx))))
    },
  }),
  defineRoute({
    id: 'inventories.delete-all',
    method: 'DELETE',
    path,
    since: '1.5',
    summary: 'Remove all inventories',
    policy: 'placement:resource_providers:inventories:delete',
    reply: { status: 204 },
    errors: [404, 409],
    handler: async (api: Managers, ctx, { params }) => {
      await api.inventories.setAll({ providerId: params.uuid! }, {}, rulesOf(ctx))
    },
  }),
  defineRoute({
    id: 'inventories.show',
    method: 'GET',
    path: classPath,
    summary: 'Show an inventory',
    policy: 'placement:resource_providers:inventories:show',
    reply: { status: 200, schema: oneReply },
    errors: [404],
    handler: async (api: Managers, ctx, { params }) =>
      fresh(api, ctx, oneView(await api.providers.fetch(params.uuid!), params.resource_class!)),
  }),
  defineRoute({
    id: 'inventories.update',
    method: 'PUT',
    path: classPath,
    summary: 'Update an inventory',
    policy: 'placement:resource_providers:inventories:update',
    reply: { status: 200, schema: oneReply },
    errors: [404, 409],
    body: Strict({ ...inventoryFields, resource_provider_generation: Generation }),
    async handler(api: Managers, ctx, { params, body }) {
      const guard = { providerId: params.uuid!, generation: body.resource_provider_generation }
      const name = params.resource_class!
      return fresh(
        api,
        ctx,
        oneView(
          await api.inventories.set(guard, { name, inventory: toInventory(body), mode: 'update', rules: rulesOf(ctx) }),
          name,
        ),
      )
    },
  }),
  defineRoute({
    id: 'inventories.delete',
    method: 'DELETE',
    path: classPath,
    summary: 'Remove an inventory',
    policy: 'placement:resource_providers:inventories:delete',
    reply: { status: 204 },
    errors: [404, 409],
    handler: async (api: Managers, _ctx, { params }) => {
      await api.inventories.remove(params.uuid!, params.resource_class!)
    },
  }),
]
