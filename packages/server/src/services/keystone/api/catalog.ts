/** Regions, services and endpoints. */
import { Nullable, T } from '#platform/api-kit/schema.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import { hexId } from '#platform/ids/ids.ts'
import type { EndpointChanges, RegionChanges, ServiceChanges } from '../manager/catalog.ts'
import type { Managers } from '../manager/managers.ts'
import {
  anyId, description, extraOf, flag, id, interfaceName, name, openBody, optional, someOf, url,
} from './fields.ts'
import { memberFirst } from './member-first.ts'
import { collection, endpointView, filtered, one, regionView, serviceView } from './views.ts'

const region = { description: T.String(), parent_region_id: Nullable(anyId) }
const regionBody = openBody('region', optional({ ...region, id: T.String({ maxLength: 255 }) }))
const regionUpdateBody = openBody('region', optional(region))

const service = { name, description, enabled: flag }
const serviceType = T.String({ minLength: 1, maxLength: 255 })
const serviceCreateBody = openBody('service', { ...optional(service), type: serviceType })
const serviceUpdateBody = openBody('service', optional({ ...service, type: serviceType }))

const endpoint = { region_id: Nullable(anyId), region: Nullable(anyId), enabled: flag, name: T.String(), description }
const endpointCreateBody = openBody('endpoint', {
  ...optional(endpoint), service_id: id, interface: interfaceName, url,
})
const endpointUpdateBody = openBody(
  'endpoint', optional({ ...endpoint, service_id: id, interface: interfaceName, url }),
)

const regionChanges = (body: object): RegionChanges => {
  const { description: about, parent_region_id: parent } = body as RegionChanges
  return {
    description: about, parent_region_id: parent === '' ? null : parent, extra: extraOf(body, Object.keys(region)),
  }
}

const serviceChanges = (body: object): ServiceChanges => {
  const { type, name: called, enabled, description: about } = body as ServiceChanges
  return { type, name: called, enabled, description: about, extra: extraOf(body, ['type', ...Object.keys(service)]) }
}

/** Old clients write `region` for `region_id`, and expect it to be made. */
const endpointChanges = async (api: Managers, body: object): Promise<EndpointChanges> => {
  const given = body as EndpointChanges & { region?: string | null }
  if (given.region && given.region_id === undefined) await api.catalog.ensureRegion(given.region)
  return {
    service_id: given.service_id, interface: given.interface, url: given.url, enabled: given.enabled,
    region_id: given.region_id === undefined ? given.region : given.region_id,
    extra: extraOf(body, ['service_id', 'interface', 'url', 'enabled', 'region', 'region_id']),
  }
}

const regions = [
  defineRoute({
    id: 'regions.list', method: 'GET', path: '/regions', summary: 'List regions', policy: 'identity:list_regions',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const views = (await api.catalog.listRegions()).map((one) => regionView(ctx, one))
      return collection(
        { ctx, request, key: 'regions' }, filtered(views, request.query, ['parent_region_id', 'id', 'description']),
      )
    },
  }),
  defineRoute({
    id: 'regions.create', method: 'POST', path: '/regions', summary: 'Create a region',
    policy: 'identity:create_region', body: regionBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { body }) =>
      ({ region: regionView(
        ctx, await api.catalog.createRegion((body.region as { id?: string }).id || hexId(), regionChanges(body.region)),
      ) }),
  }),
  defineRoute({
    id: 'regions.put', method: 'PUT', path: '/regions/{region_id}', summary: 'Create a region under an id',
    policy: 'identity:create_region', body: regionBody, reply: { status: 201 }, errors: [409],
    handler: async (api: Managers, ctx, { params: { region_id: regionId = '' }, body }) =>
      ({ region: regionView(ctx, await api.catalog.createRegion(regionId, regionChanges(body.region))) }),
  }),
  defineRoute({
    id: 'regions.show', method: 'GET', path: '/regions/{region_id}', summary: 'Show a region',
    policy: 'identity:get_region', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { region_id: regionId = '' } }) =>
      ({ region: regionView(ctx, await api.catalog.fetchRegion(regionId)) }),
  }),
  defineRoute({
    id: 'regions.update', method: 'PATCH', path: '/regions/{region_id}', summary: 'Change a region',
    policy: 'identity:update_region', body: regionUpdateBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { region_id: regionId = '' }, body }) =>
      ({ region: regionView(ctx, await api.catalog.updateRegion(regionId, regionChanges(someOf(body.region)))) }),
  }),
  defineRoute({
    id: 'regions.delete', method: 'DELETE', path: '/regions/{region_id}', summary: 'Delete a region',
    policy: 'identity:delete_region', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      region_id: regionId = '',
    } }) => await api.catalog.removeRegion(regionId),
  }),
]

const services = [
  defineRoute({
    id: 'services.list', method: 'GET', path: '/services', summary: 'List services', policy: 'identity:list_services',
    reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const views = (await api.catalog.listServices()).map((one) => serviceView(ctx, one))
      return collection(
        { ctx, request, key: 'services' }, filtered(views, request.query, ['type', 'name', 'id', 'enabled']),
      )
    },
  }),
  defineRoute({
    id: 'services.create', method: 'POST', path: '/services', summary: 'Create a service',
    policy: 'identity:create_service', body: serviceCreateBody, reply: { status: 201 },
    handler: async (api: Managers, ctx, { body }) => {
      const changes = serviceChanges(body.service)
      return { service: serviceView(ctx, await api.catalog.createService({ ...changes, type: changes.type! })) }
    },
  }),
  defineRoute({
    id: 'services.show', method: 'GET', path: '/services/{service_id}', summary: 'Show a service',
    policy: 'identity:get_service', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { service_id: serviceId = '' } }) =>
      ({ service: serviceView(ctx, await api.catalog.fetchService(serviceId)) }),
  }),
  defineRoute({
    id: 'services.update', method: 'PATCH', path: '/services/{service_id}', summary: 'Change a service',
    policy: 'identity:update_service', body: serviceUpdateBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { service_id: serviceId = '' }, body }) =>
      ({ service: serviceView(ctx, await api.catalog.updateService(serviceId, serviceChanges(someOf(body.service)))) }),
  }),
  defineRoute({
    id: 'services.delete', method: 'DELETE', path: '/services/{service_id}',
    summary: 'Delete a service and its endpoints', policy: 'identity:delete_service', reply: { status: 204 },
    errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      service_id: serviceId = '',
    } }) => await api.catalog.removeService(serviceId),
  }),
]

const endpoints = [
  defineRoute({
    id: 'endpoints.list', method: 'GET', path: '/endpoints', summary: 'List endpoints',
    policy: 'identity:list_endpoints', reply: { status: 200 },
    handler: async (api: Managers, ctx, request) => {
      const found = await api.catalog.listEndpoints({ service_id: one(request.query.service_id) })
      const views = found.map((one) => endpointView(ctx, one))
      return collection(
        { ctx, request, key: 'endpoints' }, filtered(views, request.query, ['interface', 'region_id', 'region', 'id']),
      )
    },
  }),
  defineRoute({
    id: 'endpoints.create', method: 'POST', path: '/endpoints', summary: 'Create an endpoint',
    policy: 'identity:create_endpoint', body: endpointCreateBody, reply: { status: 201 },
    handler: async (api: Managers, ctx, { body }) => {
      const changes = await endpointChanges(api, body.endpoint)
      const wanted = { ...changes, service_id: changes.service_id!, interface: changes.interface!, url: changes.url! }
      return { endpoint: endpointView(ctx, await api.catalog.createEndpoint(wanted)) }
    },
  }),
  defineRoute({
    id: 'endpoints.show', method: 'GET', path: '/endpoints/{endpoint_id}', summary: 'Show an endpoint',
    policy: 'identity:get_endpoint', reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { endpoint_id: endpointId = '' } }) =>
      ({ endpoint: endpointView(ctx, await api.catalog.fetchEndpoint(endpointId)) }),
  }),
  defineRoute({
    id: 'endpoints.update', method: 'PATCH', path: '/endpoints/{endpoint_id}', summary: 'Change an endpoint',
    policy: 'identity:update_endpoint', body: endpointUpdateBody, reply: { status: 200 }, errors: [404],
    handler: async (api: Managers, ctx, { params: { endpoint_id: endpointId = '' }, body }) =>
      ({ endpoint: endpointView(
        ctx, await api.catalog.updateEndpoint(endpointId, await endpointChanges(api, someOf(body.endpoint))),
      ) }),
  }),
  defineRoute({
    id: 'endpoints.delete', method: 'DELETE', path: '/endpoints/{endpoint_id}', summary: 'Delete an endpoint',
    policy: 'identity:delete_endpoint', reply: { status: 204 }, errors: [404],
    handler: async (api: Managers, _ctx, { params: {
      endpoint_id: endpointId = '',
    } }) => await api.catalog.removeEndpoint(endpointId),
  }),
]

const member = {
  parameter: 'endpoint_id', fetch: (api: Managers, endpointId: string) => api.catalog.fetchEndpoint(endpointId),
}

export const catalogRoutes = [...regions, ...services, ...memberFirst(endpoints, member)]
